"""Trials of a search and their results, with jobs that are a formula."""

import json
import re
import shlex
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from matplotlib.image import imread
from optuna.storages import RDBStorage
from shortcuts import real_figures
from starting import Starter
from sweep_bench import Bench, peak
from sweeping import (
    DRAWN,
    ENDLESS,
    SEARCH,
    STUDY,
    WORKERS,
    check_store,
    kill_repeatedly,
    list_descendants,
    list_points,
    read_jobs,
    read_study,
    wait_for_end,
    wait_for_jobs,
)

from sentiment.commands.best.job import find_best
from sentiment.commands.search import search, session
from sentiment.commands.search.studies import study as study_module
from sentiment.commands.search.studies.folder import has_results_of
from sentiment.config import compose
from sentiment.errors import (
    ConfigError,
    JobsFailedError,
    StudyFolderError,
    StudyMismatchError,
    SweepStoppedError,
)

# What the pages of a study share.
SCRIPT = "plotly.min.js"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path / "outputs")
    monkeypatch.setattr(
        session.Session,
        "train_winner",
        lambda sweep, best, *facts: bench.name_winner(sweep, best, *facts),
    )
    monkeypatch.chdir(tmp_path)
    return bench


def turn(asked: dict[str, Any]) -> dict[str, float]:
    """Best where alpha is great by validation rows, and where it is small in cross-validation."""
    return {"validation/accuracy": asked[DRAWN] / 100, "cv/accuracy": -asked[DRAWN], "rows/cv": 9}


def points(folder: Path, name: str = "naive_bayes") -> list[str]:
    return list_points(read_jobs(folder / "outputs" / "search" / name))


@pytest.mark.slow
def test_a_search_runs_n_trials(bench: Bench, tmp_path: Path) -> None:
    notes, launched = bench.search(peak, *SEARCH, "search.n_trials=12")
    assert launched == list(range(12))
    study = read_study(tmp_path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 12
    best = max(notes.jobs, key=lambda job: job.metrics["validation/accuracy"])
    assert bench.winners == [best.number] == [study.best_trial.number]
    assert len(set(points(tmp_path))) == 12


@pytest.mark.slow
def test_trials_that_were_cross_validated_are_compared_by_it(bench: Bench, tmp_path: Path) -> None:
    notes, _ = bench.search(turn, *SEARCH, "search.n_trials=6", "cv=auto")
    best = max(notes.jobs, key=lambda job: job.metrics["cv/accuracy"])
    study = read_study(tmp_path)
    assert bench.winners == [best.number] == [study.best_trial.number]
    assert study.best_value == best.metrics["cv/accuracy"]
    bench.search(turn, *SEARCH, "search.n_trials=6", "cv=auto")  # its folder is that of the study
    with pytest.raises(StudyMismatchError, match="scores: cv in the study, not set now"):
        bench.search(turn, *SEARCH, "search.n_trials=6")


@pytest.mark.slow
@pytest.mark.parametrize(("several", "fixed"), [(False, False), (True, False), (False, True)])
def test_figures_of_a_study_need_no_network(
    bench: Bench, tmp_path: Path, several: bool, fixed: bool
) -> None:
    def measure(asked: dict[str, Any]) -> dict[str, float]:
        return {**peak(asked), "validation/log_loss": asked[DRAWN]}

    words = ["search.objectives=[accuracy,log_loss]"] if several else []
    words += [f"{DRAWN}=choice(1.0)"] if fixed else []
    with real_figures():
        bench.search(measure, *SEARCH, "search.n_trials=4", *words)
    names = {"optimization_history", "slice", "parallel_coordinate"}
    names |= set() if fixed else {"param_importances"}  # of what all trials share, none
    names |= {"pareto_front"} if several else set()
    folder = tmp_path / STUDY / "figures"
    written = {path.name for path in folder.iterdir()}
    assert written == {f"{name}{end}" for name in names for end in (".png", ".html")} | {SCRIPT}
    for name in names:
        pixels = imread(folder / f"{name}.png")
        assert min(pixels.shape[:2]) > 300
        assert pixels[..., :3].std() > 0.05  # something is on the paper
        page = (folder / f"{name}.html").read_text()
        assert set(re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]*)"', page)) == {SCRIPT}
        assert "Plotly.newPlot(" in page


@pytest.mark.slow
def test_repeating_a_complete_search_runs_nothing(bench: Bench) -> None:
    bench.search(peak, *SEARCH, "search.n_trials=4")
    notes, launched = bench.search(peak, *SEARCH, "search.n_trials=4")
    assert launched == []
    assert notes.before == 4
    assert len(bench.winners) == 1


