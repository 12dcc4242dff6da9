"""Order of labels: numbers by their value, texts by their letters."""

import re
from collections.abc import Iterable, Sequence

import numpy as np

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def read_number(label: str) -> float | None:
    """Return the value of a label that is a number, and otherwise None."""
    return float(label) if _NUMBER.fullmatch(label) else None


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return labels in order: numbers by their value, and then the others.

    Two labels stay in the order of scikit-learn, whose second one is the positive class.

    Examples
    --------
    >>> sort_labels(["10", "good", "9", "-1", "bad", "0.5"])
    ['-1', '0.5', '9', '10', 'bad', 'good']
    """
    ordered = sorted(str(label) for label in labels)
    return ordered if len(ordered) == 2 else sorted(ordered, key=_make_key)


def find_order(classes: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the places of the `classes` of a model in the order of `sort_labels`.

    Examples
    --------
    >>> find_order(["1", "10", "2"]).tolist()
    [0, 2, 1]
    """
    names = [str(label) for label in classes]
    places = {label: place for place, label in enumerate(names)}
    return np.array([places[label] for label in sort_labels(names)], dtype=np.int64)


def _make_key(label: str) -> tuple[bool, float]:
    number = read_number(label)
    return number is None, number or 0.0
