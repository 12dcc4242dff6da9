"""Experiments in sentiment and text classification: Hydra in, scikit-learn and MLflow out."""

import sys

if sys.platform == "win32":
    raise ImportError("sentiment runs on Linux and macOS; on Windows, use it in WSL")

__version__ = "0.1.0"
