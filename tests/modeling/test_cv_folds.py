"""Rows of each class that estimators need for their own folds: so many fit, one less does not."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.strategies import integers
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from sklearn.svm import LinearSVC

from sentiment.config import compose, make
from sentiment.errors import TooFewRowsError
from sentiment.modeling.cv_folds import choose_folds, count_needed_rows
from sentiment.modeling.pipeline import make_pipeline as make_text_pipeline

CALIBRATED = CalibratedClassifierCV(LinearSVC(), cv=3)
BAYES = ("bayes", MultinomialNB())
CASES: dict[str, tuple[Any, int]] = {
    "plain": (LogisticRegression(), 1),
    "calibrated": (CALIBRATED, 3),
    "default folds": (CalibratedClassifierCV(LinearSVC()), 5),
    "folds as an object": (CalibratedClassifierCV(LinearSVC(), cv=StratifiedKFold(4)), 4),
    "in a pipeline": (make_pipeline(MaxAbsScaler(), CALIBRATED), 3),
    "in a vote": (VotingClassifier([("svm", CALIBRATED), BAYES], voting="soft"), 3),
    "in a stack": (StackingClassifier([("svm", CALIBRATED), BAYES], cv=3), 5),
    "in a search": (GridSearchCV(CALIBRATED, {}, cv=2), 6),
    "one left out": (RidgeClassifierCV(), 1),
    "held out": (SGDClassifier(early_stopping=True, validation_fraction=0.4), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_so_many_rows_are_enough_and_one_less_is_not(name: str) -> None:
    estimator, expected = CASES[name]
    rows, reasons = count_needed_rows(estimator)
    assert rows == expected
    assert bool(reasons) == (rows > 1)
    _fit(estimator, rows)
    if rows > 1:
        with pytest.raises((ValueError, Warning)):
            _fit(estimator, rows - 1)


def _fit(estimator: Any, rows: int) -> None:
    """Fit on 40 rows of one class and `rows` of another, in several orders."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        y = rng.permutation(np.repeat([0, 1], [40, rows]))
        X = rng.random((len(y), 3)) + y[:, np.newaxis]
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            clone(estimator).fit(X, y)


def test_folds_around_it_leave_out_rows() -> None:
    assert count_needed_rows(LogisticRegression(), 10)[0] == 10
    assert count_needed_rows(CALIBRATED, 2)[0] == 6
    assert count_needed_rows(CALIBRATED, 5)[0] == 5
    for folds in (2, 3, 5):
        rows, _ = count_needed_rows(CALIBRATED, folds)
        for count, enough in ((rows, True), (rows - 1, False)):
            y = np.repeat([0, 1], [40, count])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # fewer rows than folds
                splits = list(StratifiedKFold(folds, shuffle=True, random_state=0).split(y, y))
            fewest = min(y[train].sum() for train, _ in splits)
            assert (fewest >= 3 and count >= folds) == enough


@pytest.mark.slow
@given(smallest=integers(2, 40), inner=integers(2, 12), outer=integers(2, 12))
def test_cv_auto_has_the_same_folds_for_all_jobs_of_a_sweep(
    smallest: int, inner: int, outer: int
) -> None:
    """Otherwise their models would learn from different shares of the rows."""
    labels = ["a"] * 50 + ["b"] * smallest
    data = SimpleNamespace(
        train=pd.DataFrame({"label": labels}),
        validation=(),
        separator=None,
        gather=lambda splits: pd.DataFrame({"label": labels}),
    )
    calibrated = CalibratedClassifierCV(LinearSVC(), cv=inner)
    stack = StackingClassifier([("svm", calibrated), BAYES], cv=outer)
    plain = choose_folds(LogisticRegression(), "auto", data, required=True)
    for estimator in (calibrated, stack):
        try:
            folds = choose_folds(estimator, "auto", data, required=True)
        except TooFewRowsError:
            enough = [count_needed_rows(estimator, k)[0] <= smallest for k in range(2, 6)]
            assert not any(enough)
        else:
            assert folds == plain == min(smallest, 5)


@pytest.mark.parametrize(
    ("model", "rows"), [("svm", 3), ("ridge", 3), ("stacking", 5), ("nbsvm", 1), ("ordinal", 1)]
)
def test_choices_of_the_project(model: str, rows: int) -> None:
    cfg = compose("train", [f"model={model}", "memory=null"])
    pipeline = make_text_pipeline(make(cfg, "features"), make(cfg, "model"))
    assert count_needed_rows(pipeline)[0] == rows
