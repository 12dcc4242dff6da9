"""Comparison of new texts and predictions with those of training."""
