"""Recording of runs that were kept while their store was away."""
