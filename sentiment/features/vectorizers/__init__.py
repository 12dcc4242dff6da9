"""scikit-learn's text vectorizers, made of compiled kernels."""

from sentiment.features.vectorizers.count import CountVectorizer
from sentiment.features.vectorizers.tfidf import TfidfVectorizer

__all__ = ["CountVectorizer", "TfidfVectorizer"]
