"""Explanation of linear models: terms per class, per row and per text."""

from sentiment.modeling.explanation.rows import RowExplainer
from sentiment.modeling.explanation.weights import linear_weights, top_terms
from sentiment.modeling.explanation.words import TextExplanation, explain_text

__all__ = [
    "RowExplainer",
    "TextExplanation",
    "explain_text",
    "linear_weights",
    "top_terms",
]
