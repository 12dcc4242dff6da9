"""Digests of texts, which identify texts in the count cache."""

import hashlib
import sys
from collections.abc import Collection
from typing import Final

import numpy as np

from sentiment.ngrams.cleaning import CleanedTexts
from sentiment.ngrams.texts import Texts, to_utf8

DIGEST_BYTES = 16
# Limit of the cached texts of a process: twice the size of the 50,000 reviews.
_MAX_BYTES = 2**27


class _Digests:
    """Cache of the digests of texts in this process, since all trials of a search read the same.

    The texts are keys, which are compared in full; Python hashes each str only once. The cache is
    cleared when it takes too much memory.
    """

    def __init__(self) -> None:
        self._cache: dict[str, bytes] = {}
        self._size = 0

    def find(self, texts: list[str]) -> list[bytes]:
        """Return the digest of each of `texts`, whose types are exactly str."""
        cached = list(map(self._cache.get, texts))
        if None not in cached:
            return [digest for digest in cached if digest is not None]
        missing = list(dict.fromkeys(t for t, d in zip(texts, cached, strict=True) if d is None))
        new = dict(zip(missing, _digest(missing), strict=True))
        self._add(new)
        return [d or new[t] for t, d in zip(texts, cached, strict=True)]

    def _add(self, new: dict[str, bytes]) -> None:
        size = sum(map(sys.getsizeof, new))
        if self._size + size > _MAX_BYTES:
            self._cache, self._size = {}, 0
        if size <= _MAX_BYTES:
            self._cache.update(new)
            self._size += size


_DIGESTS: Final = _Digests()


def digest_texts(texts: Texts) -> np.ndarray:
    """Return the BLAKE2b digest of each uncleaned text, shape (n_texts, 16), uint8."""
    raw = texts.raw if isinstance(texts, CleanedTexts) else texts
    strings = list(raw)
    # A subclass of str may define equality differently.
    are_plain = set(map(type, strings)) <= {str}
    digests = _DIGESTS.find(strings) if are_plain else _digest(raw)
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


def _digest(texts: Collection[str]) -> list[bytes]:
    source, bounds = to_utf8(texts)
    view = source.data
    return [
        hashlib.blake2b(view[a:b], digest_size=DIGEST_BYTES).digest()
        for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
