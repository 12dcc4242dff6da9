"""The library: the same models, predictions and runs as those of the commands."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write_frame
from sklearn.feature_extraction import text as sklearn_text

import sentiment
from sentiment.commands.train.job import TrainingResult
from sentiment.errors import ConfigError, RunNotFoundError
from sentiment.modeling.model_files import load_model

QUICK = ("data=csv", "features=tfidf_unigram", "features.max_features=300")


@pytest.fixture(scope="module")
def folder(reviews: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    write_frame(reviews, folder / "reviews.csv")
    return folder


@pytest.fixture(scope="module")
def where(folder: Path) -> str:
    return f"outputs={folder}/my runs"


@pytest.fixture(scope="module")
def trained(folder: Path, where: str) -> list[TrainingResult]:
    overrides = (*QUICK, f"data.path={folder}/reviews.csv", where)
    return [sentiment.train(*overrides, model) for model in ("model=svm", "model=naive_bayes")]


@pytest.mark.slow
def test_training_is_recorded_with_its_settings(trained: list[TrainingResult], where: str) -> None:
    runs = sentiment.runs(where)
    assert list(runs["run_id"]) == [result.run_id for result in reversed(trained)]
    assert runs["started"].is_monotonic_decreasing
    assert list(runs["status"]) == ["FINISHED"] * 2
    scores = [result.metrics["test/accuracy"] for result in reversed(trained)]
    assert list(runs["test/accuracy"]) == scores
    assert all(runs["command"].str.startswith("python scripts/train.py data=csv"))
    assert trained[0].folder != trained[1].folder


@pytest.mark.slow
def test_a_model_predicts_as_its_pipeline_does(
    trained: list[TrainingResult], where: str, reviews: pd.DataFrame
) -> None:
    for result in trained:
        model = sentiment.load(str(result.run_id), where)
        plain = load_model(model.source.path)
        expected = plain.predict_proba(reviews[["text"]])
        np.testing.assert_allclose(model.predict_proba(reviews["text"]), expected, atol=1e-9)
        assert list(model.predict(reviews["text"])) == list(plain.predict(reviews[["text"]]))
        assert list(model.predict(iter(reviews["text"][:3]))) == list(
            model.predict(list(reviews["text"][:3]))
        )
        assert str(result.run_id) in repr(model)


@pytest.mark.slow
def test_the_best_run_is_the_default(trained: list[TrainingResult], where: str) -> None:
    best = max(trained, key=lambda result: result.metrics["validation/accuracy"])
    assert sentiment.load("best", where).source.run_id == best.run_id


def test_a_file_is_predicted_as_its_texts_are(
    trained: list[TrainingResult], where: str, folder: Path, reviews: pd.DataFrame
) -> None:
    result = sentiment.predict_file(folder / "reviews.csv", folder / "scored, all.csv", where)
    assert repr(result).startswith(f"<PredictionResult {result.tally.written} of ")
    assert repr(result).endswith("scored, all.csv>")
    counted = f"{result.tally.read} read, {result.tally.written} written"
    assert f"<tr><th>rows</th><td>{counted}</td></tr>" in result._repr_html_()
    predictions = pd.read_csv(result.output)
    model = sentiment.load(result.model.run_id, where)
    assert list(predictions["prediction"]) == list(model.predict(reviews["text"]))
    with pytest.raises(FileExistsError, match="overwrite=true"):
        sentiment.predict_file(folder / "reviews.csv", folder / "scored, all.csv", where)


def test_a_model_file_is_loaded_by_its_path(
    trained: list[TrainingResult], where: str, tmp_path: Path
) -> None:
    source = sentiment.load("best", where).source.path
    copy = tmp_path / "my model.skops"
    copy.write_bytes(source.read_bytes())
    model = sentiment.load(copy)
    assert list(model.classes_) == ["negative", "positive"]
    assert "my model.skops" in repr(model)
    assert model.explain("a great film").label in model.classes_


@pytest.mark.parametrize("texts", ["one text", [1], ["a", None], [b"bytes"]])
def test_texts_are_several_strings(
    texts: object, trained: list[TrainingResult], where: str
) -> None:
    with pytest.raises(TypeError, match="texts"):
        sentiment.load("best", where).predict(texts)  # type: ignore[arg-type]


def test_no_text_has_no_prediction(trained: list[TrainingResult], where: str) -> None:
    model = sentiment.load("best", where)
    assert model.predict_proba([]).shape == (0, 2)
    assert model.predict([]).shape == (0,)


def test_mistakes_are_errors_of_the_builtin_kind(where: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="modle"):
        sentiment.train("modle=svm")
    with pytest.raises(RunNotFoundError):
        sentiment.load("best", f"outputs={tmp_path}/none")
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        sentiment.trian  # noqa: B018


def test_results_show_themselves_in_a_notebook(trained: list[TrainingResult], where: str) -> None:
    page = trained[0]._repr_html_()
    low, high = trained[0].intervals["validation/f1"]
    assert f"{trained[0].metrics['validation/f1']:.2f} [{low:.2f}, {high:.2f}]" in page
    assert len(repr(trained[0])) < 300
    assert "<script" not in sentiment.load("best", where)._repr_html_()


@pytest.mark.slow
def test_vectorizers_are_drop_ins_for_those_of_scikit_learn(reviews: pd.DataFrame) -> None:
    for name in ("CountVectorizer", "TfidfVectorizer"):
        ours, theirs = getattr(sentiment, name)(), getattr(sklearn_text, name)()
        features, expected = (
            ours.fit_transform(reviews["text"]),
            theirs.fit_transform(reviews["text"]),
        )
        assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())
        np.testing.assert_allclose(features.toarray(), expected.toarray())


@pytest.mark.process
def test_the_package_names_its_api_loads_none_of_it_and_prints_nothing(
    where: str, folder: Path
) -> None:
    overrides = [*QUICK, f"data.path={folder}/reviews.csv", where]
    program = (
        "import sys, sentiment\n"
        "print([m for m in ('sklearn', 'pandas', 'hydra', 'mlflow') if m in sys.modules])\n"
        "print(all(name in dir(sentiment) for name in sentiment.__all__))\n"
        "print(all(getattr(sentiment, name) for name in sentiment.__all__))\n"
        f"sentiment.train(*{overrides!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\nTrue\nTrue\n", "")
