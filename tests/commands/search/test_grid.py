"""Grids: python scripts/train.py -m with several values for a setting."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import RangeSweep
from starting import Starter
from sweeping import (
    QUICK,
    Store,
    check_store,
    flip,
    kill_repeatedly,
    list_points,
    read_jobs,
    read_lines,
    read_store,
    read_winner,
)

from sentiment.commands.search.grid import check_values, count_range, hold_folder
from sentiment.commands.search.grid import list_points as list_combinations
from sentiment.commands.search.results import read_results
from sentiment.config import CONF
from sentiment.data.datasets import EmbeddedReviews
from sentiment.errors import ConfigError, SweepBusyError

SIZES = ("100", "200")
MODELS = ("logistic_regression", "naive_bayes")


@dataclass(frozen=True)
class Ran:
    """A sweep that was run, and where."""

    folder: Path
    done: "subprocess.CompletedProcess[str]"

    @property
    def sweep(self) -> Path:
        """The folder of its jobs."""
        (path,) = (self.folder / "outputs" / "sweep").iterdir()
        return path


def run_grid(starter: Starter, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return starter.run(folder, "train", "-m", *QUICK, *arguments)


def read_reviews() -> pd.DataFrame:
    """Return 600 sentences."""
    frame = EmbeddedReviews(name="any", source="rotten_tomatoes").read()
    return frame.sample(600, random_state=0)


def list_sweeps(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "outputs" / "sweep").iterdir())


@pytest.fixture(scope="module", params=["basic", "joblib"])
def grid(
    request: pytest.FixtureRequest, starter: Starter, tmp_path_factory: pytest.TempPathFactory
) -> Ran:
    folder = tmp_path_factory.mktemp(f"grid_{request.param}")
    done = starter.run(
        folder,
        "train",
        "-m",
        *QUICK,
        f"model={','.join(MODELS)}",
        f"features.max_features={','.join(SIZES)}",
        f"hydra/launcher={request.param}",
        *(["hydra.launcher.n_jobs=2"] if request.param == "joblib" else []),
        # In the environment of a scheduler, this would send all jobs into one run.
        env={"MLFLOW_RUN_ID": "0" * 32},
    )
    assert done.returncode == 0, done.stderr
    return Ran(folder, done)


@pytest.mark.xdist_group("grid")
class TestWholeGrid:
    def test_it_is_one_run_with_a_trial_per_job(self, grid: Ran) -> None:
        store = read_store(grid.folder)
        (parent,) = store.parents
        assert parent.info.status == "FINISHED"
        assert parent.info.run_name.startswith(f"sweep {' '.join(QUICK)} model=logistic_")
        assert {run.data.tags["mlflow.parentRunId"] for run in store.trials} == {parent.info.run_id}
        assert {run.info.status for run in store.trials} == {"FINISHED"}
        assert store.count_trials() == {0: 1, 1: 1, 2: 1, 3: 1}
        names = {
            int(run.data.tags["sweep.job"]): (
                run.info.run_name,
                run.data.params["features.max_features"],
            )
            for run in store.trials
        }
        expected = [(model, size) for model in MODELS for size in SIZES]
        for number, (model, size) in enumerate(expected):
            name, known = names[number]
            assert name.startswith(f"#{number} {model} on tfidf_unigram, ")
            assert f"max_features={size}" in name
            assert known == size
        assert {run.data.params["model"] for run in store.trials} == set(MODELS)
        for run in store.trials:
            assert not [name for name in run.data.metrics if name.startswith("test/")]
            assert not run.outputs.model_outputs
            assert run.info.start_time < run.info.end_time

    def test_the_winner_is_trained_in_full_under_the_same_parent(self, grid: Ran) -> None:
        store = read_store(grid.folder)
        (parent,), (winner,) = store.parents, store.winners
        assert winner.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert winner.outputs.model_outputs
        scores = {
            int(run.data.tags["sweep.job"]): run.data.metrics["validation/accuracy"]
            for run in store.trials
        }
        best = max(scores, key=lambda number: (scores[number], -number))
        shown = read_winner(grid.sweep)
        assert shown["number"] == best
        assert shown["run"] == winner.info.run_id == parent.data.tags["winner.run"]
        assert winner.data.metrics["validation/accuracy"] == scores[best]
        assert parent.data.tags["best.job"] == str(best)
        assert parent.data.metrics["best/validation/accuracy"] == scores[best]
        assert parent.data.metrics["jobs/done"] == 4
        assert parent.data.metrics["test/accuracy"] == winner.data.metrics["test/accuracy"]
        assert 0 < winner.data.metrics["test/accuracy"] < 1
        # A sweep refits its best by default, a command does not.
        assert winner.data.tags["fitted_on"] == "all"
        assert winner.data.tags["command"].endswith(" refit=auto")

    def test_each_job_is_reported_in_a_line(self, grid: Ran) -> None:
        shown = dict(read_lines(grid.done.stdout))
        jobs = read_jobs(grid.sweep)
        assert shown == {
            number: round(job["metrics"]["validation/accuracy"], 4) for number, job in jobs.items()
        }
        assert list(jobs) == [0, 1, 2, 3]
        first = next(line for line in grid.done.stdout.splitlines() if line.startswith("#0"))
        assert first.endswith("model=logistic_regression max_features=100")
        assert grid.done.stdout.startswith(f"{grid.sweep.name}: 4 jobs  {' '.join(QUICK)}\n")

    def test_jobs_leave_a_result_and_no_more(self, grid: Ran) -> None:
        for number in range(4):
            left = {path.name for path in (grid.sweep / str(number)).iterdir()}
            assert left - {"train.log"} == {"result.json"}
        assert {path.name for path in grid.folder.iterdir()} == {"outputs"}
        assert not (grid.folder / "outputs" / "train").exists()

    def test_predict_takes_the_model_of_the_winner(
        self, grid: Ran, starter: Starter, tmp_path: Path
    ) -> None:
        (tmp_path / "new.csv").write_text("text\na fine film\n")
        done = starter.run(grid.folder, "predict", f"input='{tmp_path}/new.csv'")
        assert done.returncode == 0, done.stderr
        assert f"(run {read_winner(grid.sweep)['run']})" in done.stdout


def test_a_grid_in_which_a_job_has_a_wrong_setting_is_refused(
    starter: Starter, tmp_path: Path
) -> None:
    """Values that scikit-learn does not take, a model that there is not, and one without C."""
    words = ("features.max_features=100,0,x", "model=nope,naive_bayes,svm", "model.alpha=1,2")
    models = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
    done = run_grid(starter, tmp_path, *words, "seed=1,2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "train.py: 4 problems in the configuration:",
        f"  - model=nope: there is no such model. Expected one of {', '.join(models)}.",
        "  - there is no setting 'model.alpha'. Known: estimator, method, cv, ensemble.",
        "  - features.max_features is 0; expected an int in the range [1, inf) or null.",
        "  - features.max_features is 'x'; expected an int in the range [1, inf) or null.",
    ]
    assert not (tmp_path / "outputs").exists()


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """Return a folder with a table in which two of a class's four rows are for training.

    Calibration asks for three.
    """
    frame = read_reviews()
    frame.iloc[:4, frame.columns.get_loc("label")] = "rare"
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path


RARE = ("data=csv", "data.path=mine.csv")
TOO_SMALL = (
    "1 of 3 classes is too small ('rare': 2), but cross-validation of training rows "
    "(CalibratedClassifierCV(cv=3)) needs at least 3 different texts of each class."
)


@pytest.mark.parametrize("words", [["search=svm", "search.n_trials=9"], ["model=svm,ridge"]])
def test_classes_that_are_too_small_for_all_jobs_are_named_before_the_first_one(
    starter: Starter, rare: Path, words: list[str]
) -> None:
    done = starter.run(rare, "train", "-m", *words, *RARE)
    assert (done.returncode, done.stdout) == (2, "")
    models = ["model=svm: ", "model=ridge: "] if "model=svm,ridge" in words else [""]
    lines = done.stderr.splitlines()[-len(models) :]
    for line, model in zip(lines, models, strict=True):
        assert f" {model}{TOO_SMALL}" in line
        assert "data.min_per_class=5" in line
    assert not (rare / "outputs").exists()


@pytest.mark.slow
def test_models_are_left_out_on_the_tables_that_are_too_small_for_them(
    starter: Starter, rare: Path
) -> None:
    read_reviews().to_csv(rare / "enough.csv", index=False)
    tables = ("data=csv", "data.path=mine.csv,enough.csv", "tracking=off")
    done = starter.run(rare, "train", "-m", "features=tfidf_unigram", "model=svm,nbsvm", *tables)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("left out ")]
    assert line.startswith(f"left out model=svm on data.path=mine.csv: {TOO_SMALL}")
    (folder,) = (path for path in (rare / "outputs" / "sweep").iterdir() if path.is_dir())
    ran = {(one.settings["data.path"], one.settings["model._target_"].rpartition(".")[2])
           for one in read_results(folder).values()}  # fmt: skip
    assert len(ran) == 3
    assert {path for path, _ in ran} == {"mine.csv", "enough.csv"}

    done = starter.run(rare, "train", "-m", "features=tfidf_unigram", "model=svm", *tables)
    assert (done.returncode, done.stdout) == (2, "")
    assert f": data.path=mine.csv: features=tfidf_unigram model=svm: {TOO_SMALL}" in done.stderr


@pytest.mark.parametrize(
    ("words", "left_out", "models"),
    [
        (["search=all"], "model=svm and model=ridge", {"logistic_regression", "nbsvm", "sgd"}),
        (["search=all", "model=nbsvm,svm"], "model=svm", {"nbsvm"}),
        # Nor are models named that no trial would have drawn.
        (["search=all", "model=nbsvm"], "", {"nbsvm"}),
        (["model=svm,nbsvm,ridge", "seed=1,2"], "model=svm and model=ridge", {"nbsvm"}),
    ],
)
def test_models_that_need_more_rows_of_a_class_are_left_out(
    starter: Starter, rare: Path, words: list[str], left_out: str, models: set[str]
) -> None:
    """The command ends well; the same command resumes or repeats it without them."""
    command = ("train", "-m", *words, *RARE, "tracking=off")
    trials = ["search.n_trials=6", "search.n_trials=7"] if "search=all" in words else [""] * 2
    for more in trials:
        done = starter.run(rare, *command, *filter(None, [more]))
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stdout.splitlines() if line.startswith("left out ")]
        assert len(lines) == bool(left_out)
        for line in lines:
            assert line.startswith(f"left out {left_out}: {TOO_SMALL} Add rows, ")
            assert "data.min_per_class=5" in line
    kind = "search" if "search=all" in words else "sweep"
    results = [
        result
        for folder in (rare / "outputs" / kind).iterdir()
        if folder.is_dir()
        for result in read_results(folder).values()
    ]
    assert results
    assert {result.tags["model"] for result in results} <= models | {"naive_bayes"}
    assert {result.error for result in results} == {""}


def test_jobs_that_fail_do_not_lose_the_others(starter: Starter, tmp_path: Path) -> None:
    """Three settings of the right kind that do not suit the data."""
    arguments = ("features.min_df=1,100000,200000,300000", "model=naive_bayes")
    done = run_grid(starter, tmp_path, *arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    reason = "scikit-learn could not fit the pipeline: max_df corresponds to < documents than"
    problems = done.stderr.splitlines()
    assert problems[0] == "train.py: 3 of 4 jobs failed:"
    assert problems[1].startswith(f"  #1  {reason}")
    assert problems[3].startswith(f"  #3  {reason}")
    shown = dict(read_lines(done.stdout))
    assert list(shown) == [0, 1, 2, 3]
    assert isinstance(shown[0], float)
    store = read_store(tmp_path)
    statuses = {int(run.data.tags["sweep.job"]): run.info.status for run in store.trials}
    assert statuses == {0: "FINISHED", 1: "FAILED", 2: "FAILED", 3: "FAILED"}
    errors = {int(run.data.tags["sweep.job"]): run.data.tags.get("error") for run in store.trials}
    assert errors[0] is None
    assert str(errors[1]).startswith(reason)
    assert [run.data.tags["mlflow.parentRunId"] for run in store.winners] == [
        store.parents[0].info.run_id
    ]

    again = run_grid(starter, tmp_path, *arguments)
    assert again.returncode == 1
    # The first job of the grid has succeeded, so these are not its first ones.
    assert again.stderr.startswith("train.py: 3 of 4 jobs failed:")
    assert ": 4 jobs, 1 of them done before" in again.stdout
    assert sorted(dict(read_lines(again.stdout))) == [1, 2, 3]
    assert "in full, and scoring" not in again.stdout
    store = read_store(tmp_path)
    winner = store.winners[0].info.run_id
    assert f"#0 was trained in full before: run {winner}" in again.stdout
    assert len(store.parents) == len(store.winners) == 1
    assert store.count_trials() == {0: 1, 1: 1, 2: 1, 3: 1}
    assert len(list_sweeps(tmp_path)) == 1


def test_a_complete_grid_starts_anew_beside(starter: Starter, tmp_path: Path) -> None:
    arguments = ("model=naive_bayes", "model.alpha=0.01,1", "tracking=off")
    first = run_grid(starter, tmp_path, *arguments)
    assert first.returncode == 0, first.stderr
    (name,) = list_sweeps(tmp_path)
    sweeps = tmp_path / "outputs" / "sweep"
    assert (sweeps / name / "winner" / "model.skops").is_file()
    assert not (tmp_path / "outputs" / "mlflow.db").exists()
    before = (sweeps / name / "0" / "result.json").stat().st_mtime_ns

    # One that lacks a job is gone on with.
    (sweeps / name / "1" / "result.json").unlink()
    second = run_grid(starter, tmp_path, *arguments)
    assert second.returncode == 0, second.stderr
    assert list(dict(read_lines(second.stdout))) == [1]
    assert list_sweeps(tmp_path) == [name]
    assert "in full, and scoring" not in second.stdout
    assert f"was trained in full before: '{sweeps / name / 'winner'}'" in second.stdout

    third = run_grid(starter, tmp_path, *arguments)
    assert third.returncode == 0, third.stderr
    assert list_sweeps(tmp_path) == [name, f"{name}~2"]
    assert list(dict(read_lines(third.stdout))) == [0, 1]
    assert (sweeps / name / "0" / "result.json").stat().st_mtime_ns == before
    assert (sweeps / f"{name}~2" / "winner" / "model.skops").is_file()

    # One that is not complete is not gone on with either, if that is not wanted.
    (sweeps / f"{name}~2" / "1" / "result.json").unlink()
    fourth = run_grid(starter, tmp_path, *arguments, "search.fresh=true")
    assert fourth.returncode == 0, fourth.stderr
    assert list_sweeps(tmp_path) == [name, f"{name}~2", f"{name}~3"]


def test_a_resumed_grid_may_run_in_another_way(starter: Starter, tmp_path: Path) -> None:
    """More failures are let through, on another launcher: what is done stays done."""
    arguments = ("model=naive_bayes", "features.min_df=1,100000,200000", "tracking=off")
    first = run_grid(starter, tmp_path, *arguments, "search.max_failures=0")
    assert first.returncode == 1
    assert "the sweep stopped: 1 job failed." in first.stderr
    assert "search.max_failures=<number>" in first.stderr
    second = run_grid(starter, tmp_path, *arguments, "search.max_failures=9")
    assert second.returncode == 1
    assert "2 of 3 jobs failed" in second.stderr
    assert len(list_sweeps(tmp_path)) == 1
    assert list(dict(read_lines(second.stdout))) == [1, 2]


def test_an_objective_may_be_minimized(starter: Starter, tmp_path: Path) -> None:
    done = run_grid(starter, tmp_path, "tracking=off", "model.C=10,0.001", "optimize=log_loss")
    assert done.returncode == 0, done.stderr
    shown = dict(read_lines(done.stdout))
    jobs = read_jobs(Ran(tmp_path, done).sweep)
    losses = {number: job["metrics"]["validation/log_loss"] for number, job in jobs.items()}
    assert losses[0] != losses[1]
    assert shown == {number: round(loss, 4) for number, loss in losses.items()}
    assert read_winner(Ran(tmp_path, done).sweep)["number"] == min(losses, key=losses.__getitem__)


def test_a_grid_over_data_is_possible(starter: Starter, tmp_path: Path) -> None:
    frame = read_reviews()
    for name, part in (("a", frame[:300]), ("b", frame[300:])):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    done = run_grid(starter, tmp_path, "data=csv", "data.path=a.csv,b.csv", "tracking=off")
    assert done.returncode == 0, done.stderr
    assert list(dict(read_lines(done.stdout))) == [0, 1]


def test_results_on_other_data_are_not_mixed(starter: Starter, tmp_path: Path) -> None:
    frame = read_reviews()
    path = tmp_path / "mine.csv"
    arguments = ("data=csv", "data.path=mine.csv", "model=naive_bayes", "features.min_df=1,100000")
    frame[:300].to_csv(path, index=False)
    first = run_grid(starter, tmp_path, *arguments)
    assert first.returncode == 1
    before = read_store(tmp_path)

    frame[300:].to_csv(path, index=False)
    second = run_grid(starter, tmp_path, *arguments)
    assert second.returncode == 1
    assert list(dict(read_lines(second.stdout))) == [0, 1]
    after = read_store(tmp_path)
    old, new = (_fingerprints(store) for store in (before, after))
    assert len(old) == len(new) == 1
    assert old != new
    assert len(after.winners) == 2
    assert after.parents[-1].data.tags["winner.run"] == after.winners[-1].info.run_id


def _fingerprints(store: Store) -> set[str]:
    """Return which data the jobs of the last sweep were on."""
    parent = store.parents[-1].info.run_id
    runs = [*store.trials, store.winners[-1]]
    return {
        run.data.tags["data.fingerprint"]
        for run in runs
        if run.data.tags["mlflow.parentRunId"] == parent and "data.fingerprint" in run.data.tags
    }


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        (["a=range(1,1e12)"], "999,999,999,999"),
        (["a=range(0.1,1e9,0.1)"], "9,999,999,999"),
        (["a=range(400,1,-1)", "b=range(0,300)"], "119,700"),
        (["a=shuffle(range(100002))"], "100,002"),
        ([f"s{n}=1,2,3,4" for n in range(9)], "262,144"),
    ],
)
def test_too_large_a_grid_is_refused_without_listing_it(words: list[str], jobs: str) -> None:
    overrides = OverridesParser.create().parse_overrides(words)
    with pytest.raises(ConfigError, match=f"this grid has {jobs} jobs; expected at most 100,000"):
        check_values(overrides)


@pytest.mark.parametrize(
    "word", ["a=range(0,3)", "a=range(0.1,1,0.3)", "a=range(9,1,-2)", "a=range(1,2.5,0.5)",
             "a=range(3,1)", "a=range(1,3,-1)"],
)  # fmt: skip
def test_values_are_counted_as_hydra_lists_them(word: str) -> None:
    swept = OverridesParser.create().parse_override(word).value()
    assert isinstance(swept, RangeSweep)
    assert count_range(swept) == len(list(swept))


def test_a_grid_lists_what_hydra_lists_and_can_delete_settings() -> None:
    words = ["a=1,2", "b=x", "c='p,q'", "+d=range(0,2)", "a=3,4"]
    overrides = OverridesParser.create().parse_overrides(words)
    assert list_combinations(overrides) == BasicSweeper.split_arguments(overrides, None)[0]
    overrides = OverridesParser.create().parse_overrides(["~e", "~f=1", "a=1,2"])
    assert list_combinations(overrides) == [["~e", "~f=1", "a=1"], ["~e", "~f=1", "a=2"]]


def test_a_grid_runs_damaged_jobs_again(starter: Starter, tmp_path: Path) -> None:
    command = ("-m", *QUICK, "model=naive_bayes", "model.alpha=0.1,1,10", "tracking=off")
    first = starter.run(tmp_path, "train", *command)
    assert first.returncode == 0, first.stderr
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    before = {n: job["metrics"]["validation/accuracy"] for n, job in read_jobs(sweep).items()}
    winner = read_winner(sweep)["number"]
    for name in ("1/result.json", "winner/job.json", "sweep.json"):
        (sweep / name).write_bytes(flip((sweep / name).read_bytes(), 20))
    (sweep / "2" / "result.json").write_bytes(b"")
    again = starter.run(tmp_path, "train", *command)
    assert again.returncode == 0, again.stderr
    assert "Traceback" not in again.stderr
    for name in ("1/result.json", "2/result.json", "winner/job.json", "sweep.json"):
        assert f"/{name}' is damaged (" in again.stderr
        assert (sweep / f"{name}.damaged").is_file()
    assert list(dict(read_lines(again.stdout))) == [1, 2]
    after = {n: job["metrics"]["validation/accuracy"] for n, job in read_jobs(sweep).items()}
    assert after == before
    assert read_winner(sweep)["number"] == winner


def test_a_grid_is_run_by_one_process_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(SweepBusyError, match=r"search\.fresh=true")
    with hold_folder(tmp_path), refused, hold_folder(tmp_path):
        pass
    with hold_folder(tmp_path):
        pass


def test_a_grid_that_is_killed_is_resumed(starter: Starter, tmp_path: Path) -> None:
    alphas = [str(i / 10) for i in range(1, 13)]
    command = ["-m", *QUICK, "model=naive_bayes", f"model.alpha={','.join(alphas)}"]
    kill_repeatedly(starter, tmp_path, "outputs/sweep/*", [1, 5], command)
    done = starter.run(tmp_path, "train", *command)
    assert done.returncode == 0, done.stderr
    assert ": 12 jobs, " in done.stdout
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    jobs = read_jobs(sweep)
    assert list(jobs) == list(range(12))
    assert list_points(jobs) == alphas
    check_store(tmp_path, 12)
