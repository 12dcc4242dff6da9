"""Runs in the MLflow UI: names, parameters, sources, kinds."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from conftest import ROOT

from sentiment.commands.search.trial import run_trial
from sentiment.commands.train.job import TrainingResult
from sentiment.config import Job, commands, compose, name_source, read_choices, suggest_ui

Train = Callable[..., TrainingResult]


@pytest.mark.slow
def test_two_runs_never_have_the_same_name(train_quickly: Train) -> None:
    overrides = ("seed=3", "model.C=0.123456", "tracking.experiment=named")
    results = [train_quickly(*overrides), train_quickly(*overrides)]
    names = [mlflow.get_run(result.run_id).info.run_name for result in results]
    expected_name = "LogisticRegression on TfidfVectorizer, seed=3 C=0.1235"
    assert names == [f"{expected_name} (1)", f"{expected_name} (2)"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ([], "nbsvm on tfidf"),
        (["model=nbsvm"], "nbsvm on tfidf"),
        (["model.alpha=0.5", "features.max_features=20000"],
         "nbsvm on tfidf, alpha=0.5 max_features=20000"),
        (["outputs=x", "tracking.experiment=y", "memory=z", "deploy.run=best"], "nbsvm on tfidf"),
        (["data=csv", "data.path=a/long/path/of/reviews.csv", "refit=all"],
         "nbsvm on tfidf, data=csv path=a/long/path/of/revi… refit=all"),
    ],
)  # fmt: skip
def test_a_job_is_named_after_what_was_typed(overrides: list[str], expected: str) -> None:
    job = Job(Path("x"), {"model": "nbsvm", "features": "tfidf", "data": "imdb"}, overrides)
    assert job.describe() == expected
    assert len(Job(Path("x"), {}, [f"model.x{n}=1" for n in range(100)]).describe()) < 110


@pytest.mark.slow
def test_choices_are_parameters_of_trainings_and_trials(
    train_quickly: Train, tmp_path: Path
) -> None:
    choices = read_choices("train", ["model=svm"])
    assert (choices["model"], choices["features"], choices["data"]) == ("svm", "tfidf", "imdb")
    run = mlflow.get_run(train_quickly().run_id)
    assert run.data.params["model"] == "LogisticRegression"
    assert run.data.params["features"] == "TfidfVectorizer"
    assert run.data.tags["mlflow.source.name"] == "train.py"
    cfg = compose("train", ["model=naive_bayes", "data=rotten_tomatoes", "data.limit=60"])
    result = run_trial(cfg, Job(tmp_path / "1", choices, sweep=tmp_path, number=1))
    assert (result.tags["model"], result.tags["features"]) == ("svm", "tfidf")


def test_the_source_of_a_run_is_its_entry_point() -> None:
    assert name_source({"command": "python scripts/promote.py run=best"}) == "promote.py"
    assert name_source({"command": "sentiment train 'a b=c'"}) == "sentiment train"
    assert name_source({"command": "python scripts/flow.py"}) == "flow.py"
    assert name_source({"kind": "monitoring"}) == "monitor.py"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(commands, "_form", commands._SCRIPT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_hint_for_the_ui_works_where_it_is_pasted(
    terminal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "sqlite:///my runs/mlflow.db"
    monkeypatch.setattr("shutil.which", lambda name: None)
    started = shlex.split(suggest_ui(uri))
    # The environment of this process is not the one of the terminal, and there is no Makefile.
    assert started == [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert shlex.split(suggest_ui(uri)) == ["mlflow", "ui", "--backend-store-uri", uri]
    (terminal / "Makefile").touch()
    assert suggest_ui(uri).endswith(f"(or: make ui STORE='{uri}')")
    assert suggest_ui("sqlite:///outputs/mlflow.db").endswith("(or: make ui)")
    monkeypatch.setattr(commands, "_form", commands._PROGRAM)
    assert "make" not in suggest_ui(uri)


def test_a_store_with_a_password_is_named_by_its_variable(
    terminal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "postgresql://ann:Xq7vZlooks@db/mlflow"
    assert "Xq7vZlooks" not in suggest_ui(uri)
    monkeypatch.setenv("SENTIMENT_TRACKING_URI", uri)
    assert suggest_ui(uri).endswith('ui --backend-store-uri "$SENTIMENT_TRACKING_URI"')


@pytest.mark.slow
def test_filters_of_the_page_find_runs(train_quickly: Train, tmp_path: Path) -> None:
    run_id = train_quickly("refit=all").run_id
    page = (ROOT / "docs" / "how_to" / "find_runs_in_mlflow.md").read_text(encoding="utf-8")
    quoted = re.findall(r"``(.+?) ?``|(?<!`)`([^`]+)`", page)
    filters = [a or b for a, b in quoted if re.search(r"^(tags|params|metrics)\..* [=>] ", a or b)]
    assert len(filters) >= 9
    runs_by_filter = {
        query: list(
            mlflow.search_runs(
                experiment_names=[tmp_path.name], filter_string=query, output_format="list"
            )
        )
        for query in filters
    }
    ids = {query: {run.info.run_id for run in runs} for query, runs in runs_by_filter.items()}
    assert ids["tags.kind = 'training'"] == ids["tags.fitted_on = 'all'"] == {run_id}
    assert ids["tags.kind = 'trial'"] == set()
