"""Jobs of a sweep are compared on the same rows only."""

import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starting import Starter
from sweeping import read_jobs, read_store, read_winner

from sentiment.commands.search.ranking import (
    Objective,
    Place,
    describe_uncertainty,
    find_objectives,
    rank,
)
from sentiment.commands.search.results import JobResult
from sentiment.errors import ConfigError

ACCURACY = Objective("accuracy", "validation/accuracy", True)
SIZE = Objective("size_mb", "model/size_mb", False)


def make_results(*jobs: dict[str, Any], objective: Objective = ACCURACY) -> dict[int, JobResult]:
    """Return results of jobs whose settings, ``score`` and ``rows`` are given; None failed."""
    results = {}
    for number, job in enumerate(jobs):
        settings = {"seed": "1", "data.limit": "None", "data.path": "a.csv", "model.C": "1"}
        settings |= {
            k.replace("_", ".", 1): str(v) for k, v in job.items() if "_" in k or k == "seed"
        }
        score, rows = job["score"], job.get("rows", "same")
        metrics = {} if score is None else {objective.metric: score}
        tags = {} if rows is None else {"data.fingerprint": str(rows)}
        results[number] = JobResult(number, [], 0, 1, "", tags, settings, metrics)
    return results


def test_on_the_same_rows_the_best_is_the_first_of_equals() -> None:
    results = make_results(
        {"score": 0.7}, {"score": None}, {"score": 0.9}, {"score": float("nan")}, {"score": 0.9}
    )
    found = rank(results, ACCURACY)
    assert [place.numbers for place in found.places] == [(2,), (4,), (0,)]
    assert (found.winner, found.note) == (2, "")
    assert rank({}, ACCURACY).winner is None


def test_an_objective_may_be_minimized() -> None:
    results = make_results({"score": 3.0}, {"score": 1.0}, objective=SIZE)
    assert rank(results, SIZE).winner == 1


def test_results_without_a_fingerprint_count_as_of_the_same_rows() -> None:
    results = make_results({"score": 0.5}, {"score": 0.7, "rows": None})
    assert rank(results, ACCURACY).winner == 1


def test_jobs_on_different_data_have_no_best() -> None:
    results = make_results(
        {"score": 0.9, "rows": "a"}, {"score": 0.5, "rows": "b", "data_path": "b.csv"}
    )
    found = rank(results, ACCURACY)
    assert (found.winner, found.places) == (None, [])
    assert found.note == (
        "the jobs were scored on different rows, since they differ in 'data.path': their scores "
        "cannot be compared, and none is the best"
    )


def test_the_scores_of_cross_validation_decide() -> None:
    results = make_results({"score": 0.9}, {"score": 0.5})
    for number, score in enumerate((0.6, 0.7)):
        results[number].metrics.update({"cv/accuracy": score, "rows/cv": 90})
    found = rank(results, ACCURACY)
    assert [(place.numbers, place.score) for place in found.places] == [((1,), 0.7), ((0,), 0.6)]
    assert "0.7000 (90 rows" in describe_uncertainty(found.places[0], results, ACCURACY)
    third = make_results({"score": 0.8})[0]
    for number, one in enumerate([*results.values(), third]):
        one.settings["cv"] = "None" if number == 2 else "5"
    mixed = rank(results | {2: third}, ACCURACY)
    assert mixed.winner is None
    assert "differ in 'cv'" in mixed.note


def test_jobs_on_data_that_changed_have_no_best() -> None:
    results = make_results({"score": 0.9, "rows": "before"}, {"score": 0.5, "rows": "after"})
    found = rank(results, ACCURACY)
    assert (found.winner, found.note) == (
        None,
        "the data changed while the sweep ran: no score can be compared",
    )


def test_the_largest_sample_is_ranked() -> None:
    results = make_results(
        {"score": 0.9, "rows": "100", "data_limit": 100},
        {"score": 0.6, "rows": "all", "data_limit": 900},
        {"score": 0.7, "rows": "all"},
    )
    found = rank(results, ACCURACY)
    assert [place.numbers for place in found.places] == [(2,), (1,)]
    assert found.note == "left out: 1 job on fewer rows (data.limit), which cannot be compared"


@given(
    scores=st.lists(
        st.lists(st.floats(0, 1, width=16), min_size=3, max_size=3), min_size=1, max_size=4
    ),
    random_state=st.sampled_from(["seed", 1]),
)
def test_seeds_are_averaged(scores: list[list[float]], random_state: str | int) -> None:
    """Also where the model takes the seed, as ``random_state: ${seed}`` has it."""
    jobs = [
        {
            "score": score,
            "rows": f"seed {seed}",
            "seed": seed,
            "model_C": setting,
            "model_random_state": seed if random_state == "seed" else random_state,
        }
        for setting, row in enumerate(scores)
        for seed, score in enumerate(row)
    ]
    found = rank(make_results(*jobs), ACCURACY)
    expected = [
        Place((3 * k, 3 * k + 1, 3 * k + 2), statistics.fmean(row), statistics.stdev(row))
        for k, row in enumerate(scores)
    ]
    assert found.places == sorted(expected, key=lambda place: (-place.score, place.numbers))
    assert found.note == ("scores are means over 3 seeds, since each seed scores other rows")


