"""Model behind MLflow's generic interface, pyfunc: labels, or labels and probabilities.

A copy of this file is part of each model in the store, so it imports nothing of this project.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import sklearn

LABELS_ONLY, TOP, ALL = "none", "top", "all"
HALF, MAX_F1 = "0.5", "max_f1"
RULES = "decision_rules.json"  # beside the model
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _load_pyfunc(path: str) -> "PyfuncModel":
    """Return the model in `path`; MLflow calls it by this name."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    rules_path = folder / RULES
    rules = json.loads(rules_path.read_text(encoding="utf-8")) if rules_path.is_file() else {}
    return PyfuncModel(sklearn._load_pyfunc(path).get_raw_model(), rules.get(MAX_F1) or {})


class PyfuncModel:
    """Model whose predictions depend on the parameters of a request.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    max_f1 : dict of str to float
        The rule of ``threshold="max_f1"``: the threshold of the second of two classes, the factor
        of each of more, or the threshold of each label of label sets, by their names.
    """

    def __init__(self, pipeline: Any, max_f1: dict[str, float] | None = None) -> None:
        self._pipeline = pipeline
        self._max_f1 = max_f1 or {}

    def get_raw_model(self) -> Any:
        """Return the pipeline, as MLflow's own models do."""
        return self._pipeline

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the label of each row, or a table with probabilities or several labels.

        Parameters
        ----------
        data : DataFrame
            Its columns are those of the signature.
        params : dict, optional
            ``probabilities``: ``"none"`` (default), ``"top"`` (of the label) or ``"all"`` (of
            every class, too, such as ``p:negative``). ``top_k``: number of labels for a row, the
            most probable ones first, which label sets have beside the set; default: 1.
            ``threshold``: ``"0.7"`` or ``"max_f1"``, as ``deploy.threshold`` of ``sentiment
            predict``, whose columns the table has; default: ``"0.5"``.

        Raises
        ------
        ValueError
            A parameter has an invalid value.
        """
        parameters: dict[str, Any] = {"probabilities": LABELS_ONLY, "top_k": 1, "threshold": HALF}
        parameters |= params or {}
        columns, top_k = parameters["probabilities"], int(parameters["top_k"])
        if columns not in (LABELS_ONLY, TOP, ALL):
            raise ValueError(f"probabilities is {columns!r}; expected none, top or all")
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; expected 1 or more")
        separator = getattr(self._pipeline[-1], "separator", None)
        values = self._read_threshold(str(parameters["threshold"]), is_set=separator is not None)
        if columns == LABELS_ONLY and top_k == 1 and separator is None and values is None:
            return self._pipeline.predict(data)
        probabilities = self._pipeline.predict_proba(data)
        classes = self._pipeline.classes_
        if separator is not None:
            thresholds = 0.5 if values is None else values
            return _choose_sets(probabilities, thresholds, classes, separator, columns, top_k)
        ranked = np.array(probabilities)
        rows = np.arange(len(ranked))
        if values is not None:
            # Larger than any probability, so that this class comes first.
            ranked[rows, _choose_codes(probabilities, values)] = 2
        # In a tie, the first class is the label.
        order = np.argsort(-ranked, axis=1, kind="stable")[:, :top_k]
        if columns == LABELS_ONLY and top_k == 1:
            return classes[order[:, 0]]
        table = {}
        for rank, codes in enumerate(order.T, start=1):
            suffix = f"_{rank}" if rank > 1 else ""
            table[f"prediction{suffix}"] = classes[codes]
            table[f"probability{suffix}"] = probabilities[rows, codes]
        if columns == ALL:
            table |= _list_probabilities(probabilities, classes)
        return pd.DataFrame(table)

    def _read_threshold(self, threshold: str, *, is_set: bool) -> np.ndarray | None:
        """Return a threshold for the second of two classes, or a value for each class.

        The values are factors or, for label sets, thresholds. The default threshold is None.
        """
        classes = [str(label) for label in self._pipeline.classes_]
        is_multiclass = len(classes) > 2 and not is_set
        if threshold == MAX_F1:
            if not self._max_f1:
                raise ValueError("threshold is 'max_f1', for which the model has no values")
            labels = classes if is_multiclass or is_set else classes[1:]
            return np.array([self._max_f1[label] for label in labels])
        value = float(threshold) if _NUMBER.fullmatch(threshold) else 0.0
        if not 0 < value < 1:
            raise ValueError(f"threshold is {threshold!r}; expected a probability or max_f1")
        if value == float(HALF):
            return None
        if is_multiclass:
            raise ValueError(
                f"threshold is {threshold!r}, which is for two classes, and the model has "
                f"{len(classes)}; expected {HALF} or max_f1"
            )
        return np.full(len(classes) if is_set else 1, value)


def _choose_codes(probabilities: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the class of each row, by a threshold for the second of two or by factors."""
    if len(values) == 1:
        second: np.ndarray = (probabilities[:, 1] >= values[0]).astype(np.int64)
        return second
    codes: np.ndarray = np.argmax(probabilities * values, axis=1)
    return codes


def _choose_sets(
    probabilities: np.ndarray, thresholds: Any, classes: np.ndarray, separator: str, columns: str,
    top_k: int,
) -> Any:  # fmt: skip
    """Return the joined labels that reach their thresholds, and the other columns asked for."""
    is_chosen = probabilities >= thresholds
    names = np.array([separator.join(classes[row]) for row in is_chosen], dtype=str)
    if columns == LABELS_ONLY and top_k == 1:
        return names
    likelihoods = np.where(is_chosen, probabilities, 1 - probabilities)
    table = {"prediction": names, "probability": likelihoods.prod(axis=1)}
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
    for rank, codes in enumerate(order.T if top_k > 1 else (), start=1):
        table[f"likeliest_{rank}"] = classes[codes]
        table[f"probability_{rank}"] = probabilities[np.arange(len(codes)), codes]
    if columns == ALL:
        table |= _list_probabilities(probabilities, classes)
    return pd.DataFrame(table)


def _list_probabilities(probabilities: np.ndarray, classes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the probabilities of each class by the names and in the order of ``predict``."""
    order = list(range(len(classes)))
    if len(classes) > 2:  # numbers by their value, then the other labels
        order.sort(key=lambda code: _rank(str(classes[code])))
    return {f"p:{classes[code]}": probabilities[:, code] for code in order}


def _rank(label: str) -> tuple[bool, float]:
    is_number = _NUMBER.fullmatch(label) is not None
    return not is_number, float(label) if is_number else 0.0