@pytest.mark.slow
def test_more_trials_resume_the_study(bench: Bench, tmp_path: Path) -> None:
    bench.search(peak, *SEARCH, "search.n_trials=4")
    notes, launched = bench.search(peak, *SEARCH, "search.n_trials=9")
    assert launched == [4, 5, 6, 7, 8]
    assert notes.before == 4
    assert len(set(points(tmp_path))) == 9
    assert bench.winners[-1] == read_study(tmp_path).best_trial.number


@pytest.mark.slow
def test_the_same_seed_gives_the_same_trials(bench: Bench, tmp_path: Path) -> None:
    runs = []
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        words = ("search.n_trials=8", f"seed={seed}", f"search.name={name}")
        bench.search(peak, *SEARCH, *words)
        runs.append(points(tmp_path, name))
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])


MISMATCHES = [
    (["features.min_df=2"], "features.min_df: 1 in the study, 2 now"),
    (["features.min_df=1,2"], "space.common.features.min_df: not set in the study, "),
    ([f"{DRAWN}=interval(1,2)"], f"space.common.{DRAWN}: FloatDistribution(high=10.0"),
    (["optimize=log_loss"], "objectives: ['accuracy'] in the study, ['log_loss'] now"),
    (["seed=7"], "seed: 42 in the study, 7 now"),
    (["data.limit=200"], "data.limit: 300 in the study, 200 now"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "difference"), MISMATCHES)
def test_another_search_of_the_same_name_is_refused(
    bench: Bench, tmp_path: Path, typed: list[str], difference: str
) -> None:
    bench.search(peak, *SEARCH, "search.n_trials=2")
    with pytest.raises(StudyMismatchError) as refused:
        bench.search(peak, *SEARCH, "search.n_trials=4", *typed)
    assert f"\n  - {difference}" in str(refused.value)
    assert refused.value.exit_code == 2
    assert len(read_study(tmp_path).trials) == 2


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["rows", "columns", "unlabelled texts"])
def test_other_data_under_the_same_name_are_refused(
    bench: Bench, tmp_path: Path, changed: str
) -> None:
    rows = [f"a {word} film number {i},{word},{i}" for i in range(30) for word in ("good", "bad")]
    path, more = tmp_path / "mine.csv", tmp_path / "more.csv"
    words = [*SEARCH[2:], "data=csv", f"data.path={path}", "search.n_trials=2"]
    words += {
        "rows": [],
        "columns": ["data.extra_columns=[price]"],
        "unlabelled texts": [f"data.unlabelled={more}"],
    }[changed]
    path.write_text("\n".join(["text,label,price", *rows]))
    more.write_text("text\nanother film\n")
    bench.search(peak, *words)
    match changed:
        case "rows":
            path.write_text("\n".join(["text,label,price", *rows[4:]]))
        case "columns":
            path.write_text("\n".join(["text,label,price", *rows[:-1], f"{rows[-1]}0"]))
        case _:
            more.write_text("text\nyet another film\n")
    # In another process, the file would be read again.
    search.read_data.__globals__["_read_data"].cache_clear()
    with pytest.raises(StudyMismatchError, match="- data: .* in the study, .* now"):
        bench.search(peak, *words)


@pytest.mark.parametrize("typed", ["seed=1,2,3", "cv=2,3", "data.limit=range(9,99)"])
def test_a_search_does_not_draw_its_rows(bench: Bench, tmp_path: Path, typed: str) -> None:
    words = [word for word in SEARCH if not word.startswith(typed.partition("=")[0])]
    with pytest.raises(ConfigError, match="changes the rows that its trials are scored on"):
        bench.search(peak, *words, typed)
    assert not (tmp_path / "outputs" / "search").exists()


@pytest.mark.slow
def test_fresh_starts_a_new_study_beside_the_old_one(bench: Bench, tmp_path: Path) -> None:
    bench.search(peak, *SEARCH, "search.n_trials=2")
    words = ("search.n_trials=3", "optimize=log_loss")
    formula = lambda asked: {"validation/log_loss": asked[DRAWN]}  # noqa: E731
    bench.search(formula, *SEARCH, *words, "search.fresh=true")
    assert len(read_study(tmp_path).trials) == 2
    second = read_study(tmp_path, "naive_bayes~2")
    assert len(second.trials) == 3
    assert bench.winners[-1] == min(second.trials, key=lambda trial: trial.value).number
    # From now on, the command resumes the new one.
    notes, launched = bench.search(formula, *SEARCH, "search.n_trials=4", "optimize=log_loss")
    assert launched == [3]
    assert notes.before == 3


