"""The best trial of a study: why it won, and how it is trained by itself."""

import shlex
import shutil
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from optuna.distributions import CategoricalDistribution, IntDistribution

from sentiment.commands.best.job import BestTrial, find_best
from sentiment.commands.best.recipes import Recipe, describe_experiment, write_experiment
from sentiment.commands.best.sweeps import read_study
from sentiment.commands.best.view import show_best
from sentiment.commands.search.ranking import find_objectives
from sentiment.commands.search.results import JobResult, write_result
from sentiment.commands.search.studies.spaces import Space
from sentiment.commands.search.studies.storage import open_storage
from sentiment.commands.search.studies.study import Study
from sentiment.commands.search.trial import list_settings
from sentiment.config import Job, compose, remember_config_dir
from sentiment.config.composing import CONF
from sentiment.errors import (
    ConfigError,
    ExperimentExistsError,
    NoTrialError,
    RecipeError,
    SentimentError,
    StudyLostError,
    StudyNotFoundError,
)

FIXED = {"data": "rotten_tomatoes", "data.limit": "600", "model": "svm"}
COMMON = {
    "features.token_pattern": CategoricalDistribution([r"(?u)\b\w\w+\b", r"(?u)\w+(?:'\w+)*|[!?]"]),
    "features.ngram_range": CategoricalDistribution(["[1,1]", "[1,2]"]),
    "model.estimator.class_weight": CategoricalDistribution(["null", "balanced"]),
    "features.min_df": IntDistribution(1, 3),
}
Search = Callable[..., Study]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """Make a study whose trials, in the order of a grid, score what is given; None fails."""

    def run(
        scores: Sequence[Any],
        *,
        name: str = "svm",
        address: str | None = None,
        objectives: Sequence[str] = ("accuracy",),
        words: Sequence[str] = (),
        **options: Any,
    ) -> Study:
        home = tmp_path / "outputs" / "search"
        storage = open_storage(address, home / "studies.journal")
        space = Space(COMMON, {}, FIXED, tuple(words))
        study = Study(name, storage, find_objectives(objectives), space, **options)
        study.define({"settings": {}, "objectives": list(objectives)})
        # Not with a sampler for grids, which wants to stop the study at the end of the grid.
        points = product(*(getattr(d, "choices", (1, 2, 3)) for d in COMMON.values()))
        for score in scores:
            study.optuna.enqueue_trial(dict(zip(COMMON, next(points), strict=True)))
            planned = study.ask(len(scores))
            assert planned is not None
            overrides = [*planned.overrides]
            values = score if isinstance(score, tuple) else (score,)
            named = zip(study.objectives, values, strict=True)
            job = Job(tmp_path, {"model": "svm", "features": "tfidf"}, ["search=svm", *overrides])
            result = JobResult(
                planned.number,
                overrides,
                0.0,
                1.0,
                tags=job.make_command_tags(),
                settings={k: str(v) for k, v in list_settings(compose("train", overrides)).items()},
                metrics={} if score is None else {o.metric: value for o, value in named},
                error="" if score is not None else "it broke",
            )
            write_result(home / study.name / str(planned.number), result)
            study.tell(result)
        if address is not None:
            storage.engine.dispose()
        return study

    return run


