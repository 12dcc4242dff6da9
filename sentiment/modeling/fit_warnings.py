"""Warnings of fits: a warning that several fits of a run raise is issued once."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TextIO

from sklearn.exceptions import FitFailedWarning

from sentiment.errors import mask_numbers


@dataclass
class _MergedWarning:
    """A warning, its location, and the fits that raised it."""

    message: Warning
    text: str
    location: tuple[str, int]
    fits: set[int] = field(default_factory=set)


class _Merger:
    """Collector of the warnings of several fits."""

    def __init__(self) -> None:
        self.fits = 0
        self._warnings: dict[Any, _MergedWarning] = {}

    def add(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Collect a warning of the current fit; replaces `warnings.showwarning`."""
        warning = message if isinstance(message, Warning) else category(message)
        text = str(warning)
        if issubclass(category, FitFailedWarning):
            text = abridge_fits(text)
        # Many texts contain a number that differs from fit to fit.
        key = (mask_numbers(text), category, filename, lineno)
        merged = self._warnings.setdefault(key, _MergedWarning(warning, text, (filename, lineno)))
        merged.fits.add(self.fits)

    def issue(self) -> None:
        """Issue each warning once."""
        for merged in self._warnings.values():
            times = f"in {len(merged.fits)} of {self.fits} fits: " if self.fits > 1 else ""
            merged.message.args = (f"{times}{merged.text}",)
            warnings.warn_explicit(merged.message, type(merged.message), *merged.location)


_merger: ContextVar[_Merger | None] = ContextVar("merger", default=None)


@contextmanager
def merging_warnings() -> Iterator[None]:
    """Issue each warning of the fits in the ``with`` block once, at its end, and count these fits.

    If blocks are nested, the outermost one issues the warnings.
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
        merger.issue()


@contextmanager
def watching_fit() -> Iterator[None]:
    """Collect the warnings of one fit, for `merging_warnings`."""
    with merging_warnings(), warnings.catch_warnings():
        merger = _merger.get()
        if merger is not None:
            merger.fits += 1
            warnings.showwarning = merger.add
        # scikit-learn takes many small classes for a regression target; labels are names here.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than")
        yield


def abridge_fits(text: str) -> str:
    r"""Return the number of failed fits of a search, and the last error, of a text with tracebacks.

    Examples
    --------
    >>> abridge_fits("2 fits failed out of 4.\nTraceback:\n  ...\nValueError: C is too large\n")
    '2 fits failed out of 4: ValueError: C is too large'
    """
    lines = text.strip().split("\n")
    return f"{lines[0].rstrip('.')}: {lines[-1]}"
