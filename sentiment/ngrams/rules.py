"""Token rules of a vectorizer, as far as the kernels support them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import numpy as np

from sentiment.ngrams.kernels import tokenizing as kinds

# Words with their contractions, even of one letter, and the marks that carry feeling: "8 / 10",
# "don't" and "?!" are (pairs of) tokens.
SENTIMENT_PATTERN = r"""(?u)\w+(?:'\w+)*|[!?.,;:()"*/]"""
_SENTIMENT_MARKS = """!?.,;:()"*/"""

# The patterns that are known: least and most characters of a word, contractions, marks. A word
# that is longer than the most is cut.
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
# Elsewhere are ideographs, Hangul syllables and private characters: no marks, nothing to replace.
_NO_IDEOGRAPHS = [
    (0x300, 0x3400), (0xA000, 0xAC00), (0xF900, 0x17000), (0x1B000, 0x20000), (0x2F800, 0x2FA20)
]  # fmt: skip
_CODE_POINTS, _LINE = 0x110000, 0xA


@dataclass(frozen=True)
class TokenRules:
    """Rules that split texts into tokens.

    Attributes
    ----------
    analyzer : {"word", "char", "char_wb"}
        What n-grams are made of.
    pattern : str
        The token pattern, empty unless the analyzer is ``"word"``.
    lowercase : bool
        Whether small letters are made first.
    strip_accents : {"ascii", "unicode"} or None
        How accents are taken off after that.
    """

    analyzer: str
    pattern: str
    lowercase: bool
    strip_accents: str | None

    @property
    def lengths(self) -> tuple[int, int]:
        """Least and most characters of a token."""
        return _PATTERNS[self.pattern][:2] if self.analyzer == "word" else (1, NO_END)

    @property
    def separator(self) -> str:
        """Separator between the tokens of an n-gram."""
        return " " if self.analyzer == "word" else ""


def find_rules(vectorizer: Any) -> TokenRules | None:
    """Return the rules of a scikit-learn text vectorizer, or None if the kernels lack them."""
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


def _every_code_point() -> np.ndarray:
    return np.arange(_CODE_POINTS, dtype=np.uint32).view("U1")


@lru_cache
def is_space() -> np.ndarray:
    """Return for each code point whether it is white space, as `re` and `str.split` have it."""
    return np.strings.isspace(_every_code_point())


@lru_cache
def is_letter() -> np.ndarray:
    """Return for each code point whether it is a letter, as `str.isalpha` has it."""
    return np.strings.isalpha(_every_code_point())


@lru_cache
def may_compose() -> np.ndarray:
    """Return for each code point whether a text that has it may not be in NFC.

    Those are combining characters, of which the order or the letter before may be wrong, and
    characters that NFC replaces. All others leave a text as it is (Unicode Standard Annex 15).
    """
    points = np.concatenate([np.arange(*bounds) for bounds in _NO_IDEOGRAPHS])
    found = np.zeros(_CODE_POINTS, bool)
    # Between two marks, a character without a place in their order keeps them apart.
    probes = np.full((len(points), 4), [0x301, 0, 0x316, _LINE], "<u4")
    probes[:, 1] = points
    text = _decode(probes)
    pieces = zip(text.split(chr(_LINE)), normalize("NFC", text).split(chr(_LINE)), strict=True)
    found[points] = [before != after for before, after in pieces][:-1]
    # What a letter decomposes into composes with what is before it.
    letters = normalize("NFD", _decode(np.insert(points, np.arange(len(points)), _LINE)))
    parts = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), "<u4")
    found[parts[1:][(parts[1:] != _LINE) & (parts[:-1] != _LINE)]] = True
    found[0x1161:0x1176] = found[0x11A8:0x11C3] = True  # parts of Hangul syllables
    return found


def _decode(points: np.ndarray) -> str:
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


@lru_cache
def is_word_character() -> np.ndarray:
    r"""Return for each code point whether it is ``\w``, as `re` has it."""
    letters = np.strings.isalnum(_every_code_point())
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
