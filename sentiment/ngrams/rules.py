"""Token rules of a vectorizer, as far as the kernels support them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import numpy as np

from sentiment.ngrams.kernels import tokenizing as kinds

# Words with contractions, even of one letter, and punctuation that carries sentiment: "8 / 10",
# "don't" and "?!" are (pairs of) tokens.
SENTIMENT_PATTERN = r"""(?u)\w+(?:'\w+)*|[!?.,;:()"*/]"""
_SENTIMENT_MARKS = """!?.,;:()"*/"""

# Known patterns: smallest and largest number of characters of a word, contractions, marks. Longer
# words are truncated.
NO_END = 2**62
_PATTERNS = {
    r"\b\w\w+\b": (2, NO_END, False, ""),
    r"\b\w+\b": (1, NO_END, False, ""),
    r"\w\w+": (2, NO_END, False, ""),
    r"\w+": (1, NO_END, False, ""),
    SENTIMENT_PATTERN.removeprefix("(?u)"): (1, NO_END, True, _SENTIMENT_MARKS),
}
for _n in range(1, 10):
    _PATTERNS[rf"\w{{{_n},}}"] = (_n, NO_END, False, "")
    _PATTERNS[rf"\b\w{{1,{_n}}}"] = (1, _n, False, "")
    _PATTERNS[rf"\b\w{{1,{_n}}}|[{_SENTIMENT_MARKS}]"] = (1, _n, False, _SENTIMENT_MARKS)
# The other ranges are ideographs, Hangul syllables and private characters, which NFC never changes.
_CHANGEABLE_RANGES = [
    (0x300, 0x3400), (0xA000, 0xAC00), (0xF900, 0x17000), (0x1B000, 0x20000), (0x2F800, 0x2FA20)
]  # fmt: skip
_CODE_POINTS, _LINE = 0x110000, 0xA


@dataclass(frozen=True)
class TokenRules:
    """Rules that split texts into tokens.

    Attributes
    ----------
    analyzer : {"word", "char", "char_wb"}
        Units of the n-grams.
    pattern : str
        The token pattern, empty unless the analyzer is ``"word"``.
    lowercase : bool
        Whether texts are lowercased first.
    strip_accents : {"ascii", "unicode"} or None
        Method to strip accents after that.
    """

    analyzer: str
    pattern: str
    lowercase: bool
    strip_accents: str | None

    @property
    def lengths(self) -> tuple[int, int]:
        """Smallest and largest number of characters of a token."""
        return _PATTERNS[self.pattern][:2] if self.analyzer == "word" else (1, NO_END)

    @property
    def separator(self) -> str:
        """Separator between the tokens of an n-gram."""
        return " " if self.analyzer == "word" else ""


def find_rules(vectorizer: Any) -> TokenRules | None:
    """Return the rules of a scikit-learn vectorizer, or None if the kernels do not support them."""
    callables = (vectorizer.preprocessor, vectorizer.tokenizer)
    if vectorizer.input != "content" or callables != (None, None):
        return None
    dtype = np.dtype(vectorizer.dtype)
    if vectorizer.ngram_range[0] < 1 or (dtype.kind not in "iu" and dtype.char not in "fd"):
        return None
    if vectorizer.strip_accents not in (None, False, "ascii", "unicode"):
        return None
    if vectorizer.analyzer not in ("word", "char", "char_wb"):
        return None
    pattern = ""
    if vectorizer.analyzer == "word":
        pattern = str(vectorizer.token_pattern).removeprefix("(?u)")
        if pattern not in _PATTERNS:
            return None
    return TokenRules(
        analyzer=vectorizer.analyzer,
        pattern=pattern,
        lowercase=bool(vectorizer.lowercase),
        strip_accents=vectorizer.strip_accents or None,
    )


def _list_code_points() -> np.ndarray:
    return np.arange(_CODE_POINTS, dtype=np.uint32).view("U1")


@lru_cache
def is_space() -> np.ndarray:
    """Return whether each code point is white space, as in `re` and `str.split`."""
    return np.strings.isspace(_list_code_points())


@lru_cache
def is_letter() -> np.ndarray:
    """Return whether each code point is a letter, as in `str.isalpha`."""
    return np.strings.isalpha(_list_code_points())


@lru_cache
def may_compose() -> np.ndarray:
    """Return whether a text with each code point may not be in NFC.

    These are combining characters, which may be in a wrong order or may compose with the previous
    letter, and characters that NFC replaces (Unicode Standard Annex 15).
    """
    points = np.concatenate([np.arange(*bounds) for bounds in _CHANGEABLE_RANGES])
    is_changed = np.zeros(_CODE_POINTS, bool)
    # A non-combining character between two combining marks keeps NFC from reordering them.
    probes = np.full((len(points), 4), [0x301, 0, 0x316, _LINE], "<u4")
    probes[:, 1] = points
    text = _decode(probes)
    pieces = zip(text.split(chr(_LINE)), normalize("NFC", text).split(chr(_LINE)), strict=True)
    is_changed[points] = [piece != normalized for piece, normalized in pieces][:-1]
    # The later characters of a decomposition compose with the character before them.
    letters = normalize("NFD", _decode(np.insert(points, np.arange(len(points)), _LINE)))
    decomposed = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), "<u4")
    is_later = (decomposed[1:] != _LINE) & (decomposed[:-1] != _LINE)
    is_changed[decomposed[1:][is_later]] = True
    is_changed[0x1161:0x1176] = is_changed[0x11A8:0x11C3] = True  # parts of Hangul syllables
    return is_changed


def _decode(points: np.ndarray) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


@lru_cache
def is_word_character() -> np.ndarray:
    r"""Return whether each code point is ``\w``, as in `re`."""
    letters = np.strings.isalnum(_list_code_points())
    letters[ord("_")] = True
    return letters


@lru_cache
def classify(rules: TokenRules) -> tuple[np.ndarray, np.ndarray]:
    """Return the kinds of bytes, shape (256,), and of code points, shape (1114112,)."""
    if rules.analyzer == "word":
        points = np.where(is_word_character(), np.uint8(kinds.WORD), np.uint8(kinds.OTHER))
        *_, joins, marks = _PATTERNS[rules.pattern]
        points[[ord(mark) for mark in marks]] = kinds.MARK
        if joins:
            points[ord("'")] = kinds.JOINER
    else:
        points = np.where(is_space(), np.uint8(kinds.OTHER), np.uint8(kinds.WORD))
    table = points[:256].copy()
    table[128:] = kinds.WIDE
    table[ord("<")] += kinds.TAG_OR_OTHER
    return table, points
