"""Predict: put a tracked model to work on inputs of any size, and lose nothing of them."""

from sentiment.prediction.job import predict, predict_files
from sentiment.prediction.results import PredictionResult
from sentiment.prediction.single import ExplanationResult, explain

__all__ = ["ExplanationResult", "PredictionResult", "explain", "predict", "predict_files"]
