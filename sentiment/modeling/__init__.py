"""Pipelines, estimators, evaluation, explanation and model files."""
