"""The numeric kernels under the features: arrays in, arrays out, no Python object, no GIL.

Each file stands alone: numba watches only the file of a kernel when it decides whether its
compiled code is stale.
"""
