"""Suggested texts: what is chosen, what is left out, and the file that training reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

import sentiment
from sentiment.commands.suggest.job import SuggestionResult, _make_table, _write_batch, suggest
from sentiment.commands.suggest.view import show_suggestions
from sentiment.config import compose
from sentiment.data.datasets import EmbeddedReviews
from sentiment.errors import (
    ConfigError,
    ExperimentDeletedError,
    NoTextColumnError,
    NothingToLabelError,
    RunNotFoundError,
)
from sentiment.files.batches import Limits, Position
from sentiment.files.opening import open_input

WORDS = ["features=tfidf_unigram", "model=naive_bayes", "memory=null", "data=csv"]


class Place:
    """A folder with reviews without a label, some with one, and what was trained on them."""

    def __init__(self, folder: Path) -> None:
        rows = EmbeddedReviews(name="rotten_tomatoes", source="rotten_tomatoes").read()
        rows = rows.drop_duplicates("text").sample(500, random_state=0)
        self.folder, self.truth = folder, rows.set_index("text")["label"]
        rows[["text"]].to_csv(folder / "texts.csv", index=False)
        (folder / "labels").mkdir()
        rows[:80].to_csv(folder / "labels" / "first.csv", index=False)
        rows[80:160].to_csv(folder / "elsewhere.csv", index=False)
        self.where = f"outputs={folder}/outputs"
        self.other = sentiment.train(*WORDS, f"data.path={folder}/elsewhere.csv", self.where)
        self.own = sentiment.train(*WORDS, f"data.path={folder}/labels", self.where)

    def suggest(self, *overrides: str, batches: str = "labels") -> SuggestionResult:
        defaults = [f"input={self.folder}/texts.csv", f"folder={self.folder}/{batches}", self.where]
        keys = {override.partition("=")[0] for override in overrides}
        arguments = [default for default in defaults if default.partition("=")[0] not in keys]
        return suggest(compose("suggest", [*arguments, *overrides], typed=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("suggest"))


def ask(tmp_path: Path, rows: pd.DataFrame | list[str], *overrides: str) -> SuggestionResult:
    """Let the command choose from `rows` in a folder where nothing was trained."""
    path = tmp_path / "texts.csv"
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame({"text": rows})
    frame.to_csv(path, index=False)
    arguments = [f"input={path}", f"folder={tmp_path}/labels", f"outputs={tmp_path}/outputs"]
    return suggest(compose("suggest", [*arguments, *overrides], typed=True))


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False)


TEXTS = [f"{kind} {word} number {n}" for n in range(30) for kind, word in
         (("red", "apple"), ("fast", "car"), ("deep", "sea"))]  # fmt: skip


def test_without_a_model_the_first_texts_differ(tmp_path: Path) -> None:
    result = ask(tmp_path, [*TEXTS, *TEXTS[:7], "", "<br/>"], "n=3", "tracking=off")
    assert result.model is None
    table = read(result.path)
    assert result.path == tmp_path / "labels" / "texts-1.csv"
    assert [*table] == ["text", "label", "rank", "guess", "probability", "reason"]
    assert {text.split()[1] for text in table["text"]} == {"apple", "car", "sea"}
    assert table["rank"].tolist() == [1, 2, 3]
    assert set(table["label"]) | set(table["guess"]) == {""}
    assert table["reason"].tolist() == ["one of 30 similar texts"] * 3
    assert result.candidates.left_out == {"rejected": 1, "empty": 1, "duplicates": 7}
    assert result.candidates.read == 99


@pytest.mark.slow
def test_a_second_batch_leaves_the_first_out(tmp_path: Path) -> None:
    first = ask(tmp_path, TEXTS, "n=30")
    second = ask(tmp_path, [text.upper() for text in TEXTS], "n=30")
    assert second.path.name == "texts-2.csv"
    assert second.candidates.left_out == {"labelled or chosen before": 30}
    assert not set(first.rows["text"]) & set(second.rows["text"].str.lower())
    third = ask(tmp_path, TEXTS, "n=100")
    assert len(third.rows) == 30
    with pytest.raises(NothingToLabelError, match="90 rows, 90 labelled or chosen before"):
        ask(tmp_path, TEXTS)
    assert len([*first.path.parent.iterdir()]) == 3


@pytest.mark.slow
def test_the_page_begins_with_batches_that_nobody_has_labelled(tmp_path: Path) -> None:
    first = ask(tmp_path, TEXTS, "n=8")
    expected = first.rows["text"].tolist()
    page = ["page=true", "labels=[a,b]", "n=8"]
    result = ask(tmp_path, TEXTS, *page)
    assert result.rows["text"].tolist() == expected
    assert result.notes == ["8 texts of batches that have no label yet come first"]
    assert result.rows["reason"].tolist() == first.rows["reason"].tolist()
    # What a person has labelled or skipped on the page is not asked again, and others follow.
    answers = pd.DataFrame({"text": expected[:3], "label": ["a", "", "b"], "labeler": "ann"})
    answers.to_csv(tmp_path / "labels" / "ann.csv", index=False)
    result = ask(tmp_path, TEXTS, *page)
    assert result.rows["text"].tolist()[:5] == expected[3:]
    assert not set(result.rows["text"][5:]) & set(expected)
    assert result.rows["rank"].tolist() == [*range(1, 9)]
    assert ask(tmp_path, TEXTS, *page, "n=2").rows["text"].tolist() == expected[3:5]
    # Batches of another input, those that a person has begun, and without the page: as before.
    (tmp_path / "labels" / "texts-1.csv").rename(tmp_path / "labels" / "others-1.csv")
    assert not set(ask(tmp_path, TEXTS, *page).rows["text"]) & set(expected)
    read(tmp_path / "labels" / "others-1.csv").assign(label=[*"ab", *[""] * 6]).to_csv(
        tmp_path / "labels" / "texts-1.csv", index=False
    )
    assert not set(ask(tmp_path, TEXTS, *page).rows["text"]) & set(expected)


@pytest.mark.slow
def test_the_page_ends_with_the_batches_where_no_other_text_is_left(tmp_path: Path) -> None:
    ask(tmp_path, TEXTS[:9], "n=9")
    with pytest.raises(NothingToLabelError):
        ask(tmp_path, TEXTS[:9])
    assert len(ask(tmp_path, TEXTS[:9], "page=true", "labels=[a,b]").rows) == 9


@pytest.mark.slow
def test_the_same_seed_chooses_the_same(tmp_path: Path) -> None:
    batches = {}
    for seed in (1, 2):
        pair = []
        for k in (1, 2):
            folder = tmp_path / f"{seed}-{k}"
            folder.mkdir()
            pair.append(ask(folder, TEXTS, "n=5", f"seed={seed}").rows)
        pd.testing.assert_frame_equal(*pair)
        batches[seed] = pair[0]["text"].tolist()
    assert batches[1] != batches[2]


def test_of_very_many_texts_a_sample_is_looked_at(tmp_path: Path) -> None:
    result = ask(tmp_path, TEXTS, "n=3", "candidates=40")
    assert len(result.candidates.rows) == 40
    assert result.candidates.left_out == {"not drawn": 50}


def test_other_labelled_texts_are_left_out(tmp_path: Path) -> None:
    pd.DataFrame({"review": TEXTS[:80], "stars": 5}).to_csv(tmp_path / "mine.csv", index=False)
    result = ask(tmp_path, TEXTS, "n=20", f"labelled={tmp_path}/mine.csv")
    assert sorted(result.rows["text"]) == sorted(TEXTS[80:])
    pd.DataFrame({"stars": [5]}).to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(NoTextColumnError, match="no column that is known to hold texts"):
        ask(tmp_path, TEXTS, f"labelled={tmp_path}/mine.csv")


@settings(max_examples=30)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2, max_size=5)
)
def test_training_reads_the_texts_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    """Whatever is in them: quotes, separators, line breaks, control characters."""
    path = tmp_path_factory.mktemp("round") / "batch.csv"
    rows = pd.DataFrame({"text": texts}, dtype="str")
    _write_batch(path, _make_table(rows, guess="a", probability=0.5, reason="unsure"))
    batches = open_input(path).read("text", Limits(added=()), Position())
    read_texts = [text for batch in batches for text in batch.texts.to_pylist()]
    assert read_texts == texts


@pytest.mark.slow
def test_with_a_model_uncertain_texts_are_chosen(place: Place) -> None:
    result = place.suggest("n=10")
    assert result.model is not None
    assert result.model.run_id == place.own.run_id
    assert result.why == f"the latest that learned from {place.folder}/labels"
    assert result.candidates.left_out == {"labelled or chosen before": 80}
    assert result.known["label"].notna().sum() == 80

    model = sentiment.load(place.own.run_id, place.where)
    unlabelled = place.truth.index[80:]
    probabilities = model.predict_proba(unlabelled)
    margins = pd.Series(np.abs(probabilities[:, 0] - probabilities[:, 1]), unlabelled)
    table = read(result.path)
    least = margins.nsmallest(100)
    assert set(table["text"]) <= set(least.index)
    assert np.all(np.diff(margins[table["text"]]) >= 0)
    assert table["guess"].tolist() == model.predict(table["text"]).tolist()
    expected = model.predict_proba(table["text"]).max(axis=1)
    assert table["probability"].to_numpy() == pytest.approx(expected, abs=5e-5)
    assert table["reason"][0].startswith(f"unsure: {table['guess'][0]} 0.5")
    assert " among the 100 least certain" in table["reason"][0]
    result.path.unlink()


@pytest.mark.slow
def test_texts_that_a_model_learned_from_are_left_out(place: Place) -> None:
    result = place.suggest(f"run={place.other.run_id}", "n=1000", batches="none yet")
    assert result.candidates.left_out == {"labelled or chosen before": 80}
    assert not set(result.rows["text"]) & set(place.truth.index[80:160])

    elsewhere = place.folder / "elsewhere.csv"
    elsewhere.rename(place.folder / "moved.csv")
    try:
        result = place.suggest(f"run={place.other.run_id}", batches="moved")
    finally:
        (place.folder / "moved.csv").rename(elsewhere)
    assert result.candidates.left_out == {}
    assert "may be among these" in result.notes[0]


@pytest.mark.slow
def test_the_best_model_is_used_unless_it_has_other_labels(place: Place) -> None:
    result = place.suggest("n=2", batches="best")
    assert result.model is not None
    assert "best" in result.why or "accuracy" in result.why
    result = place.suggest("n=2", "labels=[late,early]", batches="another task")
    assert result.model is None
    assert "predicts 'negative' and 'positive', not 'late' and 'early'" in result.why
    assert result.labels == ["late", "early"]
    assert place.suggest("n=2", "run=none", batches="none").model is None
    with pytest.raises(RunNotFoundError):
        place.suggest("run=0123", batches="none")


@pytest.mark.slow
def test_a_model_that_was_deleted_is_not_said_to_be_missing(place: Place) -> None:
    result = place.suggest("n=2", batches="deleted")
    assert result.model is not None
    files = result.model.path.parent
    moved = files.rename(files.with_name("moved"))
    try:
        with pytest.raises(RunNotFoundError, match="Its artifacts were deleted"):
            place.suggest("n=2", batches="deleted")
    finally:
        moved.rename(files)
    client = MlflowClient(f"sqlite:///{place.folder}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name("sentiment")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    try:
        with pytest.raises(ExperimentDeletedError):
            place.suggest("n=2", batches="deleted")
    finally:
        client.restore_experiment(experiment.experiment_id)


@pytest.mark.slow
def test_the_view_ends_with_the_next_command(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    show_suggestions(place.suggest("n=2", batches="shown"))
    printed = capsys.readouterr().out
    assert "texts    2 of 420 to choose from" in printed
    assert "80 left out: labelled or chosen before" in printed
    last_lines = printed.splitlines()[-2:]
    assert "scripts/train.py experiment=few_labels data=csv data.path=" in last_lines[0]
    assert f"data.unlabelled={place.folder}/texts.csv" in last_lines[0]
    assert last_lines[1] == "         and this command again, for the next texts"


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["n=0"], "n is 0; expected a whole number from 1 to 1,000"),
        (["n=1001"], "n is 1001; expected"),
        (["labels=[a,a]"], r"labels is \['a', 'a'\]; expected"),
        (["labels=[a]"], "expected two or more different labels"),
    ],
)
def test_mistakes(tmp_path: Path, overrides: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        ask(tmp_path, TEXTS, *overrides)


@pytest.mark.slow
def test_columns_of_another_name_are_left_to_the_reader(tmp_path: Path) -> None:
    """The next command names texts that training would read alike; a note says why it does not."""

    def explain(columns: dict[str, Any], *overrides: str) -> str:
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        folder.mkdir()
        result = ask(folder, pd.DataFrame(columns), *overrides)
        notes = [note for note in result.notes if note.startswith("the next command leaves out")]
        assert ("data.unlabelled=" in result.next_command) == (not notes)
        return "".join(notes)

    assert not explain({"text": TEXTS})
    assert not explain({"Review": TEXTS})
    assert "Rename 'words' to it" in explain({"words": TEXTS}, "text_column=words")
    two_columns = {"text": ["another column"] * len(TEXTS), "review": TEXTS}
    assert "Rename 'review' to it" in explain(two_columns, "text_column=review")
    assert "no 'encoding' for them" in explain({"text": TEXTS}, "encoding=utf-8")
