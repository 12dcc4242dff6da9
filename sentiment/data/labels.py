"""Order of labels: numbers by value, texts alphabetically."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from sentiment.errors import ConfigError, count_of, quote_list

_MAX_LISTED = 5  # number of labels in a message
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def read_number(label: str) -> float | None:
    """Return the value of a label that is a number, else None."""
    return float(label) if _NUMBER.fullmatch(label) else None


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return labels in order: numbers by value, and then the others.

    Two labels keep the order of scikit-learn, in which the second is the positive class.

    Examples
    --------
    >>> sort_labels(["10", "good", "9", "-1", "bad", "0.5"])
    ['-1', '0.5', '9', '10', 'bad', 'good']
    """
    ordered = sorted(str(label) for label in labels)
    return ordered if len(ordered) == 2 else sorted(ordered, key=_sort_key)


def find_order(classes: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return the indices that sort the `classes` of a model as `sort_labels` does.

    Examples
    --------
    >>> find_order(["1", "10", "2"]).tolist()
    [0, 2, 1]
    """
    names = [str(label) for label in classes]
    indices = {label: k for k, label in enumerate(names)}
    return np.array([indices[label] for label in sort_labels(names)], dtype=np.int64)


def _sort_key(label: str) -> tuple[bool, float]:
    number = read_number(label)
    return number is None, number or 0.0


def make_scale(labels: Iterable[str], ordered: bool | Sequence[str]) -> dict[str, float] | None:
    """Return the value of each label on the scale that the setting ``data.ordered`` names.

    Parameters
    ----------
    labels : iterable of str
        Labels of the data.
    ordered : bool or sequence of str
        True for labels that are numbers, whose values are these numbers; or all labels from the
        lowest to the highest, whose values are 1, 2, 3 and so on; or False.

    Returns
    -------
    dict of str to float, or None
        In the order of the values; None if `ordered` is False.

    Raises
    ------
    ConfigError
        A label is not a number, is the same number as another label, or is not in the list.
    """
    if ordered is False:
        return None
    names = sort_labels(set(labels))
    if ordered is True:
        values = {label: read_number(label) for label in names}
        texts = [label for label, value in values.items() if value is None]
        if texts:
            raise ConfigError(
                [
                    f"data.ordered is true, but {count_of(len(texts), 'label')} "
                    f"({quote_list(texts, _MAX_LISTED)}) cannot be read as a number. List all "
                    "labels from the lowest to the highest, such as "
                    "data.ordered=[bad,fair,good]."
                ]
            )
        scale = {label: value for label, value in values.items() if value is not None}
        for label, next_label in pairwise(scale):
            if scale[label] == scale[next_label]:
                raise ConfigError(
                    [
                        f"data.ordered is true, but {label!r} and {next_label!r} are the same "
                        "number. Write each label in one way."
                    ]
                )
    else:
        missing = [label for label in names if label not in set(ordered)]
        if missing:
            raise ConfigError(
                [
                    f"data.ordered lacks {count_of(len(missing), 'label')} of the data: "
                    f"{quote_list(missing, _MAX_LISTED)}. List all labels from the lowest to the "
                    "highest."
                ]
            )
        scale = {label: float(ordered.index(label) + 1) for label in names}
    return dict(sorted(scale.items(), key=lambda item: item[1]))
