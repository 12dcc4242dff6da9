"""Lines of a sweep on a terminal."""

import re

import pytest

from sentiment.commands.search.ranking import Objective, rank
from sentiment.commands.search.results import JobResult
from sentiment.commands.search.view import SweepDisplay

OBJECTIVE = Objective("accuracy", "validation/accuracy", greater_is_better=True)
KEYS = ("features.ngram_range", "model.C", "features.token_pattern", "features.max_features")
VALUES = (
    ("[1,1]", "0.1", r"'\\w+'", "1000"),
    ("[1,3]", "0.123456789", "'(?u)[a-z]+'", "20000"),
    ("[1,2]", "100", "'(?u)[a-z0-9][a-z0-9]+|[!?]'", "null"),
)


@pytest.mark.parametrize("width", ["60", "72", "200"])
def test_all_lines_have_their_settings_in_one_order(
    width: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    watch = SweepDisplay()
    watch.on_sweep("svm", ["data=imdb"], 3, 0, OBJECTIVE)
    results: dict[int, JobResult] = {}
    for number, values in enumerate(VALUES):
        words = [f"{key}={value}" for key, value in zip(KEYS, values, strict=True)]
        # The best comes first, in the middle and never again.
        metrics = {"validation/accuracy": (0.7, 0.9, 0.8)[number]}
        results[number] = JobResult(number, ["data=imdb", *words], 0, 1, metrics=metrics)
        watch.on_job(results[number], rank(results, OBJECTIVE))
    watch.on_end()
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "svm: 3 jobs  data=imdb"
    assert len(lines) == 3
    names = [key.rpartition(".")[2] for key in KEYS]
    for line in lines:
        shown = re.findall(r"(\w+)=", line.partition(" s  ")[2])
        assert shown == [name for name in sorted(names, key=len) if name in shown]
        assert len(shown) > 1


def test_one_job_is_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    watch = SweepDisplay()
    watch.on_sweep("svm", [], 1, 0, OBJECTIVE)
    watch.on_end()
    assert capsys.readouterr().out == "svm: 1 job\n"


def test_a_search_of_fewer_trials_than_are_done_has_all_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watch = SweepDisplay()
    watch.on_sweep("svm", [], 4, 8, OBJECTIVE)
    watch.on_end()
    assert capsys.readouterr().out == "svm: 8 jobs, 8 of them done before\n"
