"""Recording of what was kept while its store was away."""