def test_a_lucky_seed_does_not_win() -> None:
    """A setting of which one seed failed cannot be averaged."""
    results = make_results(
        {"score": 0.99, "rows": "1", "seed": 1, "model_C": 1},
        {"score": 0.51, "rows": "2", "seed": 2, "model_C": 1},
        {"score": 0.80, "rows": "1", "seed": 1, "model_C": 2},
        {"score": 0.82, "rows": "2", "seed": 2, "model_C": 2},
        {"score": 1.00, "rows": "1", "seed": 1, "model_C": 3},
        {"score": None, "seed": 2, "model_C": 3},
    )
    found = rank(results, ACCURACY)
    assert [place.numbers for place in found.places] == [(2, 3), (0, 1)]
    assert str(found.places[0]) == "0.8100 ± 0.0141"
    assert found.note.endswith("; left out: 1 job without a score for every seed")


def test_seeds_and_samples_together() -> None:
    results = make_results(
        *(
            {"score": score, "rows": (seed, limit), "seed": seed, "data_limit": limit}
            for limit, seed, score in [(100, 1, 0.9), (100, 2, 0.9), (200, 1, 0.5), (200, 2, 0.7)]
        )
    )
    assert [place.numbers for place in rank(results, ACCURACY).places] == [(2, 3)]


def test_the_first_place_has_an_interval() -> None:
    metrics = {"validation/accuracy": 0.8, "rows/validation": 20.0}
    results = {3: JobResult(3, [], 0, 1, metrics=metrics)}
    assert describe_uncertainty(Place((3,), 0.8), results, ACCURACY) == (
        "best #3: 0.8000 (20 rows, 95 % interval 0.5634 to 0.9427)"
    )
    assert describe_uncertainty(Place((3, 4), 0.8, 0.1), results, ACCURACY) == ""
    assert describe_uncertainty(Place((3,), 0.8), results, SIZE) == ""


QUICK = ("data=rotten_tomatoes", "features=tfidf_unigram", "features.max_features=200")


def test_a_grid_over_seeds_trains_the_best_mean(starter: Starter, tmp_path: Path) -> None:
    words = (*QUICK, "data.limit=200", "model.C=0.01,5", "seed=1,2,3")
    done = starter.run(tmp_path, "train", "-m", *words)
    assert done.returncode == 0, done.stderr
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    scores = [job["metrics"]["validation/accuracy"] for job in read_jobs(sweep).values()]
    means = [statistics.fmean(scores[:3]), statistics.fmean(scores[3:])]
    best = 0 if means[0] >= means[1] else 3
    assert read_winner(sweep)["number"] == best
    store = read_store(tmp_path)
    assert len(store.winners) == 1
    recorded = store.parents[0].data.metrics["best/validation/accuracy"]
    assert recorded == pytest.approx(max(means))
    table = f"{max(means):.4f} ± {statistics.stdev(scores[best : best + 3]):.4f}"
    assert f"│ #{best}, #{best + 1}, #{best + 2}" in done.stdout
    assert table in done.stdout
    assert "scores are means over 3 seeds" in done.stdout


def test_a_grid_over_files_names_no_winner(starter: Starter, tmp_path: Path) -> None:
    rows = [f"a {word} film number {n},{word}" for n in range(30) for word in ("good", "bad")]
    for name, start in (("a", 0), ("b", 10)):
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows[start:]]))
    words = ("-m", "data=csv", "data.path=a.csv,b.csv", "features=tfidf_unigram")
    done = starter.run(tmp_path, "train", *words)
    assert done.returncode == 0, done.stderr
    assert "since they differ in 'data.path'" in done.stdout
    (sweep,) = (tmp_path / "outputs" / "sweep").iterdir()
    assert sorted(read_jobs(sweep)) == [0, 1]
    assert not (sweep / "winner").exists()
    assert read_store(tmp_path).winners == []
    # It is complete: the same command starts anew.
    again = starter.run(tmp_path, "train", *words, "tracking=off")
    assert again.returncode == 0, again.stderr
    assert len(list((tmp_path / "outputs" / "sweep").iterdir())) == 2


def test_an_unknown_objective_is_reported() -> None:
    with pytest.raises(ConfigError, match="no metric 'acuracy'.*Did you mean 'accuracy'"):
        find_objectives(["acuracy"])
    with pytest.raises(ConfigError, match=r"search\.objectives is empty"):
        find_objectives([])
