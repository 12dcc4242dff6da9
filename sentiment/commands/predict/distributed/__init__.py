"""A trained model put to work on several processes or machines, by Dask."""

from sentiment.commands.predict.distributed.scorer import DaskScorer

__all__ = ["DaskScorer"]
