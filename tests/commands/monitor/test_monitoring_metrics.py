"""Metrics of the user's own are compared with training where true labels are known."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import fbeta_score, log_loss

from sentiment.commands.monitor.metrics import compare_metrics
from sentiment.errors import ProjectFileError
from sentiment.modeling.decision_rules import UNSURE
from sentiment.modeling.drift import Check, decide_alarms
from sentiment.modeling.reference import Reference

PROJECT = """
[tool.sentiment]
[tool.sentiment.metrics.f2]
function = "sklearn.metrics.fbeta_score"
beta = 2
pos_label = "pos"
[tool.sentiment.metrics.loss]
function = "sklearn.metrics.log_loss"
response_method = "predict_proba"
greater_is_better = false
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pyproject.toml"


def draw_rows(seed: int, rows: int, errors: float) -> pd.DataFrame:
    """Return predictions of which a share is wrong."""
    random = np.random.default_rng(seed)
    labels = random.choice(["neg", "pos"], rows)
    wrong = random.random(rows) < errors
    predicted = np.where(wrong, np.where(labels == "pos", "neg", "pos"), labels)
    return pd.DataFrame({"label": labels, "prediction": predicted,
                         "probability": random.uniform(0.5, 1.0, rows)})  # fmt: skip


def make_reference(rows: pd.DataFrame, classes: list[str]) -> Reference:
    return Reference(rows, pd.Series(dtype=int), classes, 0, {"rows": len(rows)})


@pytest.mark.slow
def test_the_values_are_those_of_scikit_learn() -> None:
    reference_rows, current_rows = draw_rows(1, 200, 0.1), draw_rows(2, 100, 0.1)
    current_rows.loc[:4, "label"] = None
    current_rows.loc[5:9, "prediction"] = UNSURE
    f2, loss = compare_metrics(
        make_reference(reference_rows, ["neg", "pos", UNSURE]), current_rows, 9.0, 0.01
    )
    labelled = current_rows[10:]
    for check, rows, value in ((f2, reference_rows, f2.reference), (f2, labelled, f2.current)):
        expected = fbeta_score(rows["label"], rows["prediction"], beta=2, pos_label="pos")
        assert value == pytest.approx(expected), check
    second = np.where(
        labelled["prediction"] == "pos", labelled["probability"], 1 - labelled["probability"]
    )
    assert loss.current == pytest.approx(log_loss(labelled["label"], second))
    assert f2.effect == pytest.approx((f2.reference - f2.current) / f2.reference)
    assert loss.effect == pytest.approx((loss.current - loss.reference) / loss.reference)


@pytest.fixture
def cheap(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric in two lines, since thousands of permutations measure it."""
    project.write_text(
        '[tool.sentiment]\ntrusted = ["cheap_metrics.*"]\n[tool.sentiment.metrics'
        '.errors]\nfunction = "cheap_metrics.count"\ngreater_is_better = false\n'
    )
    (project.parent / "cheap_metrics.py").write_text(
        "def count(y_true, y_pred):\n    return float((y_true != y_pred).mean())\n"
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "cheap_metrics", raising=False)


@pytest.mark.usefixtures("cheap")
def test_a_worse_file_is_an_alarm_and_a_better_one_is_none() -> None:
    reference = make_reference(draw_rows(1, 300, 0.1), ["neg", "pos"])
    for errors, alarms in ((0.3, ["errors"]), (0.02, [])):
        checks = compare_metrics(reference, draw_rows(3, 300, errors), 0.1, 0.01)
        other_checks = [Check(str(n), 0, 0, 0, "", 1, 1.0) for n in range(12)]
        assert [
            c.name for c in decide_alarms([*checks, *other_checks], 0.01) if c.drifted
        ] == alarms


@pytest.mark.usefixtures("cheap")
def test_samples_of_the_same_are_seldom_significant() -> None:
    p_values = [
        check.p_value
        for seed in range(80)
        for check in compare_metrics(
            make_reference(draw_rows(2 * seed, 60, 0.2), ["neg", "pos"]),
            draw_rows(2 * seed + 1, 40, 0.2), 0.0001, 0.2,
        )
    ]  # fmt: skip
    # 16 are expected below 0.2; 31 or more have a probability of 1 in 10,000.
    assert sum(p <= 0.2 for p in p_values) <= 30
    assert min(p_values) > 0


def test_what_cannot_be_measured_is_left_out(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reference_rows, current_rows = draw_rows(1, 50, 0.1), draw_rows(2, 50, 0.1)
    reference = make_reference(reference_rows, ["neg", "pos"])
    assert compare_metrics(reference, current_rows.drop(columns="label"), 0.1, 0.01) == []
    project.write_text(PROJECT.replace('pos_label = "pos"', 'average = "macro"'))
    [f2] = compare_metrics(
        make_reference(reference_rows, ["a", "neg", "pos"]), current_rows, 0.1, 0.5
    )
    assert f2.name == "f2"
    assert "loss is not compared: it takes probabilities of all classes" in caplog.text


def test_a_metric_that_raises_names_itself(project: Path) -> None:
    project.write_text(PROJECT.replace("beta = 2", "beta = -2"))
    rows = draw_rows(1, 50, 0.1)
    with pytest.raises(ProjectFileError, match=r"f2: sklearn\.metrics\.fbeta_score raised"):
        compare_metrics(make_reference(rows, ["neg", "pos"]), rows, 0.1, 0.01)
