"""Features that scikit-learn lacks."""
