"""Predictions over HTTP, in real time."""
