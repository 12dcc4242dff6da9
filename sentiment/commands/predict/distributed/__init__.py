"""Prediction on several processes or machines, with Dask."""

from sentiment.commands.predict.distributed.scorer import DaskScorer

__all__ = ["DaskScorer"]
