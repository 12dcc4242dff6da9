"""Experiments in sentiment and text classification: Hydra in, scikit-learn and MLflow out."""

__version__ = "0.1.0"
