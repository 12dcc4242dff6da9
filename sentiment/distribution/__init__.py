"""A trained model put to work on several processes or machines, by Dask."""

from sentiment.distribution.scorer import DaskScorer

__all__ = ["DaskScorer"]
