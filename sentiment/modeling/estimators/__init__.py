"""Models that scikit-learn lacks."""
