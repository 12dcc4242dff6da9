"""Rows with several labels, through the commands."""

import json
import shlex
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

import sentiment
from sentiment.commands.compare.job import compare
from sentiment.commands.explain.job import explain
from sentiment.commands.flow.steps import Steps
from sentiment.commands.monitor.job import monitor
from sentiment.commands.train.job import TrainingResult
from sentiment.commands.train.view import show_training
from sentiment.config import compose, quote
from sentiment.errors import ConfigError

TAGS = ("late", "refund", "rude")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tagged texts, each of which names its tags, but for a few."""
    folder = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(240):
        tags = [tag for tag in TAGS if rng.random() < 0.4]
        named = [tag for tag in tags if rng.random() < 0.95]
        rows.append((f"{' and '.join(named)} ticket {n}", ";".join(tags) or ";"))
    pd.DataFrame(rows, columns=["text", "tags"]).to_csv(folder / "tagged.csv", index=False)
    return folder


def list_settings(folder: Path) -> list[str]:
    return [
        "data=csv",
        f"data.path={folder / 'tagged.csv'}",
        "data.label_column=tags",
        "data.label_separator=';'",
        f"outputs={folder / 'outputs'}",
    ]


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[TrainingResult]:
    return [
        sentiment.train(*list_settings(folder), *words)
        for words in (["model=nbsvm", "cv=2"], ["model=logistic_regression", "refit=all"])
    ]


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.slow
def test_training_optimizes_the_micro_average(
    runs: list[TrainingResult], capsys: pytest.CaptureFixture[str]
) -> None:
    result = runs[0]
    assert result.optimize == "f1_micro"
    assert result.score == result.metrics["cv/f1_micro"] > 0.8
    assert result.metrics["cv/hamming_loss_mean"] < 0.2
    assert "test/roc_auc" not in result.metrics
    show_training(result)
    shown = capsys.readouterr().out
    assert "240 rows read, 0 dropped, 240 used: " in shown
    assert "label_ranking" in shown
    assert "rows without any" in shown
    assert "confused" not in shown
    figures = {path.name for path in (result.folder / "figures").iterdir()}
    assert {"test_roc.png", "test_precision_recall.png", "terms.png"} <= figures
    assert "test_confusion.png" not in figures
    card = (result.folder / "card.md").read_text()
    assert "A text may have several labels" in card
    assert "hamming" in card
    table = pd.read_csv(result.folder / "scores" / "test_classes.csv")
    assert table["label"].tolist() == list(TAGS)


@pytest.mark.slow
def test_predictions_are_joined_labels(runs: list[TrainingResult], folder: Path) -> None:
    texts = pd.DataFrame({"text": ["late and refund ticket", "ticket", "rude ticket"]})
    texts.to_csv(folder / "new.csv", index=False)
    settings = [f"outputs={folder / 'outputs'}", f"deploy.run={runs[0].run_id}", "overwrite=true"]
    columns = ["deploy.probabilities=all"]
    result = sentiment.predict_file(folder / "new.csv", None, *settings, *columns)
    found = pd.read_csv(result.output, keep_default_na=False)
    assert found["prediction"].tolist() == ["late;refund", "", "rude"]
    assert list(found)[-3:] == ["p:late", "p:refund", "p:rude"]
    assert result.tally.counts == {"late": 1, "refund": 1, "rude": 1, "": 1}
    assert "1 without a label" in repr(result)
    chosen = sentiment.predict_file(
        folder / "new.csv", folder / "chosen.csv", *settings, "deploy.threshold=max_f1"
    )
    thresholds = chosen.rule.thresholds  # type: ignore[attr-defined]
    assert len(thresholds) == 3
    job = json.loads((folder / "chosen.csv.json").read_text())["job"]
    assert job["thresholds"] == list(thresholds)


@pytest.mark.slow
def test_likely_labels_reasons_and_open_rows(runs: list[TrainingResult], folder: Path) -> None:
    texts = pd.DataFrame({"text": ["late and refund ticket", "ticket", "rude ticket", "late"]})
    texts.to_csv(folder / "four.csv", index=False)
    where = f"outputs={folder / 'outputs'}"
    words = [
        where, f"deploy.run={runs[0].run_id}", "deploy.top_k=5", "deploy.probabilities=all",
        "deploy.abstain=0.3", "explain=true",
    ]  # fmt: skip
    result = sentiment.predict_file(folder / "four.csv", None, *words)
    found = pd.read_csv(result.output, keep_default_na=False)
    ranked = [f"{name}_{rank}" for rank in (1, 2, 3) for name in ("likeliest", "probability")]
    assert list(found) == [
        "text", "prediction", "probability", "likeliest", *ranked, *(f"p:{tag}" for tag in TAGS),
        "explained", "speaks_for", "speaks_against",
    ]  # fmt: skip
    model = sentiment.load(str(runs[0].run_id), where, "deploy.abstain=0.3")
    p = model.predict_proba(texts["text"])
    np.testing.assert_allclose(found[[f"p:{tag}" for tag in TAGS]], p)
    order = np.argsort(-p, axis=1)
    for rank in range(3):
        assert found[f"likeliest_{rank + 1}"].tolist() == [TAGS[k] for k in order[:, rank]]
        np.testing.assert_allclose(found[f"probability_{rank + 1}"], -np.sort(-p)[:, rank])
    assert found["explained"].tolist() == found["likeliest_1"].tolist()
    assert "rude" in found["speaks_for"][2]
    sure = found["probability"] >= result.rule.least_confidence
    expected = np.where(sure, found["likeliest"], "unsure")
    assert found["prediction"].tolist() == expected.tolist()
    assert [";".join(labels) for labels in model.predict(texts["text"])] == expected.tolist()


@pytest.mark.slow
def test_python_gets_lists(runs: list[TrainingResult], folder: Path) -> None:
    model = sentiment.load(str(runs[1].run_id), f"outputs={folder / 'outputs'}")
    texts = ["late and refund ticket", "ticket", "rude ticket"]
    found = model.predict(texts)
    assert found == [
        [str(label) for label in model.classes_[row]] for row in model.predict_proba(texts) >= 0.5
    ]
    assert model.predict_proba(texts).shape == (3, 3)


@pytest.mark.slow
def test_runs_are_compared(runs: list[TrainingResult], folder: Path) -> None:
    ids = ",".join(str(run.run_id) for run in runs)
    settings = [f"runs=[{ids}]", "resamples=200", f"outputs={folder / 'outputs'}"]
    found = compare(compose("compare", [*settings, "metric=f1_micro"]), "compare").comparison
    for one, run in zip(found.scores, runs, strict=True):
        assert one["f1_micro"].value == pytest.approx(run.metrics["test/f1_micro"])
    best = [*settings, "metric=f1_micro", "threshold=max_f1"]
    decided = compare(compose("compare", best), "compare").comparison.contenders[0]
    where = f"outputs={folder / 'outputs'}"
    model = sentiment.load(decided.run.id, where, "deploy.threshold=max_f1")
    sets = model.rule.name(decided.predictions.probabilities, model.classes_)
    assert decided.predictions.predicted.tolist() == [";".join(labels) for labels in sets]
    # MLflow decides so, too.
    mlflow.set_tracking_uri(f"sqlite:///{folder}/outputs/mlflow.db")
    texts = pd.read_csv(folder / "tagged.csv")[["text"]]
    loaded = mlflow.pyfunc.load_model(model.source.uri)
    by_mlflow = loaded.predict(texts, params={"threshold": "max_f1"}).tolist()
    assert by_mlflow == [";".join(labels) for labels in model.predict(texts["text"])]
    assert loaded.predict(texts, params={"threshold": "0.01"}).tolist() != by_mlflow
    # And ranks labels by the same columns.
    columns = ["deploy.top_k=2", "deploy.probabilities=all", "deploy.run=" + decided.run.id]
    predicted = sentiment.predict_file(folder / "tagged.csv", folder / "two.csv", where, *columns)
    table = pd.read_csv(predicted.output, keep_default_na=False)
    ranked = loaded.predict(texts, params={"top_k": 2, "probabilities": "all"})
    pd.testing.assert_frame_equal(ranked, table[[*ranked]], check_dtype=False)
    assert [*table][-len(ranked.columns) :] == [*ranked]
    (pair,) = found.pairs
    apart = pair.list_disagreements()
    assert len(apart) == pair.errors.only_first + pair.errors.only_second
    with pytest.raises(ConfigError, match="lack the metric roc_auc; expected one of accuracy"):
        compare(compose("compare", [*settings, "metric=roc_auc"]), "compare")


@pytest.mark.slow
def test_each_label_is_explained(runs: list[TrainingResult], folder: Path) -> None:
    settings = [f"deploy.run={runs[0].run_id}", f"outputs={folder / 'outputs'}"]
    text = ["text=late and rude ticket", "overwrite=true"]
    model = sentiment.load(str(runs[0].run_id), f"outputs={folder / 'outputs'}")
    for label in TAGS:
        found = explain(compose("explain", [*text, f"label={label}", *settings])).explanation
        assert found.label == label
        p = found.probabilities[label]
        assert found.total == pytest.approx(np.log(p / (1 - p)))
        assert found.terms == model.explain("late and rude ticket", label=label).terms
    assert found.terms[0][0] == "rude"
    likeliest = explain(compose("explain", [*text, *settings])).explanation
    assert likeliest.label == max(found.probabilities, key=lambda name: found.probabilities[name])
    with pytest.raises(ConfigError, match=r"label is 'lat'.*Did you mean 'late'\?"):
        explain(compose("explain", [*text, "label=lat", *settings]))


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["deploy.threshold=max_f1", "deploy.abstain=0.2"]])
def test_each_label_is_monitored(
    runs: list[TrainingResult], folder: Path, words: list[str]
) -> None:
    where, run = f"outputs={folder / 'outputs'}", f"deploy.run={runs[0].run_id}"
    same = pd.read_csv(folder / "tagged.csv").assign(text=lambda rows: rows["text"] + " again")
    # The labels of a cell may have any order; the new rows have far more "rude" and no "refund".
    same["tags"] = same["tags"].map(lambda tags: "; ".join(reversed(tags.split(";"))) or ";")
    moved = same[~same["text"].str.contains("refund")]
    moved = pd.concat([moved, *[moved[moved["text"].str.contains("rude")]] * 3])
    found = {}
    for name, rows in {"same": same, "moved": moved}.items():
        path = folder / f"{name}.csv"
        rows.to_csv(path, index=False)
        output = sentiment.predict_file(path, None, where, run, "overwrite=true", *words).output
        settings = [f"current={output}", where, "workspace=null", "thresholds.accuracy=0.2"]
        found[name] = monitor(compose("monitor", settings)).comparison
    checks = {name: {one.name: one for one in made.checks} for name, made in found.items()}
    if not words:  # of texts that it has learned from, a model leaves fewer open
        assert not checks["same"]["prediction"].drifted
    assert checks["moved"]["prediction"].drifted
    # Accuracy is that of whole sets, and a recall is that of the rows that have the label.
    made, rows = found["same"], found["same"].rows
    answered = rows[rows["prediction"] != "unsure"]
    labels = answered["label"].map(lambda tags: set(tags.split(";")))
    predicted = answered["prediction"].map(lambda tags: set(tags.split(";")))
    assert made.performance is not None
    assert made.performance.current.value == pytest.approx(np.mean(labels == predicted))
    assert list(made.performance.recalls) == list(TAGS)
    for tag in TAGS:
        own = predicted[[tag in one for one in labels]]
        recall = made.performance.recalls[tag][1]
        assert (recall.rows, recall.right) == (len(own), sum(tag in one for one in own))
    assert checks["moved"]["prediction"].detail in {*TAGS, "unsure"}
    assert checks["moved"]["prediction"].reference < 0.8


@pytest.mark.slow
def test_labels_that_a_model_does_not_know_are_named(
    runs: list[TrainingResult], folder: Path
) -> None:
    rows = {"text": ["late"], "prediction": ["late;lost"], "probability": [0.9]}
    pd.DataFrame(rows).to_csv(folder / "lost.csv", index=False)
    words = ["current=lost.csv", f"run={runs[0].run_id}", f"outputs={folder / 'outputs'}"]
    with pytest.raises(ConfigError, match="predicts 'lost', which the model does not know"):
        monitor(compose("monitor", words))
    # A set with an unknown label is left out of the accuracy, with its other labels.
    labels = {"label": ["late;lost", "late", "lost", "", "gone;lost"]}
    rows = {"text": ["late"] * 5, "prediction": ["late"] * 5, "probability": [0.9] * 5}
    pd.DataFrame(rows | labels).to_csv(folder / "lost.csv", index=False)
    found = monitor(compose("monitor", [*words, "workspace=null"]))
    measured = found.comparison.performance
    assert measured is not None
    assert (measured.current.rows, measured.current.right) == (1, 1)
    document = json.loads((found.folder / "drift.json").read_text())
    assert document["unknown_labels"] == {"lost": 3, "gone": 1}


@pytest.mark.slow
def test_the_steps_of_a_flow_take_label_sets(folder: Path) -> None:
    where = folder / "flow"
    train = shlex.join([*list_settings(folder)[:-1], "model=nbsvm"])
    pd.read_csv(folder / "tagged.csv")[["text"]].to_csv(folder / "today.csv", index=False)
    words = [f"train={quote(train)}", f"outputs={where}", "promote='metric=f1_micro resamples=200'"]
    words += [f"input={folder / 'today.csv'}", "monitor='workspace=null'"]
    steps = Steps(compose("flow", words))
    steps.check_scripts()
    assert steps.check_input()["input"]
    assert steps.check_data()["rows"] == 240
    run = steps.train(steps.list_overrides("train"))
    assert steps.promote(run)["outcome"] == "promoted"
    (made,) = steps.predict()
    assert made["written"] == 240
    assert {*TAGS} <= {*made["labels"]}
    assert steps.monitor(made["output"])["compared"] == 240


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimize=roc_auc"], "optimize is roc_auc, which rows with several labels lack"),
        (["optimize=quadratic_kappa"], "optimize is quadratic_kappa, which rows with several"),
        (["data.ordered=true"], "data.ordered is for one label in each row"),
        (["data.rare_label='a;b'"], "data.rare_label is 'a;b', with data.label_separator in it"),
        (["data.label_separator=' '"], "a separator of labels"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    folder: Path, words: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        compose("train", [*list_settings(folder), *words])
    assert message in str(caught.value)


def test_metrics_of_several_labels_need_a_separator() -> None:
    with pytest.raises(ConfigError, match="hamming_loss, a metric of rows with several labels"):
        compose("train", ["optimize=hamming_loss"])


@pytest.mark.slow
def test_the_metric_to_optimize_follows_the_labels(folder: Path) -> None:
    assert compose("train").optimize == "accuracy"
    assert compose("train", list_settings(folder)).optimize == "f1_micro"
    assert compose("train", [*list_settings(folder), "optimize=brier"]).optimize == "brier"
