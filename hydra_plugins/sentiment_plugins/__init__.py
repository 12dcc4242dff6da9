"""The sweepers behind ``-m``; Hydra finds plugins in this namespace."""
