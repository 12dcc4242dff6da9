"""Sweeps and searches: many jobs, of which none is lost and none is done twice."""
