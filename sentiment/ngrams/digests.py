"""Digests of texts, by which the count cache recognizes them."""

import hashlib
import sys
from collections.abc import Collection
from typing import Final

import numpy as np

from sentiment.ngrams.cleaning import CleanedTexts
from sentiment.ngrams.texts import Texts, to_utf8

DIGEST_BYTES = 16
# Limit of the texts that a process remembers: twice the size of the 50,000 reviews.
_MOST_BYTES = 2**27


class _Digests:
    """Digests of the texts that this process has read, since all trials of a search read the same.

    The texts are keys, which are compared in full; Python hashes each str only once. When they take
    too much memory, all of them are forgotten.
    """

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}
        self._size = 0

    def find(self, texts: list[str]) -> list[bytes]:
        """Return the digest of each of `texts`, each of which is exactly a str."""
        found = list(map(self._known.get, texts))
        if None not in found:
            return [digest for digest in found if digest is not None]
        unknown = [t for t, d in zip(texts, found, strict=True) if d is None]
        missing = list(dict.fromkeys(unknown))
        new = dict(zip(missing, _digest(missing), strict=True))
        self._keep(new)
        return [d or new[t] for t, d in zip(texts, found, strict=True)]

    def _keep(self, new: dict[str, bytes]) -> None:
        size = sum(map(sys.getsizeof, new))
        if self._size + size > _MOST_BYTES:
            self._known, self._size = {}, 0
        if size <= _MOST_BYTES:
            self._known.update(new)
            self._size += size


_DIGESTS: Final = _Digests()


def digest_texts(texts: Texts) -> np.ndarray:
    """Return BLAKE2b of each text as it was read, shape (n_texts, 16), uint8."""
    raw = texts.raw if isinstance(texts, CleanedTexts) else texts
    strings = list(raw)
    # A subclass of str may compare in another way.
    plain = set(map(type, strings)) <= {str}
    digests = _DIGESTS.find(strings) if plain else _digest(raw)
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


def _digest(texts: Collection[str]) -> list[bytes]:
    source, bounds = to_utf8(texts)
    view = source.data
    return [
        hashlib.blake2b(view[a:b], digest_size=DIGEST_BYTES).digest()
        for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
