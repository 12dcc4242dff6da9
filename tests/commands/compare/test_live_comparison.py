"""Comparison of champion and challenger by labels that came from live traffic."""

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from traffic import NOON, MadeLog, damage_log, list_damages

from sentiment.commands.compare.estimates import McNemar
from sentiment.commands.compare.live import LiveComparison, compare_live, measure_live
from sentiment.commands.compare.view import show_live
from sentiment.config import compose
from sentiment.errors import ConfigError, EmptyDataError, InputNotFoundError, SentimentError
from sentiment.files.traffic import TABLES, Traffic
from sentiment.modeling.sequential import bound_difference, bound_paired_difference

LABELS = ("negative", "positive")
RNG = np.random.default_rng(5)
RIGHT = {"old": RNG.random(2000) < 0.8, "new": RNG.random(2000) < 0.9}


def write(right: bool, n: int) -> str:
    """Return a prediction of the row `n`, whose label is that of its place."""
    return LABELS[(n + (not right)) % 2]


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows that both predicted; labels came in another order, some twice, a few never."""
    log = MadeLog(tmp_path_factory.mktemp("shadowed"))
    for n in range(2000):
        log.answer(f"{n}", "old", write(RIGHT["old"][n], n))
        log.answer(f"{n}", "new", write(RIGHT["new"][n], n), role="shadow")
        log.answer(f"t{n}", "other", "x", route="topics")
    log.answer("broken", "old", None, error="no text")  # type: ignore[arg-type]
    for n in range(1990):
        log.label(f"{n}", LABELS[n % 2], minutes=2000 - n)
        log.label(f"{n}", LABELS[n % 2], minutes=1, route="topics")
    log.label("7", LABELS[0], minutes=5)  # the first for it, and wrong; another one follows
    log.label("unknown", LABELS[0])
    return log.write()


def measure(folder: Path) -> LiveComparison:
    traffic = Traffic(folder, "sentiment", "live")
    models = {model.key: model for model in traffic.list_models()}
    return measure_live(traffic, models["old"], models["new"], 0.025)


def test_rows_that_both_predicted_are_compared_in_pairs(shadowed):
    comparison = measure(shadowed)
    order = [7, *range(1989, 7, -1), *range(6, -1, -1)]  # by the first label of each
    old, new = (RIGHT[name][:1990] for name in ("old", "new"))
    assert comparison.errors == McNemar.count(old, new)
    assert comparison.rows == (1990, 1990)
    assert comparison.scores == (old.mean(), new.mean())
    expected = bound_paired_difference((new.astype(float) - old)[order], 0.025)
    assert (comparison.difference.low, comparison.difference.high) == expected
    assert comparison.judge() == 1
    assert comparison.describe_verdict().startswith("B is better than A: right on 89.60 % against")


def test_the_recall_is_that_of_the_rows_of_a_label(shadowed):
    traffic = Traffic(shadowed, "sentiment", "live")
    models = {model.key: model for model in traffic.list_models()}
    comparison = measure_live(traffic, models["old"], models["new"], 0.025, LABELS[1])
    order = [7, *(n for n in range(1989, 0, -2) if n != 7)]  # by the first label of each
    old, new = (RIGHT[name][order] for name in ("old", "new"))
    assert (comparison.metric, comparison.rows) == ("recall", (995, 995))
    assert comparison.scores == (old.mean(), new.mean())
    expected = bound_paired_difference(new.astype(float) - old, 0.025)
    assert (comparison.difference.low, comparison.difference.high) == expected
    assert f": recall {100 * new.mean():.2f} % against" in comparison.describe_verdict()


def test_shares_of_requests_are_compared_in_hours_with_both(tmp_path):
    log = MadeLog(tmp_path)
    for n in range(400):
        run, role = [("old", "champion"), ("new", "challenger")][n % 4 == 0]
        log.answer(f"{n}", run, write(bool(RIGHT[run][n]), n), role=role)
        log.label(f"{n}", LABELS[n % 2], minutes=n)
        # Before the experiment, all was easy.
        log.answer(f"e{n}", "old", LABELS[0], time=NOON - timedelta(hours=2))
        log.label(f"e{n}", LABELS[0], minutes=n)
    comparison = measure(log.write())
    new = np.arange(400) % 4 == 0
    old_right, new_right = RIGHT["old"][:400][~new], RIGHT["new"][:400][new]
    assert comparison.errors is None
    assert comparison.rows == (300, 100)
    assert comparison.scores == (old_right.mean(), new_right.mean())
    expected = bound_difference(old_right * 1.0, new_right * 1.0, 0.025)
    assert (comparison.difference.low, comparison.difference.high) == expected
    assert comparison.judge() == 0


def test_the_command_compares_and_keeps_a_record(shadowed, tmp_path, capsys):
    overrides = [f"live={shadowed}", f"outputs={tmp_path}", "tracking=off"]
    result = compare_live(compose("compare", overrides), "compare.py live")
    show_live(result.comparison)
    printed = capsys.readouterr().out
    assert "live traffic of sentiment, 1,990 labelled rows that both predicted" in printed
    assert "A        models:/old, last as champion" in printed
    assert "McNemar p < 0.001, if this is the only look" in printed
    assert '"outcome": 1' in (result.folder / "live.json").read_text()
    with pytest.raises(EmptyDataError, match="no challenger has answered for the route 'topics'"):
        compare_live(compose("compare", [*overrides, "route=topics"]))
    with pytest.raises(InputNotFoundError, match="expected a log of serve"):
        compare_live(compose("compare", [f"live={tmp_path}", "tracking=off"]))


def test_labels_that_are_missing_are_an_error(tmp_path):
    log = MadeLog(tmp_path)
    log.answer("1", "old", "positive")
    log.answer("2", "new", "positive", role="challenger")
    log.label("1", "positive")
    with pytest.raises(EmptyDataError, match="no labels for both models:/old and models:/new"):
        measure(log.write())


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [(["runs=[best,x]"], "not with runs"), (["metric=f1"], "accuracy or recall")],
)
def test_settings_that_do_not_fit_live(overrides, problem):
    with pytest.raises(ConfigError, match=problem):
        compose("compare", ["live=x", *overrides])


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_damage_of_any_column_is_an_error_that_names_the_file(tmp_path, table):
    """Or it changes nothing that is read, or leaves too few labels."""
    log = MadeLog(tmp_path / "whole")
    for n in range(40):
        log.answer(f"{n}", "old", write(True, n))
        log.answer(f"{n}", "new", write(n % 8 > 0, n), role="shadow")
        log.label(f"{n}", LABELS[n % 2], minutes=n)
    log.write()
    outcomes: dict[str, set[str]] = {}
    folder = tmp_path / "damaged"
    cfg = compose("compare", [f"live={folder}", f"outputs={tmp_path}/out", "tracking=off"])
    for column, damage in list_damages(table):
        shutil.copytree(log.folder, folder)
        path = damage_log(folder, table, column, damage)
        try:
            compare_live(cfg)
            outcome = "compared"
        except SentimentError as error:
            assert error.exit_code == 2
            outcome = type(error).__name__
            assert path.name in str(error) or outcome == "EmptyDataError"
            assert len(str(error)) < 700
        outcomes.setdefault(column, set()).add(outcome)
        shutil.rmtree(folder)
    assert all("DamagedLogError" in outcome for outcome in outcomes.values())
    if table == "predictions":
        assert outcomes["rule"] == {"DamagedLogError", "compared"}
    else:
        assert outcomes["time"] == {"DamagedLogError", "compared"}
