"""Texts as one array of bytes, for the kernels."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from unicodedata import is_normalized

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode

from sentiment.ngrams.cleaning import CleanedTexts, clean_text
from sentiment.ngrams.compiling import cut_ranges, run_threads
from sentiment.ngrams.kernels import scanning
from sentiment.ngrams.rules import TokenRules

# Collections of str; others are recognized by `are_strings`.
Texts = Collection[Any] | CleanedTexts

_STRIP = {"ascii": strip_accents_ascii, "unicode": strip_accents_unicode, None: str}
# ASCII lowercase forms of letters beyond ASCII, which could form a tag that was not there.
_LOWERED_TO_ASCII = ("\u0130", "\u212a")
# Fewer texts are joined sooner than Arrow has made its first array.
_FEW = 8


@dataclass(frozen=True)
class TextBytes:
    """Documents in UTF-8, lowercased and without accents if the rules ask for it.

    Attributes
    ----------
    text : ndarray of uint8
        All bytes.
    starts, ends : ndarray of int64, of shape (n_documents,)
        Document `d` is ``text[starts[d] : ends[d]]``.
    tags : ndarray of bool, of shape (n_documents,)
        True if it has HTML tags, which the kernels have to read as a space.
    cleaned : bool
        True if white space is treated as cleaned.
    """

    text: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    tags: np.ndarray
    cleaned: bool

    def __len__(self) -> int:
        return len(self.starts)

    def work(self) -> np.ndarray:
        """Return the bytes up to and with each document, shape (n_documents,)."""
        return np.cumsum(self.ends - self.starts)


def encode_texts(texts: Texts, rules: TokenRules, threads: int) -> TextBytes:
    """Return `texts` as bytes.

    ASCII is processed byte by byte. Documents with other characters, or with entities to clean, are
    processed by Python's own functions.
    """
    cleaned = isinstance(texts, CleanedTexts)
    raw = texts.raw if isinstance(texts, CleanedTexts) else texts
    source, bounds = to_utf8(raw)
    starts, ends = bounds[:-1].copy(), bounds[1:].copy()
    wide, entities = np.empty(len(starts), bool), np.empty(len(starts), bool)
    run_threads(
        lambda a, b: scanning.scan_documents(source, starts, ends, a, b, wide, entities),
        cut_ranges(ends, threads),
    )
    special = np.flatnonzero(wide | entities) if cleaned else np.flatnonzero(wide)
    tags = np.full(len(starts), cleaned)
    changed = []
    for d in special:
        document = source[starts[d] : ends[d]].tobytes().decode("utf-8", "surrogatepass")
        if cleaned and (entities[d] or rules.strip_accents or _is_unusual(document)):
            document = clean_text(document)
            tags[d] = False
        changed.append(normalize(document, rules).encode("utf-8", "surrogatepass"))
    sizes = np.array([len(document) for document in changed], np.int64)
    text = np.empty(len(source) + sizes.sum(), np.uint8)
    if rules.lowercase:
        scanning.copy_lowered(source, text)
    else:
        text[: len(source)] = source
    text[len(source) :] = np.frombuffer(b"".join(changed), np.uint8)
    ends[special] = len(source) + np.cumsum(sizes)
    starts[special] = ends[special] - sizes
    return TextBytes(text, starts, ends, tags, cleaned)


def are_strings(texts: Texts) -> bool:
    """Return whether all of `texts` are str."""
    raw = texts.raw if isinstance(texts, CleanedTexts) else texts
    if isinstance(raw, pd.Series) and isinstance(raw.dtype, pd.StringDtype):
        return not raw.isna().any()
    return all(issubclass(kind, str) for kind in set(map(type, raw)))


def to_utf8(texts: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of all `texts`, one after the other, and their bounds."""
    if not isinstance(texts, pd.Series):
        texts = list(texts)  # Arrow ends the strings of a numpy array at NUL
        if len(texts) < _FEW:
            return join_utf8(texts)
    try:
        strings = pa.array(texts, type=pa.large_string())
    except UnicodeEncodeError:  # lone surrogates
        return join_utf8(texts)
    if isinstance(strings, pa.ChunkedArray):
        strings = strings.combine_chunks()
    _, offsets, characters = strings.buffers()
    bounds = np.frombuffer(offsets, np.int64)[strings.offset :][: len(strings) + 1]
    if characters is None:
        return np.empty(0, np.uint8), bounds
    return np.frombuffer(characters, np.uint8)[bounds[0] : bounds[-1]], bounds - bounds[0]


def join_utf8(texts: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of `texts`, which may hold lone surrogates, and their bounds."""
    documents = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.array([0, *accumulate(map(len, documents))], np.int64)
    # Of a bytearray, so that it may be written: kernels are compiled anew for constants.
    return np.frombuffer(bytearray().join(documents), np.uint8), bounds


def _is_unusual(document: str) -> bool:
    """Return whether `document` has letters that have to be cleaned first."""
    lowered = any(letter in document for letter in _LOWERED_TO_ASCII)
    return lowered or not is_normalized("NFC", document)


def normalize(document: str, rules: TokenRules) -> str:
    """Return `document` lowercased and without accents, as the rules ask."""
    if rules.lowercase:
        document = document.lower()
    stripped: str = _STRIP[rules.strip_accents](document)
    return stripped
