"""Kernels that scan and copy bytes, in loops that the compiler vectorizes."""

import numpy as np

from sentiment.ngrams.compiling import kernel

_AMPERSAND = 38


@kernel
def scan_documents(text, starts, ends, first, last, wide, entities):
    """Mark the documents that have bytes beyond ASCII, and those that may have entities."""
    for d in range(first, last):
        all_bits, ampersands = np.uint8(0), np.uint8(0)
        for i in range(starts[d], ends[d]):
            all_bits |= text[i]
            ampersands |= text[i] == _AMPERSAND
        wide[d] = all_bits >= 0x80
        entities[d] = False
        if ampersands:
            for i in range(starts[d], ends[d] - 1):
                # As in the pattern of html.unescape, none of these follows the ampersand.
                if text[i] == _AMPERSAND and text[i + 1] not in (9, 10, 12, 32, 38, 59, 60):
                    entities[d] = True
                    break


@kernel
def copy_lowered(source, out):
    """Write `source` into `out`, with ASCII letters in lowercase."""
    for i in range(len(source)):
        byte = source[i]
        out[i] = byte + 32 if 65 <= byte <= 90 else byte
