"""Simple cleaning: HTML tags, HTML entities, composed letters, white space.

The steps are functions of the standard library with bound arguments. So a saved pipeline with these
steps is plain scikit-learn, and loads without this package.
"""

import html
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, Self
from unicodedata import normalize

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

# A tag starts with a letter, so that "a <3 b" and "1 < 2 > 0" stay unchanged.
TAG_PATTERN = r"</?[a-zA-Z][^<>]*>"
# All tags in a row, with the spaces between and after them: removing double spaces later takes more
# time.
_TAGS = re.compile(f"{TAG_PATTERN}(?: *{TAG_PATTERN})* *")
# Replacing in two steps takes half the time of one pattern with an alternative.
_RARE_SPACE = re.compile(r"[^\S ]")
_RARE_ASCII = [chr(code) for code in range(128) if _RARE_SPACE.match(chr(code))]
_SPACES = re.compile(r"  +")

CLEANING_STEPS: dict[str, Callable[[str], str]] = {
    "strip_tags": partial(re.sub, TAG_PATTERN, " "),
    "unescape": html.unescape,
    "compose": partial(normalize, "NFC"),
    "plain_spaces": partial(re.sub, _RARE_SPACE.pattern, " "),
    "single_spaces": partial(re.sub, _SPACES.pattern, " "),
}


def clean_text(text: str) -> str:
    """Return `text` after all of `CLEANING_STEPS`.

    Steps that would change nothing are skipped, which halves the time for reviews.
    """
    if "<" in text:
        text = _TAGS.sub(" ", text)
    text = normalize("NFC", html.unescape(text))
    if _may_have_rare_space(text):
        text = _RARE_SPACE.sub(" ", text)
    if "  " in text:
        text = _SPACES.sub(" ", text)
    return text


def _may_have_rare_space(text: str) -> bool:
    """Return whether there may be white space other than " ", which is not printable."""
    if text.isascii():  # a fast check, after which a search for each character is five times faster
        return any(map(text.__contains__, _RARE_ASCII))
    return not text.isprintable()


class CleanedTexts:
    """Texts that are cleaned lazily, when they are iterated.

    Parameters
    ----------
    raw : collection of str
        The raw texts, for readers that clean by themselves, such as the vectorizers of this
        project.
    """

    def __init__(self, raw: Collection[str]) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return len(self.raw)

    def __iter__(self) -> Iterator[str]:
        return map(clean_text, self.raw)


class Cleaner(TransformerMixin, BaseEstimator):
    """A transformer from texts to `CleanedTexts`."""

    def fit(self, texts: Any, y: Any = None) -> Self:
        """Learn nothing."""
        return self

    def transform(self, texts: Any) -> CleanedTexts:
        """Return the cleaned texts."""
        return CleanedTexts(texts)

    def to_sklearn(self) -> Pipeline:
        """Return the same transformer in plain scikit-learn."""
        return make_cleaner()

    def __sklearn_is_fitted__(self) -> bool:
        return True


def make_cleaner() -> Pipeline:
    """Return a transformer from an iterable of str to a list of cleaned str."""
    steps = [
        (name, FunctionTransformer(partial(map, step))) for name, step in CLEANING_STEPS.items()
    ]
    # A list, since map() can be iterated only once, and each part of a union iterates the texts.
    return Pipeline([*steps, ("collect", FunctionTransformer(list))])
