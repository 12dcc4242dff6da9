"""Whether what a model is given, and what it says, still is what it was at training."""