@pytest.fixture
def best(tmp_path: Path) -> Callable[..., BestTrial]:
    def find(name: str = "svm", *overrides: str) -> BestTrial:
        where = [f"search.name='{name}'", f"outputs='{tmp_path / 'outputs'}'", *overrides]
        return find_best(compose("best", where))

    return find


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of conf/ to write into."""
    copy = tmp_path / "conf"
    shutil.copytree(CONF, copy)
    monkeypatch.setattr("sentiment.config.composing.CONF", copy)
    monkeypatch.setattr("sentiment.config.project.CONF", copy)
    return copy


def list_files(folder: Path) -> dict[Path, tuple[int, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


@pytest.mark.slow
def test_the_best_is_reported_with_its_margins(
    search: Search, best: Callable[..., BestTrial]
) -> None:
    study = search([0.7, 0.9, None, 0.8, 0.6])
    found = best()
    planned = study.find_best()
    assert planned is not None
    assert found.number == planned.number
    assert study.space.write(found.params) == planned.overrides
    assert (found.number, found.score, found.second) == (1, 0.9, (3, 0.8))
    assert found.median == pytest.approx(0.75)
    assert found.measure_margin(0.8) == pytest.approx(0.1)
    assert (len(found.study.trials), found.study.failed) == (4, 1)
    assert found.importances == {}, "four trials tell nothing of importance"


def test_the_first_of_equals_is_the_best(search: Search, best: Callable[..., BestTrial]) -> None:
    search([0.7, 0.9, 0.9])
    assert (best().number, best().second) == (1, (2, 0.9))


def test_trials_that_are_all_equal_have_no_best_setting(
    search: Search, best: Callable[..., BestTrial], capsys: pytest.CaptureFixture[str]
) -> None:
    search([0.9, 0.9, 0.9])
    show_best(best())
    out = capsys.readouterr().out
    assert "why      all 3 trials have the same accuracy\n" in out
    assert "nearby" not in out


def test_an_objective_may_be_minimized(search: Search, best: Callable[..., BestTrial]) -> None:
    search([0.7, 0.3, 0.5], objectives=["log_loss"])
    found = best()
    assert (found.number, found.second) == (1, (2, 0.5))
    assert found.measure_margin(0.5) == pytest.approx(0.2)


@pytest.mark.slow
def test_neighbors_differ_in_one_setting(search: Search, best: Callable[..., BestTrial]) -> None:
    search([k / 100 for k in range(24)])
    found = best()
    neighbors = found.neighbors
    # Of the whole grid: one other token pattern, n-gram range and weight, two other min_df.
    assert len(neighbors) == 5
    assert [n.score for n in neighbors] == sorted((n.score for n in neighbors), reverse=True)
    for one in neighbors:
        assert one.value != str(found.params[one.setting])
    assert sum(found.importances.values()) == pytest.approx(1)
    assert set(found.importances) == set(COMMON)


@pytest.mark.slow
def test_settings_of_neighbors_are_short_and_the_command_is_exact(
    search: Search, best: Callable[..., BestTrial], capsys: pytest.CaptureFixture[str]
) -> None:
    # The last one differs from the first in its token pattern only.
    search([0.9, *[0.5] * 11, 0.84])
    found = best()
    show_best(found)
    shown = capsys.readouterr().out
    [near] = [line for line in shown.splitlines() if " with token_pattern=" in line]
    assert near.strip().endswith("…: 0.8400 (-0.0600)")
    assert len(near) < 80
    assert found.recipe is not None
    assert f"command  {found.recipe.command}" in shown


def test_of_several_objectives_the_front_is_reported(
    search: Search, best: Callable[..., BestTrial]
) -> None:
    search([(0.7, 1.0), (0.9, 5.0), (0.8, 6.0), (0.8, 2.0)], objectives=["accuracy", "size_mb"])
    found = best()
    assert found.scores == {"accuracy": 0.9, "size_mb": 5.0}
    assert found.front == [(1, [0.9, 5.0]), (3, [0.8, 2.0]), (0, [0.7, 1.0])]


@pytest.mark.slow
def test_a_name_refers_to_its_newest_study(search: Search, best: Callable[..., BestTrial]) -> None:
    search([0.9])
    search([0.5, 0.6], fresh=True)
    assert (best("svm").study.name, best("svm").score) == ("svm~2", 0.6)
    assert best("svm~2").score == 0.6


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["journal", "sqlite"])
def test_reading_changes_nothing(
    search: Search, best: Callable[..., BestTrial], tmp_path: Path, kept: str
) -> None:
    where = [] if kept == "journal" else [f"search.storage=sqlite:///{tmp_path}/studies.db"]
    search([0.9, 0.8], address=f"sqlite:///{tmp_path}/studies.db" if where else None)
    before = list_files(tmp_path)
    assert best("svm", *where).score == 0.9
    with pytest.raises(StudyNotFoundError, match=r"there is 'svm'\. Did you mean 'svm'\?"):
        best("svn", *where)
    assert list_files(tmp_path) == before


def test_a_missing_study_is_reported_and_nothing_is_written(
    best: Callable[..., BestTrial], tmp_path: Path
) -> None:
    with pytest.raises(StudyNotFoundError, match="there is none yet"):
        best()
    with pytest.raises(StudyNotFoundError, match="there is none yet"):
        best("svm", f"search.storage=sqlite:///{tmp_path}/studies.db")
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_the_journal_has_lost_is_named(
    best: Callable[..., BestTrial], tmp_path: Path
) -> None:
    folder = tmp_path / "outputs" / "search" / "svm"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text("{}")
    for make in (Path.touch, Path.unlink):
        make(folder.parent / "studies.journal")
        with pytest.raises(StudyLostError, match="has lost the study whose trials are in"):
            best("svm")


def test_a_study_that_is_being_written_is_read(
    search: Search, best: Callable[..., BestTrial], tmp_path: Path
) -> None:
    search([0.9])
    with (tmp_path / "outputs" / "search" / "studies.journal").open("a") as file:
        file.write('{"op_code": 5, "work')
    assert best().score == 0.9


def test_a_study_without_a_good_trial_is_refused(search: Search, tmp_path: Path) -> None:
    search([None, None])
    with pytest.raises(NoTrialError, match="2 failed and 0 were begun"):
        read_study("svm", None, tmp_path / "outputs" / "search")


def test_a_storage_that_cannot_be_used_is_reported(best: Callable[..., BestTrial]) -> None:
    with pytest.raises(ConfigError, match=r"search\.storage is 'nothing://here'"):
        best("svm", "search.storage='nothing://here'")


@pytest.mark.slow
def test_the_command_and_the_experiment_have_the_settings_of_the_trial(
    search: Search, best: Callable[..., BestTrial], conf: Path
) -> None:
    search([0.1, 0.2, 0.3, 0.4, 0.5], words=["seed=7", "optimize=f1", "features.stop_words=[a,b]"])
    found = best("svm", "write=mine")
    assert found.recipe is not None
    assert found.recipe.differences == []
    settings = {k: str(v) for k, v in list_settings(compose("train", ["experiment=mine"])).items()}
    assert settings == found.recipe.settings
    typed = shlex.split(found.recipe.command)[2:]
    assert {k: str(v) for k, v in list_settings(compose("train", typed)).items()} == settings
    text = (conf / "experiment" / "mine.yaml").read_text()
    assert text.startswith("# @package _global_\n# The best of 5 trials of the search svm: ")
    assert "\n# python scripts/train.py experiment=mine\n" in text
    assert "- override /model: svm\n" in text
    assert "\noptimize: f1\n" in text
    assert "\nrefit: auto\n" in text, "as the best of a search is"
    assert typed[-1] == "refit=auto"
    with pytest.raises(ExperimentExistsError, match=r"overwrite=true"):
        best("svm", "write=mine")
    assert best("svm", "write=mine", "overwrite=true").written == conf / "experiment" / "mine.yaml"


@pytest.mark.slow
def test_a_search_over_an_experiment_is_written_on_top_of_it(
    search: Search, best: Callable[..., BestTrial], conf: Path
) -> None:
    search([0.5], words=["experiment=quick_look", "features=tfidf"])
    with pytest.raises(ConfigError, match="expected the name of an experiment"):
        best("svm", "write='../mine'")
    assert best("svm", "write=mine").written is not None
    cfg = compose("train", ["experiment=mine"])
    assert (cfg.data.name, cfg.data.limit) == ("rotten_tomatoes", 600)


def test_the_recipe_overrides_config_files_that_have_changed(
    search: Search, best: Callable[..., BestTrial], conf: Path
) -> None:
    search([0.5])
    path = conf / "model" / "svm.yaml"
    path.write_text(path.read_text().replace("cv: 3", "cv: 5"))
    found = best("svm", "write=mine")
    assert found.recipe is not None
    assert found.recipe.differences == []
    assert "++model.cv=3" in found.recipe.command
    assert compose("train", ["experiment=mine"]).model.cv == 3


@pytest.mark.slow
def test_settings_that_no_override_reproduces_are_reported(
    search: Search, best: Callable[..., BestTrial], conf: Path
) -> None:
    search([0.5])
    (conf / "model" / "svm.yaml").unlink()
    found = best()
    assert found.recipe is not None
    assert "there is no such model" in found.recipe.differences[0]
    with pytest.raises(SentimentError, match="no such model"):
        best("svm", "write=mine")
    assert not (conf / "experiment" / "mine.yaml").exists()


def test_a_trial_that_ran_elsewhere_borrows_the_command_of_one_here(
    search: Search, best: Callable[..., BestTrial], tmp_path: Path
) -> None:
    search([0.5, 0.9])
    whole = best().recipe
    shutil.rmtree(tmp_path / "outputs" / "search" / "svm" / "1")
    found = best()
    assert found.recipe is not None
    assert whole is not None
    assert sorted(found.recipe.overrides) == sorted(whole.overrides)
    shutil.rmtree(tmp_path / "outputs" / "search" / "svm" / "0")
    assert best().recipe is None
    with pytest.raises(RecipeError, match="another machine"):
        best("svm", "write=mine")


def test_a_password_that_is_not_kept_is_not_written_as_stars(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(address: str) -> Path:
        words = ["data=csv", f"data.path={address}", "data.table=t"]
        settings = {k: str(v) for k, v in list_settings(compose("train", words)).items()}
        typed = Job(Path(), overrides=words).overrides
        return write_experiment("mine", Recipe(typed, settings, []), "About.", overwrite=False)

    with pytest.raises(
        RecipeError, match="had a password in 'data.path', and no file keeps it"
    ) as e:
        write("postgresql://ann:zqkvj@db/reviews")
    assert str(e.value).endswith("in its place: data.path='${oc.env:NAME}'.")
    assert not (conf / "experiment" / "mine.yaml").exists()
    monkeypatch.setenv("REVIEWS_DB", "postgresql://ann:zqkvj@db/reviews")
    text = write("${oc.env:REVIEWS_DB}").read_text()
    assert "path: ${oc.env:REVIEWS_DB}" in text
    assert "zqkvj" not in text


def test_an_override_that_a_file_cannot_hold_is_reported() -> None:
    with pytest.raises(RecipeError, match=r"'~features\.stop_words' can be typed"):
        describe_experiment("mine", ["~features.stop_words"], "About.")


def test_the_script_prints_the_best_trial_and_its_command(run_script: Run, search: Search) -> None:
    search([0.5, 0.9, 0.7])
    done = run_script("best", "search=svm")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for expected in (
        "search   svm: 3 trials",
        "best     #1: accuracy 0.9000",
        "why      0.2000 ahead of the second, #2 (accuracy 0.7000)",
        "         0.2000 ahead of the median of 3 trials (0.7000)",
        f"command  python {ROOT}/scripts/train.py features=tfidf data=rotten_tomatoes ",
    ):
        assert expected in done.stdout
    lost = run_script("best", "search=svm~2")
    assert lost.returncode == 2
    assert lost.stderr.startswith("best.py: no study 'svm~2' in 'outputs/search/studies.journal'; ")
    assert (ROOT / "conf" / "best.yaml").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "refit"),
    [
        (["refit=all"], "all"),
        (["refit=null"], None),
        (["experiment=own"], "train+validation"),
        ([], "auto"),
    ],
)
def test_a_best_trial_is_refitted_as_its_search_was(
    search: Search, best: Callable[..., BestTrial], conf: Path, words: list[str], refit: str | None
) -> None:
    own = conf / "experiment" / "own.yaml"
    own.write_text("# @package _global_\nrefit: train+validation\n")
    search([0.5], words=words)
    found = best("svm", "write=mine")
    assert found.recipe is not None
    assert compose("train", ["experiment=mine"]).refit == refit
    assert compose("train", shlex.split(found.recipe.command)[2:]).refit == refit


@pytest.mark.slow
def test_an_experiment_is_written_where_the_user_has_configs(
    search: Search, best: Callable[..., BestTrial], conf: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    search([0.5])
    monkeypatch.setattr("sentiment.config.project.IS_INSTALLED", True)
    project, named = tmp_path / "project", tmp_path / "named"
    project.mkdir()
    monkeypatch.chdir(project)
    with pytest.raises(RecipeError, match=r"--config-dir=<folder>, or make a project"):
        best("svm", "write=mine")
    (project / "pyproject.toml").write_text("[tool.sentiment]\n")
    assert best("svm", "write=mine").written == project / "conf" / "experiment" / "mine.yaml"
    assert compose("train", ["experiment=mine"]).model._target_.endswith("CalibratedClassifierCV")
    with pytest.raises(ConfigError, match="write=fast: there is an experiment of that name"):
        best("svm", "write=fast", "overwrite=true")
    try:
        remember_config_dir(["--config-dir", str(named), "search=svm"])
        found = best("svm", "write=other")
        assert found.written == named / "experiment" / "other.yaml"
        assert found.recipe is not None
        assert f" --config-dir={named} " in found.recipe.command
        assert compose("train", ["experiment=other"]).refit == "auto"
    finally:
        remember_config_dir([])
    assert not list((conf / "experiment").glob("mine*"))
