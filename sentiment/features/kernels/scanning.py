"""A first look at bytes; the compiler makes both loops many bytes wide."""

import numpy as np

from sentiment.features.kernels.compiling import kernel

_AMPERSAND = 38


@kernel
def find_odd(text, starts, ends, first, last, wide, entities):
    """Say of each document whether it has bytes beyond ASCII, and whether it has an ampersand."""
    for d in range(first, last):
        every, ampersands = np.uint8(0), np.uint8(0)
        for i in range(starts[d], ends[d]):
            every |= text[i]
            ampersands |= text[i] == _AMPERSAND
        wide[d] = every >= 0x80
        entities[d] = ampersands != 0


@kernel
def copy_lowered(source, out):
    """Write `source` with small letters for the capital letters of ASCII into `out`."""
    for i in range(len(source)):
        byte = source[i]
        out[i] = byte + 32 if 65 <= byte <= 90 else byte
