"""Why a model says what it says: the terms that speak for each class, and for each answer."""

from sentiment.modeling.explanation.rows import RowExplainer
from sentiment.modeling.explanation.weights import linear_weights, telling_terms
from sentiment.modeling.explanation.words import TextExplanation, explain_text

__all__ = [
    "RowExplainer",
    "TextExplanation",
    "explain_text",
    "linear_weights",
    "telling_terms",
]