@pytest.mark.slow
def test_a_resumed_search_may_run_in_another_way(bench: Bench) -> None:
    bench.search(peak, *SEARCH, "search.n_trials=2")
    words = ("search.n_trials=4", "search.max_failures=9", "search.batch=2")
    _, launched = bench.search(peak, *SEARCH, *words)
    assert launched == [2, 3]


@pytest.mark.slow
def test_a_point_is_not_run_twice(bench: Bench, tmp_path: Path) -> None:
    """A space that is used up: points that are drawn again get the values found before."""
    words = (f"{DRAWN}=0.1,1", "search.n_trials=7")
    _, launched = bench.search(peak, *SEARCH, *words)
    assert len(launched) == 2
    assert sorted(points(tmp_path)) == ["0.1", "1"]
    trials = read_study(tmp_path).trials
    assert len(trials) == 7
    assert {(trial.params[DRAWN], trial.value) for trial in trials} == {(0.1, 0.991), (1, 1.0)}
    assert bench.winners == [next(n for n in launched if trials[n].value == 1.0)]
    _, launched = bench.search(peak, *SEARCH, *words)
    assert launched == []
    assert len(bench.winners) == 1


@pytest.mark.slow
def test_jobs_of_a_batch_are_different(bench: Bench, tmp_path: Path) -> None:
    words = (f"{DRAWN}=0.1,1,2", "search.n_trials=8", "search.batch=4")
    bench.search(peak, *SEARCH, *words)
    assert sorted(points(tmp_path)) == ["0.1", "1", "2"]


@pytest.mark.slow
def test_a_branch_draws_only_its_own(bench: Bench, tmp_path: Path) -> None:
    words = [word for word in SEARCH if not word.startswith("search=")]
    bench.search(
        lambda asked: {"validation/accuracy": 0.5}, *words, "search=all", "search.n_trials=30"
    )
    own = {
        "logistic_regression": {"C", "class_weight"},
        "svm": {"estimator.C", "estimator.class_weight"},
        "nbsvm": {"alpha", "C"},
        "naive_bayes": {"alpha"},
        "sgd": {"alpha", "penalty"},
        "ridge": {"alpha", "class_weight"},
    }
    seen = Counter()
    for job in read_jobs(tmp_path / "outputs" / "search" / "all").values():
        assert not job["error"]
        asked = dict(word.split("=", 1) for word in job["overrides"])
        model = asked["model"]
        drawn = {key.removeprefix("model.") for key in asked if key.startswith("model.")}
        # The folder of counts and the like are typed; settings of a model are only drawn.
        assert drawn <= own[model] | {"beta"}
        assert own[model] <= drawn
        seen[model] += 1
    assert set(seen) == set(own)


@pytest.mark.slow
def test_a_typed_model_leaves_one_branch(bench: Bench, tmp_path: Path) -> None:
    words = [word for word in SEARCH if not word.startswith("search=")]
    bench.search(
        lambda asked: {"validation/accuracy": asked[DRAWN]},
        *words,
        "search=all",
        "model=sgd",
        "search.n_trials=3",
    )
    jobs = read_jobs(tmp_path / "outputs" / "search" / "all")
    assert len(jobs) == 3
    for job in jobs.values():
        assert next(w for w in job["overrides"] if w.startswith("model")) == "model=sgd"
        keys = {w.partition("=")[0] for w in job["overrides"] if w.startswith("model.")}
        assert keys == {"model.alpha", "model.penalty"}


@pytest.mark.slow
def test_each_of_several_features_draws_its_own(bench: Bench, tmp_path: Path) -> None:
    words = [word for word in SEARCH if "features" not in word]
    typed = ("features=tfidf,char,counts", "features.min_df=3,4")
    for total in (20, 30):
        bench.search(peak, *words, *typed, f"search.n_trials={total}")
    of_runs = {"ngram_range", "min_df", "max_features", "sublinear_tf"}
    of_words = of_runs | {"token_pattern", "max_df", "log_count_ratio"}
    own = {"tfidf": of_words, "char": of_runs, "counts": {"min_df"}}
    jobs = read_jobs(tmp_path / "outputs" / "search" / "naive_bayes")
    assert len(jobs) == 30
    seen = Counter()
    for job in jobs.values():
        asked = dict(word.split("=", 1) for word in job["overrides"])
        drawn = {key.removeprefix("features.") for key in asked if key.startswith("features.")}
        assert drawn == own[asked["features"]]
        assert asked.get("features.min_df", "3") in ("3", "4")
        seen[asked["features"]] += 1
    assert set(seen) == set(own)


