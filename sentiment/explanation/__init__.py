"""Why a model says what it says: the terms that speak for each class, and for each answer."""

from sentiment.explanation.rows import RowExplainer
from sentiment.explanation.weights import linear_weights, telling_terms

__all__ = ["RowExplainer", "linear_weights", "telling_terms"]
