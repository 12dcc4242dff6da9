"""View of a trained model, as `train` prints it."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sentiment.commands.train.job import TrainingResult
from sentiment.commands.train.view import show_training

Train = Callable[..., TrainingResult]


@pytest.mark.parametrize("weak", [False, True])
def test_a_model_no_better_than_a_constant_is_named(
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
    show_training(result, None)
    printed = " ".join(capsys.readouterr().out.split())
    wanted = (
        "weak validation accuracy 0.7500 is not above 0.7500, that of always predicting 'usual'"
    )
    assert (wanted in printed) == weak
    assert ("weak " in printed) == weak
