"""scikit-learn's text vectorizers with compiled kernels."""

from sentiment.ngrams.vectorizers.count import CountVectorizer
from sentiment.ngrams.vectorizers.tfidf import TfidfVectorizer

__all__ = ["CountVectorizer", "TfidfVectorizer"]
