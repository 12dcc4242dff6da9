"""Optuna studies, which survive a kill; the only importers of Optuna."""
