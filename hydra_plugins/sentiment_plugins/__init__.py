"""Sweepers for ``-m`` and other plugins; Hydra finds plugins in this namespace."""