def test_several_models_are_for_the_search_over_models(bench: Bench) -> None:
    words = [word for word in SEARCH if not word.startswith("model=")]
    with pytest.raises(ConfigError, match="of one model.*: search=all model=svm,nbsvm"):
        bench.search(peak, *words, "model=svm,nbsvm", "search.n_trials=2")
    lacking = "draws 'model.alpha', which model=svm does not have.*: search=all model=svm"
    with pytest.raises(ConfigError, match=lacking):
        bench.search(peak, *words, "model=svm", "search.n_trials=2")


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "qmc", "nsgaii"])
def test_samplers_are_chosen_by_config(bench: Bench, tmp_path: Path, sampler: str) -> None:
    words = ("features.max_df=interval(0.5,1.0)", f"hydra/sweeper/sampler={sampler}")
    for total, expected in ((6, [0, 1, 2, 3, 4, 5]), (9, [6, 7, 8])):
        _, launched = bench.search(peak, *SEARCH, *words, f"search.n_trials={total}")
        assert launched == expected
    assert len(set(points(tmp_path))) == 9


@pytest.mark.slow
def test_a_grid_sampler_counts_its_points(bench: Bench, tmp_path: Path) -> None:
    words = ("hydra/sweeper/sampler=grid", f"{DRAWN}=0.1,1,2", "features.min_df=1,2")
    _, launched = bench.search(peak, *SEARCH, *words, "search.n_trials=4")
    assert len(launched) == 4
    _, launched = bench.search(peak, *SEARCH, *words, "search.n_trials=9")
    assert len(launched) == 2
    assert Counter(points(tmp_path)) == {"0.1": 2, "1": 2, "2": 2}


def test_a_grid_sampler_cannot_count_a_range(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="a grid needs values it can count"):
        bench.search(peak, *SEARCH, "hydra/sweeper/sampler=grid", "search.n_trials=2")


@pytest.mark.slow
def test_a_grid_sampler_has_a_bound(bench: Bench) -> None:
    words = ["hydra/sweeper/sampler=grid", f"{DRAWN}=1,2", "features.min_df=range(1,100000000)"]
    with pytest.raises(ConfigError, match="this search has 199,999,998 points"):
        bench.search(peak, *SEARCH, *words, "search.n_trials=2")
    assert not bench.folder.exists(), "what is refused starts no study"


@pytest.mark.slow
def test_a_search_may_have_two_objectives(bench: Bench, tmp_path: Path) -> None:
    words = ("search.objectives=[accuracy,size_mb]", "hydra/sweeper/sampler=nsgaii")
    bench.search(
        lambda asked: peak(asked) | {"model/size_mb": asked[DRAWN]},
        *SEARCH,
        *words,
        "search.n_trials=6",
    )
    study = read_study(tmp_path)
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert {len(trial.values) for trial in study.trials} == {2}
    assert bench.winners == [max(study.trials, key=lambda trial: trial.values[0]).number]


def fail(asked: dict[str, Any]) -> dict[str, float]:
    raise ValueError(f"alpha must not be {asked[DRAWN]}")


@pytest.mark.slow
def test_a_search_stops_if_its_first_trials_fail_alike(bench: Bench, tmp_path: Path) -> None:
    """The values in the messages are others each time, but what is wrong is the same."""
    with pytest.raises(SweepStoppedError) as stopped:
        bench.search(fail, *SEARCH, "search.n_trials=50")
    assert "the first 3 jobs failed in the same way" in str(stopped.value)
    assert stopped.value.exit_code == 1
    assert [trial.state.name for trial in read_study(tmp_path).trials] == ["FAIL"] * 3
    assert bench.winners == []


