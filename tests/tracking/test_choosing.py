"""Choice of the best run, and the reported reason."""

from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import binomtest

from sentiment.tracking.choosing import choose_best, describe_score


def make_run(
    order: int,
    optimize: str | None = None,
    *,
    rows: str = "some",
    cv: dict[str, float] | None = None,
    classes: int | None = None,
    **validation: float,
) -> Any:
    """Return what MLflow knows of a run.

    Parameters
    ----------
    order : int
        Its place among the runs.
    optimize : str, optional
        The metric that it optimized; default: one of an earlier version, which did not record it.
    rows : str
        The rows that it was validated on; only runs on the same ones are compared.
    cv : dict of str to float, optional
        Its cross-validated metrics.
    classes : int, optional
        The number of its labels; default: not recorded.
    **validation : float
        Its metrics on the validation rows.
    """
    metrics = {f"validation/{name}": value for name, value in validation.items()}
    metrics |= {f"cv/{name}": value for name, value in (cv or {}).items()}
    if classes is not None:
        metrics["data/classes"] = classes
    return SimpleNamespace(
        info=SimpleNamespace(run_id=f"r{order}", start_time=order),
        data=SimpleNamespace(
            metrics=metrics,
            tags={"data": "tickets", "data.fingerprint": rows},
            params={} if optimize is None else {"optimize": optimize},
        ),
    )


def choose(runs: list[Any], metric: str) -> tuple[Any, str]:
    """Return the best of `runs`, of which there is one, and the reason."""
    choice = choose_best(runs, f"validation/{metric}")
    assert choice is not None
    return choice[0], choice[1]


def test_macro_averages_of_earlier_versions_are_compared_under_both_names() -> None:
    """They were recorded as f1, which of two classes is another metric."""
    earlier = make_run(1, rows="several", f1=0.8)
    current = make_run(2, rows="several", f1=0.7, f1_macro=0.7, classes=5)
    for metric in ("f1", "f1_macro"):
        best, reason = choose([earlier, current], metric)
        assert best is earlier
        assert f"best validation/{metric} of 2 runs on tickets: 0.8000" in reason
    two_before = make_run(1, rows="two", f1=0.8)
    two_now = make_run(2, rows="two", f1=0.7, f1_macro=0.75, classes=2)
    assert choose([two_before, two_now], "f1_macro")[0] is two_now
    assert choose_best([two_before], "validation/f1_macro") is None


def test_the_reason_names_the_run_that_the_optimized_metric_would_choose() -> None:
    exact = make_run(1, "log_loss", accuracy=0.8, log_loss=0.5)
    sure = make_run(2, "log_loss", accuracy=0.7, log_loss=0.4)
    best, reason = choose([exact, sure], "accuracy")
    assert best is exact
    assert reason.endswith(
        ": 0.8000; by validation/log_loss, which the newest one optimized, it is run r2"
    )
    for runs, metric in (([exact, sure], "log_loss"), ([sure], "accuracy")):
        best, reason = choose(runs, metric)
        assert best is sure
        assert "optimized" not in reason


@pytest.mark.parametrize("position", [0, 1])
def test_a_run_whose_score_is_not_defined_is_never_the_best(position: int) -> None:
    complete = make_run(1, accuracy=0.7, log_loss=0.7)
    undefined = make_run(2, accuracy=float("nan"), log_loss=float("nan"))
    runs = [complete]
    runs.insert(position, undefined)
    for metric in ("accuracy", "log_loss"):
        assert choose(runs, metric)[0] is complete
    assert choose_best([undefined], "validation/accuracy") is None


def test_a_score_has_its_interval() -> None:
    metrics = {"validation/accuracy": 0.8947, "validation/f1": 0.5, "rows/validation": 2488.0}
    assert describe_score("validation/f1", metrics) == "0.5000 (2,488 rows)"
    assert describe_score("validation/accuracy", {"validation/accuracy": 1.0}) == "1.0000"
    result = binomtest(2226, 2488).proportion_ci(0.95, "exact")
    metrics["validation/accuracy"] = 2226 / 2488
    assert describe_score("validation/accuracy", metrics) == (
        f"0.8947 (2,488 rows, 95 % interval {result.low:.4f} to {result.high:.4f})"
    )


def test_the_best_of_runs_that_were_all_cross_validated_is_so_by_that() -> None:
    better = make_run(1, accuracy=0.5, cv={"accuracy": 0.8})
    worse = make_run(2, accuracy=0.6, cv={"accuracy": 0.7})
    plain = make_run(3, accuracy=0.9)
    best, reason = choose([better, worse], "accuracy")
    assert best is better
    assert reason.startswith("best cv/accuracy of 2 runs on ")
    assert choose([better, worse, plain], "accuracy")[0] is plain


def test_the_best_of_runs_with_several_labels_is_that_of_the_metric_they_optimized() -> None:
    scores = [
        {"accuracy": 0.9, "hamming_loss": 0.3, "f1_micro": 0.5},
        {"accuracy": 0.2, "hamming_loss": 0.2, "f1_micro": 0.6},
        {"accuracy": 0.3, "hamming_loss": 0.1, "f1_micro": 0.4},
    ]
    for optimize, index in {None: 1, "f1_micro": 1, "hamming_loss": 2, "accuracy": 0}.items():
        runs = [
            make_run(order, optimize, **run_metrics) for order, run_metrics in enumerate(scores, 1)
        ]
        best, reason = choose(runs, "accuracy")
        assert best is runs[index]
        assert f"best validation/{optimize or 'f1_micro'} of 3 runs" in reason
    # A metric that is named decides, and of one label in each row the accuracy does.
    runs = [
        make_run(order, "f1_micro", **run_metrics) for order, run_metrics in enumerate(scores, 1)
    ]
    assert choose(runs, "hamming_loss")[0] is runs[2]
    for run in runs:
        del run.data.metrics["validation/hamming_loss"]
    assert choose(runs, "accuracy")[0] is runs[0]
