"""A card says what a model is, and obeys nothing that comes from data or settings."""

import re
import shlex
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from conftest import write_frame
from markdown_it import MarkdownIt
from sklearn.metrics import classification_report

from sentiment.commands.train.card import summarize_card
from sentiment.commands.train.job import TrainingResult
from sentiment.modeling.evaluation import scores_file
from sentiment.modeling.predictions import Predictions
from sentiment.redaction import learn_secrets

Train = Callable[..., TrainingResult]
HOSTILE = ["[free](http://x.example)", "<img src=x onerror=alert(1)> | a", "`a`\n\n# big"]


def read_tables(card: str) -> list[dict[str, list[str]]]:
    """Return the tables of a page: cells of each row by its first cell, as a reader sees them."""
    tables: list[dict[str, list[str]]] = []
    row: list[str] = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(card):
        if token.type == "table_open":
            tables.append({})
        elif token.type == "inline" and token.level >= 4:
            assert token.children is not None
            assert {t.type for t in token.children} <= {"text", "text_special", "code_inline"}
            row.append("".join(t.content for t in token.children))
        elif token.type == "tr_close":
            tables[-1][row[0]], row = row[1:], []
    return tables


@pytest.mark.slow
def test_a_card_has_the_scores_of_each_class_and_obeys_no_label(
    train_quickly: Train, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    labels = [HOSTILE[n % 3] for n in range(len(reviews))]
    marked = reviews["text"].str.slice(0, 300) + [f" topic{n % 3}" for n in range(len(reviews))]
    path = tmp_path / "topics.csv"
    reviews.assign(text=marked, topic=labels)[["text", "topic"]].to_csv(path, index=False)
    result = train_quickly(
        "data=csv", f"data.path={path}", "data.label_column=topic", "data.limit=null", "refit=all"
    )
    card = (result.folder / "card.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(card)
    assert "html_block" not in {token.type for token in tokens}
    titles = [tokens[k + 1].content for k, t in enumerate(tokens) if t.type == "heading_open"]
    assert titles[1:] == ["Scores", "Classes", "Limits", "How to load it", "Settings"]
    facts, scores, classes = read_tables(card)
    assert facts["data"][0].startswith("csv, topics.csv, fingerprint ")
    assert "texts like those of csv, `topics.csv`. On other" in card
    for name in ("accuracy", "f1_macro"):
        cells = [float(cell.split()[0]) for cell in scores[name]]
        known = [result.metrics[f"{split}/{name}"] for split in ("validation", "test")]
        assert cells == pytest.approx(known, abs=0.0051)
    assert "\nfeatures.stop_words: null\n" in card
    assert "None" not in card
    assert "[" in scores["accuracy"][0]
    assert "f1" not in scores
    made = Predictions.from_frame(pd.read_parquet(result.folder / scores_file("test")))
    wanted = classification_report(made.labels, made.predicted, output_dict=True, zero_division=0)
    assert set(classes) == {"class", *(label.replace("\n", "\\n") for label in HOSTILE)}
    for label in HOSTILE:
        found, known = classes[label.replace("\n", "\\n")], wanted[label]
        assert [float(cell.split()[0]) for cell in found[:3]] == pytest.approx(
            [known[name] for name in ("precision", "recall", "f1-score")], abs=0.0051
        )
        assert int(found[3]) == known["support"]
    rows = result.data.rows
    assert facts["learned from"] == [f"{rows} of {rows}: all labelled rows, after it was scored"]
    assert f"the same settings, fitted on {len(result.data.train)} training rows" in card
    # In MLflow, it is beside the model, among the files of the run, and the description of the run.
    run = mlflow.get_run(result.run_id)
    model = mlflow.artifacts.download_artifacts(result.model)
    assert Path(model, "card.md").read_text(encoding="utf-8") == card
    files = {f.path for f in mlflow.MlflowClient().list_artifacts(result.run_id)}
    assert "card.md" in files
    note = run.data.tags["mlflow.note.content"]
    assert card.startswith(note)
    assert "## Limits" in note
    assert "## Settings" not in note


@pytest.mark.slow
def test_a_card_keeps_no_secret(train_quickly: Train, tmp_path: Path) -> None:
    learn_secrets(["tracking.uri=http://ann:Xq7vZcard@host"])
    result = train_quickly("tracking=off", f"memory={tmp_path}/Xq7vZcard")
    card = (result.folder / "card.md").read_text(encoding="utf-8")
    assert "Xq7vZcard" not in card
    assert "features.max_features: 500" in card
    assert "tracking." not in card
    assert "learned from a sample" in card
    assert "from 70 % of the labels; `sentiment finalize` uses the rest" in card


@pytest.mark.slow
def test_the_command_of_a_card_can_be_copied(train_quickly: Train, tmp_path: Path) -> None:
    override = f"memory={tmp_path}/a|b"
    result = train_quickly("tracking=off", override)
    card = (result.folder / "card.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^```bash\n(.*?)\n```$", card, re.DOTALL | re.MULTILINE)
    assert override in shlex.split(command)


@pytest.mark.slow
def test_a_card_names_the_files_of_the_data_without_their_folders(
    train_quickly: Train, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "ann").mkdir()
    database, path = tmp_path / "ann" / "films.db", tmp_path / "ann" / "test.jsonl"
    with closing(sqlite3.connect(database)) as store:
        reviews.iloc[::2].to_sql("reviews", store)
    write_frame(reviews.iloc[1::2], path)
    columns = ["data.text_column=text", "data.label_column=label", "data.limit=null"]
    where = ["data=csv", f"data.path=sqlite:///{database}", f"data.test_path={path}"]
    result = train_quickly(*where, *columns, "tracking=off")
    facts, *_ = read_tables((result.folder / "card.md").read_text(encoding="utf-8"))
    assert facts["data"][0].startswith("csv, films.db, test.jsonl, fingerprint ")


@pytest.mark.slow
def test_the_code_of_a_card_loads_the_model_beside_it(
    train_quickly: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = train_quickly("tracking=off")
    monkeypatch.chdir(result.folder)
    card = Path("card.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", card, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        code, _, last = block.rstrip().rpartition("\n")
        names: dict[str, Any] = {}
        exec(code, names)
        assert set(eval(last, names)) <= {"negative", "positive"}


def test_a_long_card_is_cut_at_a_line() -> None:
    card = "# a\n\n" + "| b | c |\n" * 1000 + "\n## Settings\n\n```yaml\nseed: 1\n```\n"
    short = summarize_card(card, 500)
    assert len(short) <= 500
    assert short.endswith("| b | c |\n\nThe rest is in card.md.")
    assert summarize_card(card, 10**6).endswith("| b | c |")
