"""Folds of cross-validation, and the rows of each class that they and inner folds need."""

from collections.abc import Iterator
from typing import Any, Literal

from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold

from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import SPLITS, count_classes
from sentiment.errors import TooFewRowsError

# With fewer validation rows, most metrics have no interval; see `sentiment.modeling.intervals`.
_MIN_VALIDATION_ROWS = 250
_MAX_FOLDS = 5
# For ``cv=None``, as in scikit-learn, except for ridge classifiers, which leave out one row.
_DEFAULT_FOLDS = 5


def choose_folds(
    estimator: Any, cv: int | Literal["auto"] | None, data: PreparedData, *, required: bool
) -> int:
    """Return the number of folds for cross-validation, 0 for none.

    Parameters
    ----------
    estimator : estimator
        The pipeline, not fitted.
    cv : int, "auto" or None
        The setting. ``"auto"`` cross-validates if there are few validation rows, in as many folds,
        up to five, as the smallest class allows.
    data : PreparedData
        The splits.
    required : bool
        If ``"auto"`` cross-validates other pipelines on these rows, but the class sizes do not
        allow it for this one, raise an error instead of returning 0.

    Raises
    ------
    TooFewRowsError
        A class has fewer training rows than these folds need, or than the cross-validation inside
        of the pipeline needs.
    """
    counts = count_classes(data.train["label"], data.separator)
    if isinstance(cv, str):
        folds = _choose_auto_folds(estimator, len(data.validation), min(counts.values()), required)
    else:
        folds = cv or 0
    needed, reasons = count_needed_rows(estimator, folds)
    small = {label: rows for label, rows in counts.items() if rows < needed}
    if small:
        reasons += [f"cv={folds}"] * bool(folds)
        purpose = f"cross-validation of training rows ({', '.join(reasons)})"
        # A class may have enough rows in all splits together.
        totals = count_classes(data.gather(SPLITS)["label"], data.separator)
        least = max(needed, *(totals[label] + 1 for label in small))
        raise TooFewRowsError(small, len(counts), needed, purpose, min_per_class=least)
    return folds


def _choose_auto_folds(
    estimator: Any, validation_rows: int, smallest_class: int, required: bool
) -> int:
    """Return the number of folds for ``cv=auto``; `smallest_class` is in training rows."""
    if validation_rows >= _MIN_VALIDATION_ROWS:
        return 0
    needed = {folds: count_needed_rows(estimator, folds)[0] for folds in range(_MAX_FOLDS, 1, -1)}
    for folds, rows in needed.items():
        if rows <= smallest_class:
            return folds
    return min(needed, key=needed.__getitem__) if required and smallest_class > 1 else 0


def count_needed_rows(estimator: Any, folds: int = 0) -> tuple[int, list[str]]:
    """Return the rows of each class that `estimator` needs, and the settings that need them.

    A calibrated classifier with 3 folds needs 3 rows. In a stack with 3 folds it needs 5, so that
    at least 3 rows are left in each fold.

    Parameters
    ----------
    estimator : estimator
        Not fitted; it may contain estimators at any depth.
    folds : int, default=0
        Outer stratified folds: `estimator` is fitted on all but one fold; 0 for none.

    Returns
    -------
    rows : int
        At least 1.
    reasons : list of str
        The estimators that cross-validate, the innermost first, such as
        ``"CalibratedClassifierCV(cv=3)"``.
    """
    rows = 1
    reasons: list[str] = []
    for inner in _list_inner_estimators(estimator):
        inner_rows, inner_reasons = count_needed_rows(inner)
        if inner_rows > rows:
            rows, reasons = inner_rows, inner_reasons
    n_folds = _count_folds(estimator)
    if n_folds:
        rows = _count_outer_rows(rows, n_folds)
        reasons = [*reasons, f"{type(estimator).__name__}(cv={n_folds})"]
    elif _holds_out(estimator):
        rows, reasons = max(rows, 2), [*reasons, f"{type(estimator).__name__}(early_stopping=true)"]
    return (_count_outer_rows(rows, folds), reasons) if folds else (rows, reasons)


def _count_outer_rows(rows: int, folds: int) -> int:
    """Return the least number of rows that still has `rows` rows without its largest fold."""
    total = max(rows + 1, folds)
    while total - -(-total // folds) < rows:
        total += 1
    return total


def _list_inner_estimators(estimator: Any) -> Iterator[Any]:
    """Yield the estimators that are parameters of `estimator`, or in its lists of estimators."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return
    for value in estimator.get_params(deep=False).values():
        for item in value if isinstance(value, list | tuple) else [value]:
            candidates = item if isinstance(item, tuple) else [item]
            yield from (inner for inner in candidates if hasattr(inner, "get_params"))


def _count_folds(estimator: Any) -> int:
    """Return the number of stratified folds that `estimator` splits its rows into, 0 for none."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return 0
    parameters = estimator.get_params(deep=False)
    cv = parameters.get("cv", 0)
    if cv is None:
        return 0 if isinstance(estimator, RidgeClassifierCV) else _DEFAULT_FOLDS
    if isinstance(cv, StratifiedKFold):
        return int(cv.get_n_splits())
    return cv if isinstance(cv, int) else 0


def _holds_out(estimator: Any) -> bool:
    """Return whether `estimator` holds out a stratified share of its rows to stop early."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return False
    parameters = estimator.get_params(deep=False)
    return parameters.get("early_stopping") is True and bool(parameters.get("validation_fraction"))
