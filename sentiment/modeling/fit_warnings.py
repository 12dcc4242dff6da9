"""Warnings of fits: one that comes in many fits of a run is given once."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TextIO

from sklearn.exceptions import FitFailedWarning

from sentiment.errors import mask_numbers


@dataclass
class _Found:
    """A warning, where it came from, and the fits in which it came."""

    message: Warning
    text: str
    place: tuple[str, int]
    fits: set[int] = field(default_factory=set)


class _Merger:
    """Collects the warnings of several fits."""

    def __init__(self) -> None:
        self.fits = 0
        self._found: dict[Any, _Found] = {}

    def add(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Count a warning of the fit that is under way, in place of `warnings.showwarning`."""
        given = message if isinstance(message, Warning) else category(message)
        text = str(given)
        if issubclass(category, FitFailedWarning):
            text = abridge_fits(text)
        # Many texts hold a number that differs from fit to fit.
        key = (mask_numbers(text), category, filename, lineno)
        self._found.setdefault(key, _Found(given, text, (filename, lineno))).fits.add(self.fits)

    def give(self) -> None:
        """Give each warning once."""
        for one in self._found.values():
            times = f"in {len(one.fits)} of {self.fits} fits: " if self.fits > 1 else ""
            one.message.args = (f"{times}{one.text}",)
            warnings.warn_explicit(one.message, type(one.message), *one.place)


_merger: ContextVar[_Merger | None] = ContextVar("merger", default=None)


@contextmanager
def merging_warnings() -> Iterator[None]:
    """Give each warning of the fits in the ``with`` block once, at its end, and count these fits.

    Inside of another such block, that one gives them.
    """
    if _merger.get() is not None:
        yield
        return
    merger = _Merger()
    token = _merger.set(merger)
    try:
        yield
    finally:
        _merger.reset(token)
        merger.give()


@contextmanager
def watching_fit() -> Iterator[None]:
    """Collect the warnings of one fit, for `merging_warnings`."""
    with merging_warnings(), warnings.catch_warnings():
        merger = _merger.get()
        if merger is not None:
            merger.fits += 1
            warnings.showwarning = merger.add
        # scikit-learn takes many small classes for numbers; labels are names here.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than")
        yield


def abridge_fits(text: str) -> str:
    r"""Return how many fits of a search failed, and the last error, of a text with tracebacks.

    Examples
    --------
    >>> abridge_fits("2 fits failed out of 4.\nTraceback:\n  ...\nValueError: C is too large\n")
    '2 fits failed out of 4: ValueError: C is too large'
    """
    lines = text.strip().split("\n")
    return f"{lines[0].rstrip('.')}: {lines[-1]}"
