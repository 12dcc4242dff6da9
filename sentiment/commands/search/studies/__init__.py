"""Optuna studies that survive a kill; no other module imports Optuna."""
