"""Model as MLflow's generic interface, pyfunc, has it: labels, or labels and probabilities.

A copy of this file is part of each model in the store, so it imports nothing of this project.
"""

import re
from typing import Any

import numpy as np
import pandas as pd
from mlflow import sklearn

LABELS_ONLY, TOP, ALL = "none", "top", "all"
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _load_pyfunc(path: str) -> "PyfuncModel":
    """Return the model in `path`; MLflow calls it by this name."""
    return PyfuncModel(sklearn._load_pyfunc(path).get_raw_model())


class PyfuncModel:
    """Model that predicts as the parameters of a request ask for.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    """

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    def get_raw_model(self) -> Any:
        """Return the pipeline, as MLflow's own models do."""
        return self._pipeline

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the label of each row, or a table if probabilities or several labels are wanted.

        Parameters
        ----------
        data : DataFrame
            Its columns are those of the signature.
        params : dict, optional
            ``probabilities``: ``"none"`` (default), ``"top"`` (that of the label) or ``"all"``
            (of every class, too, such as ``p:negative``). ``top_k``: number of labels for a row,
            the most probable ones first; default: 1. Columns are those of ``sentiment predict``.

        Raises
        ------
        ValueError
            A parameter has no such value.
        """
        given: dict[str, Any] = {"probabilities": LABELS_ONLY, "top_k": 1, **(params or {})}
        wanted, top_k = given["probabilities"], int(given["top_k"])
        if wanted not in (LABELS_ONLY, TOP, ALL):
            raise ValueError(f"probabilities is {wanted!r}; expected none, top or all")
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; expected 1 or more")
        separator = getattr(self._pipeline[-1], "separator", None)
        if wanted == LABELS_ONLY and top_k == 1 and separator is None:
            return self._pipeline.predict(data)
        probabilities = self._pipeline.predict_proba(data)
        classes = self._pipeline.classes_
        if separator is not None:
            if top_k > 1:
                raise ValueError(f"top_k is {top_k}; expected 1, as rows have several labels")
            return _choose_sets(probabilities, classes, separator, wanted)
        # Of equal ones, the first class is the label.
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
        rows = np.arange(len(order))
        table = {}
        for rank, codes in enumerate(order.T, start=1):
            ending = f"_{rank}" if rank > 1 else ""
            table[f"prediction{ending}"] = classes[codes]
            table[f"probability{ending}"] = probabilities[rows, codes]
        if wanted == ALL:
            table |= _list_probabilities(probabilities, classes)
        return pd.DataFrame(table)


def _choose_sets(
    probabilities: np.ndarray, classes: np.ndarray, separator: str, wanted: str
) -> Any:
    """Return the labels of a probability of 0.5 or more, joined, and what else is wanted."""
    chosen = probabilities >= 0.5
    names = np.array([separator.join(classes[row]) for row in chosen], dtype=str)
    if wanted == LABELS_ONLY:
        return names
    likely = np.where(chosen, probabilities, 1 - probabilities)
    table = {"prediction": names, "probability": likely.prod(axis=1)}
    if wanted == ALL:
        table |= _list_probabilities(probabilities, classes)
    return pd.DataFrame(table)


def _list_probabilities(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the probabilities of each class by the names and in the order of ``predict``."""
    order = list(range(len(classes)))
    if len(classes) > 2:  # numbers by their value, and then the others
        order.sort(key=lambda code: _rank(str(classes[code])))
    return {f"p:{classes[code]}": probabilities[:, code] for code in order}


def _rank(label: str) -> tuple[bool, float]:
    is_number = _NUMBER.fullmatch(label) is not None
    return not is_number, float(label) if is_number else 0.0
