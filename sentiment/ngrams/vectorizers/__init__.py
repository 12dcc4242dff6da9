"""scikit-learn's text vectorizers, made of compiled kernels."""

from sentiment.ngrams.vectorizers.count import CountVectorizer
from sentiment.ngrams.vectorizers.tfidf import TfidfVectorizer

__all__ = ["CountVectorizer", "TfidfVectorizer"]
