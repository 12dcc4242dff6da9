"""Folds of cross-validation, and the rows of each class that they and inner folds need."""

from collections.abc import Iterator
from typing import Any, Literal

from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import StratifiedKFold

from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import SPLITS, count_classes
from sentiment.errors import TooFewRowsError

# With fewer validation rows, most of their metrics have no interval; see
# `sentiment.modeling.intervals`.
_FEWEST_ROWS = 250
_MOST_FOLDS = 5
# Where ``cv`` is None, as in scikit-learn, whose ridge regression leaves out one row at a time.
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
        The setting. ``"auto"`` cross-validates where validation rows are few, in as many folds, up
        to five, as the smallest class allows.
    data : PreparedData
        The splits.
    required : bool
        If ``"auto"`` cross-validates other pipelines on these rows, but the class sizes do not
        allow it for this one, raise an error instead of returning 0.

    Raises
    ------
    TooFewRowsError
        A class has fewer training rows than these folds, or the cross-validation inside of the
        pipeline, need.
    """
    counts = count_classes(data.train["label"], data.separator)
    if isinstance(cv, str):
        folds = _choose_by_rows(estimator, len(data.validation), min(counts.values()), required)
    else:
        folds = cv or 0
    needed, reasons = count_needed_rows(estimator, folds)
    small = {label: rows for label, rows in counts.items() if rows < needed}
    if small:
        reasons += [f"cv={folds}"] * bool(folds)
        purpose = f"cross-validation of training rows ({', '.join(reasons)})"
        # A class may have enough rows before the splits take some of them away.
        whole = count_classes(data.gather(SPLITS)["label"], data.separator)
        least = max(needed, *(whole[label] + 1 for label in small))
        raise TooFewRowsError(small, len(counts), needed, purpose, least=least)
    return folds


def _choose_by_rows(estimator: Any, validation_rows: int, smallest: int, required: bool) -> int:
    """Return the folds of ``cv=auto``, where the smallest class has `smallest` training rows."""
    if validation_rows >= _FEWEST_ROWS:
        return 0
    needed = {folds: count_needed_rows(estimator, folds)[0] for folds in range(_MOST_FOLDS, 1, -1)}
    for folds, rows in needed.items():
        if rows <= smallest:
            return folds
    return min(needed, key=needed.__getitem__) if required and smallest > 1 else 0


def count_needed_rows(estimator: Any, folds: int = 0) -> tuple[int, list[str]]:
    """Return the rows of each class that `estimator` needs, and the settings that ask for them.

    A calibrated classifier with 3 folds needs 3 rows. In a stack with 3 folds it needs 5, since
    each fold leaves at least 3 of them.

    Parameters
    ----------
    estimator : estimator
        Not fitted, with parts of any depth.
    folds : int, default=0
        Outer stratified folds: `estimator` is fitted on all but one of them; 0 for none.

    Returns
    -------
    rows : int
        At least 1.
    reasons : list of str
        The parts that cross-validate, from the inside out, such as
        ``"CalibratedClassifierCV(cv=3)"``.
    """
    rows = 1
    reasons: list[str] = []
    for part in _list_parts(estimator):
        found = count_needed_rows(part)
        if found[0] > rows:
            rows, reasons = found
    own = _count_folds(estimator)
    if own:
        rows = _leave_out(rows, own)
        reasons = [*reasons, f"{type(estimator).__name__}(cv={own})"]
    elif _holds_out(estimator):
        rows, reasons = max(rows, 2), [*reasons, f"{type(estimator).__name__}(early_stopping=true)"]
    return (_leave_out(rows, folds), reasons) if folds else (rows, reasons)


def _leave_out(rows: int, folds: int) -> int:
    """Return the fewest rows of which `rows` are left in all folds but the largest."""
    whole = max(rows + 1, folds)
    while whole - -(-whole // folds) < rows:
        whole += 1
    return whole


def _list_parts(estimator: Any) -> Iterator[Any]:
    """Yield the estimators that are parameters of `estimator`, or in lists of them."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return
    for value in estimator.get_params(deep=False).values():
        for one in value if isinstance(value, list | tuple) else [value]:
            parts = one if isinstance(one, tuple) else [one]
            yield from (part for part in parts if hasattr(part, "get_params"))


def _count_folds(estimator: Any) -> int:
    """Return the stratified folds that `estimator` makes of its rows, 0 for none."""
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
