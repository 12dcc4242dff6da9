"""A warning that comes in many fits of a run is given once."""

import re
import warnings
from pathlib import Path

import pytest
from conftest import Run
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning

from sentiment.modeling.fit_warnings import merging_warnings, watching_fit


def warn_in_fits(*texts: str, category: type[Warning] = ConvergenceWarning) -> None:
    for text in texts:
        with watching_fit():
            for _ in range(2):
                if text:
                    warnings.warn(text, category, stacklevel=1)


def test_a_warning_is_given_once_with_the_number_of_fits() -> None:
    with pytest.warns(ConvergenceWarning) as caught, merging_warnings():
        warn_in_fits("loss 0.51 after 10 passes", "", "loss 2e-05 after 12 passes")
    assert [str(warning.message) for warning in caught] == [
        "in 2 of 3 fits: loss 0.51 after 10 passes"
    ]
    assert [warning.filename for warning in caught] == [__file__]


def test_different_warnings_stay_apart() -> None:
    with warnings.catch_warnings(record=True, action="always") as caught, merging_warnings():
        warn_in_fits("loss", "scale", category=ConvergenceWarning)
        warn_in_fits("loss", category=UndefinedMetricWarning)
    assert [str(warning.message).partition(": ")[0] for warning in caught] == ["in 1 of 3 fits"] * 3


def test_the_warning_of_a_single_fit_is_as_it_was() -> None:
    with pytest.warns(ConvergenceWarning) as caught:
        warn_in_fits("loss")
    assert [str(warning.message) for warning in caught] == ["loss"]


def test_warnings_of_a_run_that_fails_are_given_too() -> None:
    with (
        warnings.catch_warnings(record=True, action="always") as caught,
        pytest.raises(ZeroDivisionError),
        merging_warnings(),
    ):
        warn_in_fits("loss")
        with watching_fit():
            raise ZeroDivisionError
    assert [str(warning.message) for warning in caught] == ["in 1 of 2 fits: loss"]
    with warnings.catch_warnings(action="error"), merging_warnings():  # nothing is left over
        warn_in_fits("")


def test_warnings_that_are_errors_end_the_fit() -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ConvergenceWarning, match="^loss$"),
        merging_warnings(),
    ):
        warn_in_fits("loss")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_sweep_logs_a_warning_of_its_jobs_once(
    run_script: Run, tmp_path: Path, launcher: str
) -> None:
    words = ["data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram", "tracking=off"]
    words += ["model=sgd", "model.max_iter=1,2,200", "cv=3", f"hydra/launcher={launcher}"]
    process = run_script("train", "-m", *words)
    assert process.returncode == 0, process.stderr
    assert "in 2 of 3 jobs: ConvergenceWarning: in 4 of 4 fits: Maximum number" in process.stderr
    assert process.stderr.count("in 4 of 4 fits") == 1  # the run of the best job has other fits
    [log] = (path.read_text() for path in tmp_path.glob("outputs/sweep/*/0/train.log"))
    assert "ConvergenceWarning: in 4 of 4 fits: Maximum number" in log


@pytest.mark.slow
@pytest.mark.process
def test_a_training_logs_a_warning_once(run_plainly: Run) -> None:
    words = ["data=rotten_tomatoes", "data.limit=300", "features=tfidf_unigram", "tracking=off"]
    process = run_plainly("train", *words, "model=sgd", "model.max_iter=1", "cv=3", "refit=all")
    assert process.returncode == 0, process.stderr
    lines = [line for line in process.stderr.splitlines() if "ConvergenceWarning" in line]
    assert len(lines) == 1
    fits = re.search(r"ConvergenceWarning: in (\d+) of (\d+) fits: Maximum number", lines[0])
    # Three folds, and the fits on training rows, on all rows, and for the reference.
    assert fits is not None
    assert fits.groups() == ("6", "6")
