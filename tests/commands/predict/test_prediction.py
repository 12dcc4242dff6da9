import copy
import errno
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import read_frame, write_frame

from sentiment.commands.explain.job import explain
from sentiment.commands.predict import job
from sentiment.commands.predict.job import predict, predict_files
from sentiment.commands.predict.results import PredictionResult
from sentiment.commands.train.job import TrainingResult, train
from sentiment.config import Job, compose, quote_free_text
from sentiment.errors import (
    AmbiguousColumnError,
    ConfigError,
    EmptyDataError,
    ExitCode,
    FilesFailedError,
    InputNotFoundError,
    MissingColumnError,
    NoTextColumnError,
    OutputExistsError,
    RunNotFoundError,
    UnreadableFileError,
    UntrustedModelError,
)
from sentiment.files.dialects import ReadOptions
from sentiment.files.inputs import Input
from sentiment.files.opening import ENDINGS
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.explanation import RowExplainer
from sentiment.modeling.model_files import load_model, save_model
from sentiment.modeling.scoring import BatchScorer
from sentiment.modeling.thresholds import choose_rule

Train = Callable[..., TrainingResult]
Predict = Callable[..., PredictionResult]


@pytest.fixture(scope="module")
def trained(store: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """The only model of its experiment, for tests that do not change it."""
    overrides = ["features=tfidf_unigram", "features.max_features=500", "data.limit=300"]
    where = [f"outputs={store}", "tracking.experiment=predictions"]
    return train(compose("train", [*overrides, *where]), Job(tmp_path_factory.mktemp("trained")))


@pytest.fixture
def where(request: pytest.FixtureRequest, store: Path, tmp_path: Path) -> list[str]:
    """Settings of the experiment of `trained` or, for tests that train themselves, of their own."""
    shared = "trained" in request.fixturenames
    return [f"outputs={store}", f"tracking.experiment={'predictions' if shared else tmp_path.name}"]


@pytest.fixture
def predict_file(where: list[str]) -> Predict:
    def run(path: Path, *overrides: str) -> PredictionResult:
        return predict(compose("predict", [f"input='{path}'", *where, *overrides]))

    return run


def answer(pipeline: Any, frame: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Return what a fitted pipeline says, without any of the code under test."""
    probabilities = pipeline.predict_proba(frame[["text"]])
    return pipeline.classes_[probabilities.argmax(axis=1)].tolist(), probabilities.max(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("form", [None, "csv", "parquet", "jsonl"])
def test_a_file_is_predicted_as_training_would(
    trained: TrainingResult,
    predict_file: Predict,
    reviews: pd.DataFrame,
    tmp_path: Path,
    ending: str,
    form: str | None,
) -> None:
    frame = reviews.tail(30).assign(id=[f"{n:03}" for n in range(30)])[["id", "text", "label"]]
    path = write_frame(frame, tmp_path / f"my reviews{ending}")
    result = predict_file(path, *([f"deploy.format={form}"] if form else []))
    expected_ending = ENDINGS[form] if form else ending
    assert result.output == tmp_path / f"my reviews.predictions{expected_ending}"
    output = read_frame(result.output)
    assert list(output) == ["id", "text", "label", "prediction", "probability"]
    input_columns = output[["id", "text", "label"]].astype(object).to_numpy()
    assert input_columns.tolist() == frame.astype(object).to_numpy().tolist()
    labels, probabilities = answer(trained.pipeline, frame)
    assert output["prediction"].tolist() == labels
    np.testing.assert_allclose(output["probability"].astype(float), probabilities, rtol=1e-12)
    assert result.tally.read == result.tally.written == 30
    assert result.tally.counts == pd.Series(labels).value_counts().to_dict()
    assert result.model.run_id == trained.run_id
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted(
        [path.name, result.output.name, f"{result.output.name}.json"]
    )
    report = json.loads(result.report.read_text())
    assert report["rows"] == {"read": 30, "written": 30, "rejected": 0, "resumed": 0}
    assert report["model"]["run_id"] == trained.run_id
    assert report["model"]["fingerprint"] == trained.data.fingerprint
    assert sum(report["tally"]["histogram"]) == 30
    assert report["mean_probability"] == pytest.approx(probabilities.mean())


@pytest.mark.slow
def test_the_choice_is_reported(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    path = write_frame(pd.DataFrame({"review": ["good"]}), tmp_path / "x.csv")
    model = predict_file(path).model
    score = trained.metrics["validation/accuracy"]
    rows = len(trained.data.validation)
    # Other tests of this process may have trained models on the same rows.
    pattern = rf"best validation/accuracy of \d+ runs? on imdb: {score:.4f} \({rows} rows, 95 % "
    assert re.match(pattern, model.why)
    assert (model.data, model.fingerprint) == ("imdb", trained.data.fingerprint)
    assert len(model.commit) == 40
    named_model = predict_file(path, f"deploy.run={trained.run_id}", "overwrite=true").model
    assert (named_model.uri, named_model.why) == (model.uri, "it was named")


@pytest.mark.slow
@pytest.mark.parametrize("by", ["best", "run", "address"])
def test_a_model_that_was_changed_after_training_is_refused(
    train_quickly: Train, predict_file: Predict, tmp_path: Path, by: str
) -> None:
    trained = train_quickly()
    path = write_frame(pd.DataFrame({"text": ["good"]}), tmp_path / "x.csv")
    model = predict_file(path).model
    expected_model = load_model(model.path)
    expected_model["model"].intercept_ = expected_model["model"].intercept_ + 10
    save_model(expected_model, model.path)
    address = {"best": "best", "run": trained.run_id, "address": model.uri}[by]
    with pytest.raises(UntrustedModelError, match="it was changed after it was trained: its SHA"):
        predict_file(path, f"deploy.run={address}", "output=never.csv")
    assert not Path("never.csv").exists()


@pytest.mark.slow
def test_a_model_file_is_put_to_work_without_a_store(
    train_quickly: Train, predict_file: Predict, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    trained = train_quickly("tracking=off")
    path = write_frame(reviews[["text"]].tail(10), tmp_path / "x.csv")
    result = predict_file(path, f"deploy.run='{trained.model}'")
    labels, _ = answer(trained.pipeline, reviews.tail(10))
    assert read_frame(result.output)["prediction"].tolist() == labels
    assert (result.model.uri, result.model.run_id) == (trained.model, "")
    with pytest.raises(InputNotFoundError, match="deploy.run is 'no.skops', but there is no such"):
        predict_file(path, "deploy.run=no.skops", "overwrite=true")


@pytest.mark.slow
def test_the_column_that_a_model_learned_from_is_read(
    train_quickly: Train, predict_file: Predict, reviews: pd.DataFrame, tmp_path: Path
) -> None:
    """A file has another column whose name says that it holds texts, and these say the contrary."""
    learned = reviews.rename(columns={"text": "summary"}).assign(
        text=reviews["text"].to_numpy()[::-1]
    )
    path = write_frame(learned, tmp_path / "x.csv")
    trained = train_quickly(
        "data=csv", f"data.path='{path}'", "data.text_column=summary", "data.limit=null"
    )
    result = predict_file(path)
    labels, _ = answer(trained.pipeline, reviews)
    assert read_frame(result.output)["prediction"].tolist() == labels
    assert (result.text_column.name, result.model.text_column) == ("summary", "summary")
    report = json.loads(result.report.read_text())
    assert report["text_column"] == {"name": "summary", "why": "the model learned from it"}

    renamed = predict_file(path, "text_column=text", "overwrite=true")
    assert read_frame(renamed.output)["prediction"].tolist() == labels[::-1]
    assert renamed.text_column.why == "it was named"

    other_path = write_frame(learned[["text", "label"]], tmp_path / "other.csv")
    text_column = predict_file(other_path).text_column
    assert text_column.name == "text"
    assert text_column.why == "by its name; the model learned from 'summary', not there"
    ambiguous_path = write_frame(
        learned.rename(columns={"summary": "review"}), tmp_path / "both.csv"
    )
    with pytest.raises(AmbiguousColumnError, match="2 that may hold texts: 'text' and 'review'"):
        predict_file(ambiguous_path)
    neither = write_frame(learned[["label"]], tmp_path / "neither.csv")
    with pytest.raises(NoTextColumnError, match="no column 'summary', from which the model"):
        predict_file(neither)
    alone = predict_file(ambiguous_path, f"deploy.run='{result.model.path}'").text_column
    assert (alone.name, alone.why) == ("text", "by its name, before 'review'")


def test_a_row_without_text_is_rejected_and_an_empty_one_is_not(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    rows = [{"n": 1, "text": "good"}, {"text": None, "n": 2}, {"text": " ", "n": 3}, {"n": 4}]
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = predict_file(path)
    assert (result.tally.read, result.tally.reasons) == (4, {"no text": 2})
    output_rows = [json.loads(line) for line in result.output.read_text().splitlines()]
    assert [row["n"] for row in output_rows] == [1, 3]
    _, expected = answer(trained.pipeline, pd.DataFrame({"text": [""]}))
    assert output_rows[1]["probability"] == pytest.approx(expected[0])
    result = predict_file(path, "deploy.empty=reject", "overwrite=true")
    assert result.rejected is not None
    assert pd.read_csv(result.rejected)[["row", "reason"]].to_numpy().tolist() == [
        [2, "no text"],
        [3, "the text is empty"],
        [4, "no text"],
    ]


def test_a_table_takes_no_field_that_comes_late(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl"
    first = '{"text": "a", "n": 1}\n' + '{"text": "b"}\n' * 1000
    path.write_text(first + '{"text": "c", "more": 1}\n')
    result = predict_file(path, "deploy.format=csv")
    assert result.tally.reasons == {"a field that the first rows lack": 1}
    output = pd.read_csv(result.output, dtype=str, keep_default_na=False)
    assert output[["text", "n"]].head(2).to_numpy().tolist() == [["a", "1"], ["b", ""]]
    result = predict_file(path)
    lines = result.output.read_text().splitlines()
    assert json.loads(lines[-1])["more"] == 1


def test_parquet_keeps_missing_values_and_rejects_missing_texts(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"text": [None, "good", None, "bad"], "n": [1, None, 3, 4]})
    path = write_frame(frame.astype({"text": "str"}), tmp_path / "x.parquet")
    result = predict_file(path)
    output = pd.read_parquet(result.output)
    assert output["text"].tolist() == ["good", "bad"]
    assert output["n"].isna().tolist() == [True, False]
    assert result.tally.reasons == {"no text": 2}


def test_a_file_in_the_way_is_not_overwritten(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    path = write_frame(pd.DataFrame({"text": ["good"]}), tmp_path / "x.csv")
    output = tmp_path / "x.predictions.csv"
    output.write_text("precious")
    with pytest.raises(OutputExistsError):
        predict_file(path)
    assert output.read_text() == "precious"
    predict_file(path, "overwrite=true")
    assert output.read_text().startswith("text,prediction,probability\n")


def test_a_file_that_ends_too_early_leaves_nothing(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"text\n" + b"good\n" * 5000)[:-12])
    with pytest.raises(UnreadableFileError, match="as a gzip file"):
        predict_file(path)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [path.name]


@pytest.mark.parametrize(
    ("content", "overrides", "error", "message"),
    [
        (
            "id,review\n1,a\n",
            ["text_column=reviews"],
            MissingColumnError,
            "'{path}' has no column 'reviews'; its columns are 'id' and 'review'. Did you mean "
            "'review'? Name the column with text_column=<name>.",
        ),
        (
            "text,prediction\na,b\n",
            [],
            ConfigError,
            "'{path}' already has a column 'prediction', which predict adds. Is it an output of "
            "predict? Rename or remove that column.",
        ),
        (
            "text\n",
            [],
            EmptyDataError,
            "'{path}' holds no data: it has no rows. Expected at least one row with a text.",
        ),
        (
            "text\na\n",
            ["output={path}"],
            ConfigError,
            "output would write '{path}', which is the input; name another file.",
        ),
        (
            "text\na\n",
            ["output=x.xls"],
            ConfigError,
            "output is 'x.xls', whose ending '.xls' names no known format; expected one of .csv, "
            ".tsv, .txt, .parquet, .pq, .jsonl, .ndjson, .json, maybe with .gz or .zst behind it.",
        ),
    ],
)
def test_inputs_that_cannot_be_predicted(
    predict_file: Predict,
    tmp_path: Path,
    content: str,
    overrides: list[str],
    error: type[Exception],
    message: str,
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(error) as caught:
        predict_file(path, *(override.format(path=path) for override in overrides))
    assert str(caught.value) == message.format(path=path)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_reasons_stand_behind_the_answers(
    trained: TrainingResult, predict_file: Predict, reviews: pd.DataFrame, tmp_path: Path,
    ending: str,
) -> None:  # fmt: skip
    frame = pd.DataFrame({"text": [*reviews["text"].tail(8), "zzzz", 'a "great" movie; bad']})
    path = write_frame(frame, tmp_path / f"x{ending}")
    plain = read_frame(predict_file(path).output)
    result = predict_file(path, "explain=true", "overwrite=true")
    output = read_frame(result.output)
    assert list(output) == [*plain, "speaks_for", "speaks_against"]
    pd.testing.assert_frame_equal(output[list(plain)], plain)
    codes = np.argmax(trained.pipeline.predict_proba(frame), axis=1)
    expected = RowExplainer(trained.pipeline).explain(frame, codes)
    for name, column in zip(("speaks_for", "speaks_against"), expected, strict=True):
        assert output[name].fillna("").tolist() == column.to_pylist()
    assert re.match(r"\w+ \+\d\.\d\d(; \w+ \+\d\.\d\d)*$", output["speaks_for"][0])


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_more_labels_and_all_probabilities_are_written(
    trained: TrainingResult, predict_file: Predict, reviews: pd.DataFrame, tmp_path: Path,
    ending: str,
) -> None:  # fmt: skip
    frame = reviews[["text"]].tail(12).reset_index(drop=True)
    path = write_frame(frame, tmp_path / f"x{ending}")
    plain = read_frame(predict_file(path).output)
    overrides = ["deploy.top_k=2", "deploy.probabilities=all", "overwrite=true"]
    output = read_frame(predict_file(path, *overrides).output)
    pd.testing.assert_frame_equal(output[list(plain)], plain)
    expected = trained.pipeline.predict_proba(frame)
    np.testing.assert_allclose(output[["p:negative", "p:positive"]].astype(float), expected)
    assert output["prediction_2"].tolist() == np.where(
        plain["prediction"] == "positive", "negative", "positive"
    ).tolist()  # fmt: skip
    np.testing.assert_allclose(output["probability_2"].astype(float), expected.min(axis=1))


def test_a_column_that_has_the_name_of_a_class_is_not_written_twice(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    path = write_frame(pd.DataFrame({"text": ["a film"], "p:positive": [1]}), tmp_path / "x.csv")
    assert predict_file(path).tally.written == 1
    with pytest.raises(ConfigError, match="already has a column 'p:positive'"):
        predict_file(path, "deploy.probabilities=all", "overwrite=true")


@pytest.mark.parametrize(
    ("threshold", "abstain"),
    [("0.7", 0.0), ("max_f1", 0.0), ("'precision>=0.5'", 0.2), ("0.5", 0.3)],
)
def test_answers_follow_the_rule(
    trained: TrainingResult, predict_file: Predict, reviews: pd.DataFrame, tmp_path: Path,
    threshold: str, abstain: float,
) -> None:  # fmt: skip
    path = write_frame(reviews[["text"]].tail(100), tmp_path / "x.csv")
    result = predict_file(path, f"deploy.threshold={threshold}", f"deploy.abstain={abstain}")
    validation = evaluate(trained.pipeline, trained.data.validation)
    goal = float(threshold) if threshold[0] == "0" else threshold.strip("'")
    rule = choose_rule(goal, abstain, trained.pipeline.classes_, validation)
    assert result.rule == rule
    probabilities = trained.pipeline.predict_proba(reviews[["text"]].tail(100))
    codes, confidence = rule.decide(probabilities)
    labels = np.where(rule.is_sure(confidence), trained.pipeline.classes_[codes], "unsure")
    output = pd.read_csv(result.output)
    assert output["prediction"].tolist() == labels.tolist()
    np.testing.assert_allclose(output["probability"], probabilities[np.arange(100), codes])
    assert result.tally.counts == pd.Series(labels).value_counts().to_dict()
    assert ("unsure" in labels) == (abstain > 0)
    job = json.loads((tmp_path / "x.predictions.csv.json").read_text())["job"]
    assert job["threshold"] == rule.threshold


@pytest.mark.slow
def test_a_goal_needs_the_run_of_the_model(
    trained: TrainingResult, predict_file: Predict, tmp_path: Path
) -> None:
    path = write_frame(pd.DataFrame({"text": ["good"]}), tmp_path / "x.csv")
    save_model(trained.pipeline, tmp_path / "m.skops")
    file = f"deploy.run='{tmp_path}/m.skops'"
    assert predict_file(path, file, "deploy.threshold=0.9").rule.threshold == 0.9
    with pytest.raises(ConfigError, match="the run of '.*m.skops' is unknown. Name the run"):
        predict_file(path, file, "deploy.threshold=max_f1", "output=never.csv")
    with pytest.raises(ConfigError, match="deploy.threshold is 'max_f2'; expected a number"):
        predict_file(path, "deploy.threshold=max_f2")


def test_one_text_is_explained_on_a_page(
    trained: TrainingResult, where: list[str], store: Path
) -> None:
    text = "It's a great film, is it not? <b>Never</b> $boring$, 100%!"
    result = explain(compose("explain", [*where, *quote_free_text([f"text={text}"])]))
    [p] = trained.pipeline.predict_proba(pd.DataFrame({"text": [text]}))
    explanation = result.explanation
    assert explanation.label == trained.pipeline.classes_[p.argmax()]
    assert "".join(word for word, _ in explanation.words) == text.replace("<b>", " ").replace(
        "</b>", " "
    ).replace("  ", " ")
    assert result.model.run_id == trained.run_id
    assert result.page.parent == store / "explanations"
    assert result.page.name.startswith("it-s-a-great-film-")
    page = result.page.read_text()
    assert f"Why this is {explanation.label}" in page
    assert trained.run_id is not None
    assert trained.run_id in page
    with pytest.raises(ConfigError, match="text is ' '; expected a text that is not empty"):
        explain(compose("explain", [*where, "text=' '"]))


def test_pages_that_differ_have_their_own_files(
    trained: TrainingResult, where: list[str], store: Path, tmp_path: Path
) -> None:
    def write(*overrides: str) -> tuple[Path, str]:
        page = explain(compose("explain", [*where, "text=a bore", *overrides])).page
        return page, page.read_text()

    other_model = copy.deepcopy(trained.pipeline)
    other_model["model"].intercept_ += 0.5
    save_model(other_model, tmp_path / "other.skops")
    pages = [
        write(),
        write(f"deploy.run='{tmp_path}/other.skops'"),
        *(write(f"label={label}") for label in trained.pipeline.classes_),
    ]
    assert len({content for _, content in pages}) == 3
    assert len({path for path, _ in pages}) == 3
    assert all(path.read_text() == content for path, content in pages)
    assert write() == pages[0]


def test_an_input_that_is_not_there(predict_file: Predict, tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="input is '.*nope.csv', but there is no such"):
        predict_file(tmp_path / "nope.csv")


def test_scorer_settings_are_checked_at_once() -> None:
    with pytest.raises(ConfigError, match="4 problems"):
        BatchScorer(metric="x", max_chars=0, empty="drop", format="xls")


@pytest.mark.slow
def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    trained: TrainingResult, where: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, home = tmp_path / "in", tmp_path / "in.predictions"
    folder.mkdir()
    for name in ("a.csv", "c.csv", "e.csv", "g.csv"):
        (folder / name).write_text("text\ngood\nbad\n")
    archive = gzip.compress(b"text\n" + b"a good film\n" * 1000)
    (folder / "b.csv.gz").write_bytes(archive[: len(archive) // 2])
    (folder / "d.csv").write_text("word,other\nx,y\n")
    overrides = [f"input='{folder}'", *where]
    cfg = compose("predict", overrides)
    opened = job.open_input

    def open_some(path: Path, options: ReadOptions) -> Input:
        if path.name == "e.csv":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        if path.name == "g.csv" and broken:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return opened(path, options)

    monkeypatch.setattr(job, "open_input", open_some)
    for broken, code in ((True, ExitCode.IO_ERROR), (False, ExitCode.MISTAKE)):
        with pytest.raises(FilesFailedError) as caught:
            predict_files(cfg)
        done = ["a.csv", "c.csv"] + ["g.csv"] * (not broken)
        assert [result.output for result in caught.value.results] == [home / name for name in done]
        assert caught.value.exit_code is code
        first, *lines, summary = str(caught.value).splitlines()
        assert first == f"{6 - len(done)} of 6 files could not be predicted:"
        failed_names = ["b.csv.gz", "d.csv", "e.csv"] + ["g.csv"] * broken
        for line, name in zip(lines, failed_names, strict=True):
            assert line.startswith(f"  - {folder / name}: ")
        assert "Truncated compressed stream" in lines[0]
        assert lines[2].endswith(f"{folder / 'e.csv'}: it cannot be read (Permission denied).")
        assert summary == "The others are done, and the same command skips them."
        stamps = {name: (home / name).stat().st_mtime_ns for name in ("a.csv", "c.csv")}
        if broken:
            expected_stamps = stamps
    assert stamps == expected_stamps, "what is done is skipped"
    # What concerns all files stops at the first one.
    monkeypatch.setattr(job, "open_input", opened)
    with pytest.raises(RunNotFoundError):
        predict_files(
            compose("predict", [*overrides, "deploy.run=0123456789abcdef", "overwrite=true"])
        )


@pytest.mark.slow
def test_a_folder_and_a_pattern_stand_for_many_files(
    trained: TrainingResult, where: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    for name in ("a.csv", "b.csv", "more/c.csv", "notes.md", ".hidden.csv"):
        (folder / name).write_text("text\ngood\nbad\n")
    (folder / "d.csv.gz").write_bytes(gzip.compress(b"text\ngood\n"))

    def run(*overrides: str) -> list[PredictionResult]:
        return predict_files(compose("predict", [*where, *overrides]))

    results = run(f"input='{folder}'")
    home = tmp_path / "in.predictions"
    assert [result.output for result in results] == [home / n for n in ("a.csv", "b.csv", "d.csv")]
    stamps = [result.output.stat().st_mtime_ns for result in results]
    (home / "b.csv").unlink()
    repeated = run(f"input='{folder}'")
    assert [result.tally for result in repeated] == [result.tally for result in results]
    assert [
        result.output.stat().st_mtime_ns == t for result, t in zip(repeated, stamps, strict=True)
    ] == [
        True,
        False,
        True,
    ]
    (folder / "a.csv").write_text("text\nchanged\n")
    with pytest.raises(FilesFailedError, match="a.csv: .*already"):
        run(f"input='{folder}'")
    pattern = run(f"input='{folder}/**/*.csv'", f"output='{tmp_path}/all'")
    assert [result.output for result in pattern] == [
        tmp_path / "all" / name for name in ("a.csv", "b.csv", "more/c.csv")
    ]
    with pytest.raises(EmptyDataError, match="no file has such a name"):
        run(f"input='{folder}/*.jsonl'")
