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
from sentiment.ngrams.compiling import run_threads, split_work
from sentiment.ngrams.kernels import scanning
from sentiment.ngrams.rules import TokenRules

# Collections of str; others are recognized by `are_strings`.
Texts = Collection[Any] | CleanedTexts

_STRIP = {"ascii": strip_accents_ascii, "unicode": strip_accents_unicode, None: str}
# Letters beyond ASCII with ASCII lowercase forms, so that lowercasing could create a tag.
_LOWERED_TO_ASCII = ("\u0130", "\u212a")
# Fewer texts are joined faster without Arrow.
_FEW = 8


@dataclass(frozen=True)
class TextBytes:
    """Documents in UTF-8, lowercased and without accents if the rules ask for it.

    Attributes
    ----------
    text : ndarray of uint8
        Bytes of all documents.
    starts, ends : ndarray of int64, of shape (n_documents,)
        Document `d` is ``text[starts[d] : ends[d]]``.
    tags : ndarray of bool, of shape (n_documents,)
        True if the kernels have to read HTML tags of the document as spaces.
    cleaned : bool
        True if white space is read as if it was cleaned.
    """

    text: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    tags: np.ndarray
    cleaned: bool

    def __len__(self) -> int:
        return len(self.starts)

    def work(self) -> np.ndarray:
        """Return the cumulative number of bytes of the documents, shape (n_documents,)."""
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
        split_work(ends, threads),
    )
    special = np.flatnonzero(wide | entities) if cleaned else np.flatnonzero(wide)
    tags = np.full(len(starts), cleaned)
    encoded = []
    for d in special:
        document = source[starts[d] : ends[d]].tobytes().decode("utf-8", "surrogatepass")
        if cleaned and (entities[d] or rules.strip_accents or _is_unusual(document)):
            document = clean_text(document)
            tags[d] = False
        encoded.append(normalize(document, rules).encode("utf-8", "surrogatepass"))
    sizes = np.array([len(document) for document in encoded], np.int64)
    text = np.empty(len(source) + sizes.sum(), np.uint8)
    if rules.lowercase:
        scanning.copy_lowered(source, text)
    else:
        text[: len(source)] = source
    text[len(source) :] = np.frombuffer(b"".join(encoded), np.uint8)
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
    """Return the concatenated bytes of all `texts`, and their bounds."""
    if not isinstance(texts, pd.Series):
        texts = list(texts)  # Arrow would truncate the strings of a numpy array at NUL
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
    """Return the bytes of `texts`, which may contain lone surrogates, and their bounds."""
    documents = [text.encode("utf-8", "surrogatepass") for text in texts]
    bounds = np.array([0, *accumulate(map(len, documents))], np.int64)
    # A bytearray makes the array writable; for read-only arrays, kernels would be compiled again.
    return np.frombuffer(bytearray().join(documents), np.uint8), bounds


def _is_unusual(document: str) -> bool:
    """Return whether `document` has letters that have to be cleaned first."""
    may_become_ascii = any(letter in document for letter in _LOWERED_TO_ASCII)
    return may_become_ascii or not is_normalized("NFC", document)


def normalize(document: str, rules: TokenRules) -> str:
    """Return `document` in lowercase and without accents if the rules ask for it."""
    if rules.lowercase:
        document = document.lower()
    stripped: str = _STRIP[rules.strip_accents](document)
    return stripped
