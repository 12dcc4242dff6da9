"""N-gram vectorizers, compiled kernels and a count cache."""
