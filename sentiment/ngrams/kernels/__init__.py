"""Numeric kernels of the features, on arrays only and without the GIL.

No file imports kernels of another one, since numba only checks the file of a kernel to decide
whether its compiled code is stale.
"""
