"""View of a trained model, as `train` prints it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from sentiment.commands.train.job import TrainingResult
from sentiment.commands.train.view import show_training

Train = Callable[..., TrainingResult]


@pytest.mark.slow
@pytest.mark.parametrize("weak", [False, True])
def test_a_model_no_better_than_a_constant_is_reported(
    train_quickly: Train, reviews: pd.DataFrame, tmp_path: Path, weak: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    rows = reviews.iloc[:200]
    topics = ["rare" if n % 4 == 0 else "usual" for n in range(len(rows))]
    separable = [f"{topic} word" for topic in topics]
    rows = rows.assign(topic=topics, text=rows["text"] if weak else separable)
    if not weak:
        rows["text"] += [f" {n}" for n in range(len(rows))]
    path = tmp_path / "topics.csv"
    rows[["text", "topic"]].to_csv(path, index=False)
    # So much regularization that the model is a constant.
    strength = "model.C=1e-9" if weak else "model.C=100"
    data = ["data=csv", f"data.path={path}", "data.label_column=topic", "data.limit=null"]
    result = train_quickly(*data, strength, "features.min_df=1")
    show_training(result)
    printed = " ".join(capsys.readouterr().out.split())
    wanted = (
        "weak validation accuracy 0.7500 is not above 0.7500, that of always predicting 'usual'"
    )
    assert (wanted in printed) == weak
    assert ("weak " in printed) == weak


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_probabilities_worse_than_the_shares_of_the_labels_are_reported(
    several: bool, train_quickly: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b", "a;b", ";"] if several else ["a", "b", "cc"], 300)
    words = rng.integers(0, 90, (300, 12)).astype(str)
    path = tmp_path / "noise.csv"
    noise = [" ".join(f"w{word}" for word in row) for row in words]
    clear = [f"{label.replace('a', 'aa').replace('b', 'bb')} {n}" for n, label in enumerate(labels)]
    settings = ["data=csv", f"data.path={path}", "data.label_column=topic", "data.limit=null",
                "tracking=off", "features.min_df=1"]  # fmt: skip
    separator = ["data.label_separator=';'"] * several
    for texts, worse in ((noise, True), (clear, False)):
        pd.DataFrame({"text": texts, "topic": labels}).to_csv(path, index=False)
        result = train_quickly(*settings, *separator)
        true = result.data.validation["label"]
        names = ["a", "b"] if several else ["a", "b", "cc"]
        kinds = np.array([[name in text.split(";") for name in names] for text in true])
        shares = np.broadcast_to(kinds.mean(axis=0), kinds.shape)
        if several:
            columns = zip(kinds.T, shares.T, strict=True)
            constant = float(np.mean([log_loss(side, share) for side, share in columns]))
        else:
            constant = log_loss(true, shares)
        assert (result.metrics["validation/log_loss"] >= constant) == worse
        capsys.readouterr()
        show_training(result)
        printed = " ".join(capsys.readouterr().out.split())
        assert (f"is not below {constant:.4f}, that of the shares" in printed) == worse


@pytest.mark.slow
@pytest.mark.parametrize("name", ["other", "rest"])
def test_classes_that_are_merged_into_one_that_the_data_have_are_reported(
    name: str, train_quickly: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {"cars": 40, "films": 40, "other": 12, "boats": 4}
    topics = [topic for topic, count in rows.items() for _ in range(count)]
    texts = [f"{topic} no{n}" for n, topic in enumerate(topics)]
    path = tmp_path / "topics.csv"
    pd.DataFrame({"text": texts, "topic": topics}).to_csv(path, index=False)
    result = train_quickly(
        "data=csv", f"data.path={path}", "data.label_column=topic", "data.limit=null",
        "features.min_df=1", "tracking=off", "data.rare=merge", "data.min_per_class=5",
        f"data.rare_label={name}",
    )  # fmt: skip
    show_training(result, None)
    printed = capsys.readouterr().out
    label = ", which is also the label of 12 rows (see data.rare_label)" * (name == "other")
    assert f"rare classes, merged into '{name}'{label}: 4 'boats'\n" in printed


@pytest.mark.slow
def test_many_classes_have_a_short_table_and_their_confusions(
    train_quickly: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes, each = 30, 10
    topics = [f"topic {k:02}" for k in range(classes) for _ in range(each)]
    # The last two classes have the same words.
    words = [
        f"word{min(k, classes - 2)} no{n} id{k}x{n}" for k in range(classes) for n in range(each)
    ]
    path = tmp_path / "topics.csv"
    pd.DataFrame({"text": words, "topic": topics}).to_csv(path, index=False)
    result = train_quickly(
        "data=csv", f"data.path={path}", "data.label_column=topic", "data.limit=null",
        "features.min_df=1", "optimize=f1", "tracking=off",
    )  # fmt: skip
    show_training(result)
    printed = capsys.readouterr().out
    line = " ".join(printed.split())
    shown = [line.split("│")[1].strip() for line in printed.splitlines() if line.startswith("│")]
    assert {"accuracy", "balanced_accuracy", "f1_macro", "top_3_accuracy"} <= set(shown)
    assert not {"f1", "precision", "roc_auc"} & set(shown)
    assert sum(name.startswith("topic") for name in shown) == 20
    assert "the 15 most frequent and the 5 worst of the others by F1; all 30: " in line
    assert "confused 'topic 2" in line
    table = pd.read_csv(result.folder / "scores/test_classes.csv")
    assert len(table) == classes
    assert table["rows"].sum() == len(result.data.test)
    assert result.score == result.metrics["validation/f1_macro"] == result.metrics["validation/f1"]
    low, high = result.intervals["test/accuracy"]
    assert low < result.metrics["test/accuracy"] <= high
    kept = json.loads((result.folder / "scores/intervals.json").read_text())
    assert tuple(kept["test/accuracy"]) == (low, high)
