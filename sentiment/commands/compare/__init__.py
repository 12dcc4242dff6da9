"""Comparison of models on the same test rows, or on live traffic."""