@pytest.mark.slow
def test_a_search_stops_if_too_many_trials_fail_in_a_row(bench: Bench, tmp_path: Path) -> None:
    def fail_later(asked: dict[str, Any]) -> dict[str, float]:
        if len(read_jobs(tmp_path / "outputs/search/naive_bayes")) in (1, 4, 5, 6):
            fail(asked)
        return peak(asked)

    with pytest.raises(SweepStoppedError, match="3 jobs in a row failed"):
        bench.search(fail_later, *SEARCH, "search.n_trials=50", "search.max_failures=2")
    states = [trial.state.name for trial in read_study(tmp_path).trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE", "FAIL", "FAIL", "FAIL"]
    # Given again, the command goes on, and what failed counts.
    with pytest.raises(JobsFailedError, match="4 of 9 jobs failed"):
        bench.search(peak, *SEARCH, "search.n_trials=9")
    assert len(bench.winners) == 1


@pytest.mark.slow
def test_one_failure_is_reported_at_the_end(bench: Bench, tmp_path: Path) -> None:
    def fail_once(asked: dict[str, Any]) -> dict[str, float]:
        if len(read_jobs(tmp_path / "outputs/search/naive_bayes")) == 2:
            raise ValueError("no")
        return peak(asked)

    with pytest.raises(JobsFailedError) as failed:
        bench.search(fail_once, *SEARCH, "search.n_trials=5")
    assert str(failed.value) == "1 of 5 jobs failed:\n  #2  ValueError: no"
    trial = read_study(tmp_path).trials[2]
    assert trial.state.name == "FAIL"
    assert trial.user_attrs["error"] == "ValueError: no"


@pytest.mark.slow
def test_a_trial_whose_metric_is_nan_is_never_the_best(bench: Bench, tmp_path: Path) -> None:
    def sometimes(asked: dict[str, Any]) -> dict[str, float]:
        first = not read_jobs(tmp_path / "outputs/search/naive_bayes")
        return {"validation/accuracy": float("nan")} if first else peak(asked)

    bench.search(sometimes, *SEARCH, "search.n_trials=3")
    study = read_study(tmp_path)
    assert study.trials[0].state.name == "FAIL"
    assert study.trials[0].user_attrs["error"] == "accuracy is not a number"
    assert bench.winners == [study.best_trial.number]


@pytest.fixture
def databases_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what processes of their own would have left to the system."""
    made: list[RDBStorage] = []
    initialize = RDBStorage.__init__

    def note(self: RDBStorage, *arguments: Any, **options: Any) -> None:
        initialize(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(RDBStorage, "__init__", note)
    yield
    for storage in made:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.slow
@pytest.mark.usefixtures("databases_are_closed")
def test_a_folder_without_an_identity_is_taken_by_its_own_study_only(
    bench: Bench, tmp_path: Path
) -> None:
    """As earlier versions left it."""
    words = [*SEARCH, "search.n_trials=3"]
    bench.search(peak, *words)
    folder = bench.folder / "search" / "naive_bayes"
    (folder / "identity.json").unlink()
    before = read_jobs(folder)
    # Another study of the same name: its trials have other scores, or there are fewer of them.
    database = f"search.storage=sqlite:///{tmp_path}/studies.db"
    Bench(tmp_path / "elsewhere").search(
        lambda asked: {"validation/accuracy": 0.1}, *words, database
    )
    with pytest.raises(StudyFolderError):
        bench.search(peak, *SEARCH, "search.n_trials=4", database)
    names = ["search.name=naive_bayes", f"outputs={bench.folder}", database]
    found = find_best(compose("best", names))
    assert (found.score, found.recipe) == (0.1, None)
    assert not has_results_of(folder, read_study(tmp_path).trials[:2], "validation/accuracy")
    assert read_jobs(folder) == before
    assert not (folder / "identity.json").exists()
    # Its own study resumes, and so would one whose last result was not entered yet.
    notes, launched = bench.search(peak, *SEARCH, "search.n_trials=5")
    assert (notes.before, launched) == (3, [3, 4])
    assert (folder / "identity.json").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("databases_are_closed")
def test_studies_of_one_name_do_not_share_a_folder(bench: Bench, tmp_path: Path) -> None:
    """One is in a database, the other one in the file beside its trials."""
    database = f"search.storage=sqlite:///{tmp_path}/studies.db"
    words = [*SEARCH, "search.n_trials=2"]
    elsewhere, third = (Bench(tmp_path / name) for name in ("elsewhere", "third"))
    elsewhere.search(peak, *words, database)
    bench.search(peak, *words)
    folder = bench.folder / "search" / "naive_bayes"
    before = read_jobs(folder)
    with pytest.raises(StudyFolderError, match="holds trials of another study, which has the same"):
        bench.search(peak, *SEARCH, database, "search.n_trials=3")
    assert read_jobs(folder) == before
    # What is only read takes no result of the other one for its own.
    best = find_best(
        compose("best", ["search.name=naive_bayes", f"outputs={bench.folder}", database])
    )
    shared = read_jobs(elsewhere.folder / "search" / "naive_bayes")
    assert best.score == max(job["metrics"]["validation/accuracy"] for job in shared.values())
    assert best.recipe is None
    bench.search(peak, *words, database, "search.fresh=true")
    assert len(read_jobs(folder.with_name("naive_bayes~2"))) == 2
    # From a folder of its own, the newest one is resumed.
    third.search(peak, *SEARCH, database, "search.n_trials=3")
    assert list(read_jobs(third.folder / "search" / "naive_bayes~2")) == [2]


@pytest.mark.slow
def test_a_study_of_an_earlier_version_has_the_defaults(bench: Bench, tmp_path: Path) -> None:
    command = (*SEARCH, "search.n_trials=2")
    bench.search(peak, *command)
    study = read_study(tmp_path)
    definition = study.user_attrs["definition"]
    for name in ("data.rare", "data.min_per_class"):  # which came later
        del definition["settings"][name]
    study.set_user_attr("definition", definition)
    _, launched = bench.search(peak, *SEARCH, "search.n_trials=3")
    assert launched == [2]
    with pytest.raises(StudyMismatchError, match=r"data\.rare: error in the study, drop now\n"):
        bench.search(peak, *command, "data.rare=drop")


@pytest.mark.slow
def test_an_interrupted_trial_is_reported(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(asked: dict[str, Any]) -> dict[str, float]:
        raise KeyboardInterrupt

    command = (*SEARCH, "search.n_trials=2")
    with monkeypatch.context() as patch:
        # A process that is gone when the search is resumed.
        patch.setattr(study_module, "name_owner", lambda: f"{socket.gethostname()}:1:gone")
        with pytest.raises(KeyboardInterrupt, match=r"stopped: 0 of 2 jobs are kept\. Resume with"):
            bench.search(interrupt, *command)
    notes, launched = bench.search(peak, *command)
    assert "#0 was interrupted and runs again under a new number" in notes.notes
    assert len(launched) == 2


LAUNCHERS = {"serial": [], "joblib": WORKERS}


@pytest.mark.parametrize("words", LAUNCHERS.values(), ids=LAUNCHERS)
def test_a_search_that_is_killed_is_resumed(
    starter: Starter, tmp_path: Path, words: list[str]
) -> None:
    command = ["-m", *SEARCH, *words, ENDLESS]
    kill_repeatedly(starter, tmp_path, str(STUDY), [0, 5], command)
    total = len(read_jobs(tmp_path / STUDY)) + 4
    done = starter.run(tmp_path, "train", *command, f"search.n_trials={total}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    study = read_study(tmp_path)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(complete) == total
    assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "FAIL"}
    jobs = read_jobs(tmp_path / STUDY)
    assert list(jobs) == [trial.number for trial in complete]
    assert len(set(list_points(jobs))) == total
    assert not [job for job in jobs.values() if job["error"]]
    check_store(tmp_path, total)
    for line in (tmp_path / "outputs/search/studies.journal").read_text().splitlines():
        assert isinstance(json.loads(line), dict)


@pytest.mark.parametrize("words", LAUNCHERS.values(), ids=LAUNCHERS)
def test_an_interrupted_search_names_the_command_that_resumes_it(
    starter: Starter, tmp_path: Path, words: list[str]
) -> None:
    command = ["-m", *SEARCH, "tracking=off", *words, ENDLESS]
    started = starter.start(tmp_path, "train", *command)
    wait_for_jobs(started, tmp_path, str(STUDY), 3)
    helpers = list_descendants(started)
    started.send(signal.SIGINT)
    done = started.wait()
    assert done.returncode == 130
    assert "stopped" not in done.stdout
    wait_for_end(helpers)
    kept = len(read_jobs(tmp_path / STUDY))
    assert kept >= 3
    shown = done.stderr.removeprefix("\n").removesuffix("\n")
    start, _, typed = shown.partition("Resume with: ")
    assert start == f"stopped: {kept} of 1000 jobs are kept. "
    words = shlex.split(typed)
    assert words[:3] == ["python", f"{ROOT}/scripts/train.py", "-m"]
    total = kept + 4
    again = starter.run(tmp_path, "train", *words[2:], f"search.n_trials={total}")
    assert again.returncode == 0, again.stderr
    assert f"{total} jobs, {kept} of them done before" in again.stdout
    jobs = read_jobs(tmp_path / STUDY)
    assert len(jobs) == len(set(list_points(jobs))) == total
