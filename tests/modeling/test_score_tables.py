"""Tables of scores, and scores of constant predictions against scikit-learn's."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, classification_report, log_loss

from sentiment.modeling.baseline import measure_baseline
from sentiment.modeling.evaluation import measure_each_class
from sentiment.modeling.predictions import LabelSetPredictions, Predictions
from sentiment.modeling.score_tables import (
    count_digits,
    format_score,
    tabulate_classes,
    tabulate_scores,
)

NAN = float("nan")


def test_scores_have_the_digits_that_their_intervals_leave() -> None:
    assert [count_digits((0.5, 0.5 + w)) for w in (0.4, 0.11, 0.09, 0.017, 0.009, 1e-5, 0)] == [
        2, 2, 3, 3, 4, 4, 4
    ]  # fmt: skip
    metrics = {"test/accuracy": 0.75, "test/ece": 0.12345, "test/mine": 1.5}
    table = tabulate_scores(metrics, {"test/accuracy": (0.50896, 0.91343)}, "ece")
    assert table.splits == ["test"]
    assert table.rows == {"accuracy": ["0.75 [0.51, 0.91]"], "ece": ["0.12"]}
    assert format_score(0.5, (NAN, NAN)) == "0.5000"


def test_validation_rows_that_were_cross_validated_have_no_interval_of_their_own() -> None:
    metrics = {f"{split}/accuracy": 0.75 for split in ("test", "validation", "cv")}
    table = tabulate_scores(metrics, dict.fromkeys(metrics, (0.74, 0.76)))
    assert table.splits == ["cv", "validation", "test"]
    assert table.rows["accuracy"] == ["0.750 [0.740, 0.760]", "0.750", "0.750 [0.740, 0.760]"]
    assert "<th>cv</th><th>validation</th><th>test</th>" in table._repr_html_()


def test_names_of_metrics_are_escaped_in_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentiment.modeling.score_tables.list_shown", lambda *a, **k: ["<b>"])
    html = tabulate_scores({"test/accuracy": 0.5, "test/<b>": 0.5})._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_a_table_of_many_classes_keeps_the_frequent_and_the_worst() -> None:
    rows = np.array([50, 1, 40, 2, 3, 4, 0])
    right = np.array([40, 1, 30, 0, 2, 1, 0])
    table = pd.DataFrame(
        {
            "label": list("abcdefg"),
            "precision": 0.5,
            "recall": 0.5,
            "f1": [0.9, 0.5, 0.8, 0.0, 0.7, 0.1, NAN],
            "rows": rows,
            "predicted": rows,
            "right": right,
        }
    )
    assert [row[0] for row in tabulate_classes(table, 2, 2)] == ["a", "c", "d", "f"]
    assert [row[0] for row in tabulate_classes(table, 10, 5)] == list("abcdefg")


def test_scores_of_large_and_small_classes_have_the_same_decimals() -> None:
    labels = np.repeat(["large", "never predicted", "small"], [900, 5, 12])
    predicted = labels.copy()
    predicted[:40] = "small"
    predicted[900:905] = "large"
    classes = np.unique(labels)
    predictions = Predictions(labels, (predicted[:, np.newaxis] == classes).astype(float), classes)
    rows = tabulate_classes(measure_each_class(predictions), 10, 10)
    assert [row[1] for row in rows][1] == "none"
    numbers = re.findall(r"\d\.\d+", " ".join(cell for row in rows for cell in row))
    assert {len(number) for number in numbers} == {5}  # as the large class has
    report = classification_report(labels, predicted, output_dict=True, zero_division=0)
    for label, *cells, _ in (row for row in rows if row[1] != "none"):
        values = [float(cell.split()[0]) for cell in cells]
        names = ("precision", "recall", "f1-score")
        assert values == pytest.approx([report[label][name] for name in names], abs=0.00051)


def test_the_baseline_is_that_of_a_dummy_classifier() -> None:
    labels = np.repeat(["a", "b", "c"], [5, 9, 2])
    classes = np.unique(labels)
    dummy = DummyClassifier(strategy="prior").fit(labels[:, None], labels)
    baseline = measure_baseline(Predictions(labels, np.full((16, 3), 1 / 3), classes))
    assert baseline.label == "b"
    assert baseline.accuracy == accuracy_score(labels, dummy.predict(labels[:, None]))
    expected = log_loss(labels, dummy.predict_proba(labels[:, None]))
    assert baseline.log_loss == pytest.approx(expected)


def test_the_baseline_of_label_sets_is_the_mean_over_their_labels() -> None:
    labels = np.array(["a;b", "a", "", "b;c", "a;b", "a"])
    sets = LabelSetPredictions(labels, np.full((6, 3), 0.5), np.array(["a", "b", "c"]))
    losses = [log_loss(column, np.full(6, column.mean()), labels=[0, 1]) for column in sets.truth.T]
    baseline = measure_baseline(sets)
    assert (baseline.label, baseline.accuracy) == ("a;b", pytest.approx(2 / 6))
    assert baseline.log_loss == pytest.approx(np.mean(losses))
