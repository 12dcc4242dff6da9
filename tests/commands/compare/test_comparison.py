"""Comparisons: what is found, what is refused, what is kept, and the page."""

import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from comparing import make_contenders
from conftest import Rivals
from starting import Starter
from sweeping_in_process import Outage, failing_clients

from sentiment.commands.compare.contenders import check_same_rows
from sentiment.commands.compare.descriptions import (
    describe_earlier,
    describe_evidence,
    describe_verdict,
    format_excerpt,
    format_p_value,
    format_size,
    format_speed,
)
from sentiment.commands.compare.job import compare
from sentiment.commands.compare.measuring import Comparison, measure
from sentiment.commands.compare.page import write_page
from sentiment.commands.train.job import train
from sentiment.config import Job, compose
from sentiment.config.metrics import list_shown
from sentiment.errors import (
    ConfigError,
    IncomparableRunsError,
    RunNotFoundError,
    RunNotRecordedError,
)
from sentiment.modeling.evaluation import EXCERPT, score
from sentiment.tracking.recording import record

FACTS = {
    "at": "2030-01-02T03:04:05+00:00",
    "data": "made-up",
    "fingerprint": "abc",
    "command": "python scripts/compare.py",
    "comparisons_before": 2,
    "promotions_before": 1,
}


def compare_made_up(*skills: float, metric: str = "accuracy", **options: object) -> Comparison:
    contenders = make_contenders(list(skills), **options)  # type: ignore[arg-type]
    return measure(contenders, metric, 0.95, 400, 1)


@pytest.mark.slow
def test_what_is_found_is_what_training_measured(rivals: Rivals) -> None:
    weak, strong = rivals.weak, rivals.strong
    cfg = rivals.compose("compare", f"runs=[{weak.run_id},'{strong.model}']")
    result = compare(cfg, "python scripts/compare.py")
    comparison = result.comparison
    assert comparison.rows == len(weak.data.test)
    for scores, trained in zip(comparison.scores, (weak, strong), strict=True):
        values = {f"test/{name}": estimate.value for name, estimate in scores.items()}
        assert values == pytest.approx({name: trained.metrics[name] for name in values})
        for estimate in scores.values():
            assert np.isnan(estimate.low) or estimate.low <= estimate.value <= estimate.high
    (pair,) = comparison.pairs
    assert pair.judge("accuracy", 0.95) == 1
    difference = pair.differences["accuracy"]
    assert difference.value == pytest.approx(
        strong.metrics["test/accuracy"] - weak.metrics["test/accuracy"]
    )
    assert comparison.contenders[1].size_mb == strong.metrics["model/size_mb"]
    assert comparison.contenders[1].rows_per_second == strong.metrics["deploy/rows_per_second"]


def test_it_is_kept_and_never_taken_for_a_training_run(rivals: Rivals) -> None:
    cfg = rivals.compose("compare", f"a={rivals.weak.run_id}", "b=best")
    result, repeated = compare(cfg, "the command"), compare(cfg)
    assert repeated.earlier_comparisons == result.earlier_comparisons + 1
    run = mlflow.get_run(str(result.run_id))
    assert run.data.tags["kind"] == "comparison"
    assert run.data.tags["command"] == "the command"
    assert run.data.tags["data.fingerprint"] == rivals.weak.data.fingerprint
    assert run.data.params["run_A"] == rivals.weak.run_id
    assert run.data.metrics["B/accuracy"] == rivals.strong.metrics["test/accuracy"]
    folder = Path(mlflow.artifacts.download_artifacts(run_id=result.run_id))
    names = {path.name for path in folder.iterdir()}
    assert names == {"comparison.html", "comparison.json", "disagreements_A_B.csv"}
    table = json.loads((folder / "comparison.json").read_text())
    assert [entry["run"] for entry in table["runs"]] == [rivals.weak.run_id, rivals.strong.run_id]
    assert table["pairs"][0]["verdict"].startswith("B is better than A: right on ")
    rows = pd.read_csv(folder / "disagreements_A_B.csv")
    errors = result.comparison.pairs[0].errors
    counts = rows["right"].value_counts().to_dict()
    assert counts == {"A": errors.only_first, "B": errors.only_second}
    texts = rivals.weak.data.test["text"]
    for row in rows.to_dict("records"):
        assert row[row["right"]] == row["label"]
        assert texts[row["row"]].startswith(row["excerpt"][:20])


def test_an_outage_costs_no_comparison(rivals: Rivals) -> None:
    cfg = rivals.compose("compare", f"a={rivals.weak.run_id}", "b=best")
    with (
        failing_clients(Outage(1, method="create_run")),
        pytest.raises(RunNotRecordedError) as caught,
    ):
        compare(cfg, "the command")
    folder = caught.value.folder
    assert f". Nothing is lost: the comparison is in '{folder}'. When" in str(caught.value)
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals"]
    assert " ".join(["python scripts/record.py", f"folder={folder}"]) in str(caught.value)
    recorded = [record(compose("record", [f"folder='{folder}'", *where])) for _ in range(2)]
    assert recorded[0] == recorded[1]
    assert recorded[0].model == ""
    usual = mlflow.get_run(str(compare(cfg, "the command").run_id))
    run = mlflow.get_run(str(recorded[0].run_id))
    assert run.info.status == "FINISHED"
    assert run.data.params == usual.data.params
    assert run.data.metrics == usual.data.metrics
    names = [
        sorted(
            artifact.path
            for artifact in mlflow.MlflowClient().list_artifacts(tracked_run.info.run_id)
        )
        for tracked_run in (run, usual)
    ]
    assert names[0] == names[1] == ["comparison.html", "comparison.json", "disagreements_A_B.csv"]


REFUSED = [
    ([], "0 runs to compare; expected two or more: runs=[best,<id>]"),
    (["runs=[best]"], "1 run to compare"),
    (["a=best"], "1 run to compare"),
    (["runs=[best,{strong}]", "a=best"], "set either runs="),
    (["runs=[{weak},{weak}]"], "run {weak} is named twice, as {weak} and as {weak}. Name"),
    (["runs=[best,{strong}]"], "run {strong} is named twice, as best and as {strong}. Name"),
    (["runs=[best,{weak}]", "metric=acuracy"], "Did you mean 'accuracy'?"),
    (["runs=[best,{weak}]", "level=95"], "level is 95; expected a share"),
    (["runs=[best,{weak}]", "resamples=10", "seed=-1"], "2 problems in the configuration"),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED)
def test_what_cannot_be_asked_is_reported(
    rivals: Rivals, overrides: list[str], message: str
) -> None:
    ids = {"weak": rivals.weak.run_id, "strong": rivals.strong.run_id}
    with pytest.raises(ConfigError) as caught:
        compare(rivals.compose("compare", *(word.format(**ids) for word in overrides)))
    assert message.format(**ids) in str(caught.value)


def test_runs_that_are_not_there_or_kept_no_scores_are_reported(
    rivals: Rivals, tmp_path: Path
) -> None:
    cfg = rivals.compose("compare", "runs=[best,nonsense]")
    with pytest.raises(RunNotFoundError, match="run 'nonsense' was not found"):
        compare(cfg)
    with pytest.raises(RunNotFoundError, match="only where training tracked them"):
        compare(compose("compare", ["runs=[best,x]", "tracking=off", f"outputs={tmp_path}"]))
    assert list(tmp_path.iterdir()) == []


def test_runs_on_other_data_are_refused_with_the_command_that_helps(rivals: Rivals) -> None:
    cfg = rivals.compose("compare", f"a={rivals.strong.run_id}", f"b={rivals.other.run_id}")
    with pytest.raises(IncomparableRunsError) as caught:
        compare(cfg)
    message = str(caught.value)
    digits = [result.data.fingerprint[:12] for result in (rivals.strong, rivals.other)]
    assert f"data csv {digits[0]} against data csv {digits[1]}; seed is 42 against 7." in message
    command = shlex.split(message.partition("compare with that: ")[2])
    assert command[:2] == ["python", "scripts/train.py"]
    train_cfg = compose("train", command[2:])
    assert (train_cfg.seed, train_cfg.features.max_features, train_cfg.data.path) == (
        7,
        3000,
        str(rivals.data),
    )


@pytest.mark.slow
def test_the_command_that_helps_gives_runs_that_can_be_compared(
    rivals: Rivals, tmp_path: Path
) -> None:
    cfg = rivals.compose("compare", f"a={rivals.strong.run_id}", f"b={rivals.sample.run_id}")
    with pytest.raises(IncomparableRunsError, match=r"\(a sample\); data.limit is null") as caught:
        compare(cfg)
    overrides = shlex.split(str(caught.value).partition("scripts/train.py ")[2])
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals"]
    retrained = train(compose("train", [*where, *overrides]), Job(tmp_path, {}, overrides))
    cfg = rivals.compose("compare", f"a={retrained.run_id}", f"b={rivals.sample.run_id}")
    assert compare(cfg).comparison.rows == len(rivals.sample.data.test)


def test_rows_are_compared_as_well_as_fingerprints() -> None:
    first, second = make_contenders([1.0, 1.0])
    check_same_rows(first, second)
    _, other_excerpts = make_contenders([1.0, 1.0], excerpt="another")
    with pytest.raises(IncomparableRunsError, match="the test rows that they kept"):
        check_same_rows(first, other_excerpts)
    _, third = make_contenders([1.0, 1.0], classes=3)
    with pytest.raises(IncomparableRunsError, match="against 'class 0', 'class 1' and 'class 2'"):
        check_same_rows(first, third)


def test_of_models_that_agree_on_every_row_no_loss_is_noticed() -> None:
    contenders = make_contenders([1.0, 2.0])
    twin = replace(contenders[1], predictions=contenders[0].predictions)
    comparison = measure([contenders[0], twin], "accuracy", 0.95, 300, 1)
    assert "noticed" not in describe_evidence(comparison, comparison.pairs[0])


def test_a_run_without_a_command_has_a_remedy_in_words() -> None:
    contender, _ = make_contenders([1.0, 1.0])
    _, other = make_contenders([1.0, 1.0])
    other.run.tags["data.fingerprint"] = "xyz"
    other.run.tags["command"] = ""
    with pytest.raises(IncomparableRunsError, match="Train one of them again on the data of the"):
        check_same_rows(contender, other)


@pytest.mark.parametrize("classes", [2, 4])
def test_of_several_runs_each_is_compared_with_the_first(classes: int) -> None:
    comparison = compare_made_up(1.0, 1.0, 2.5, classes=classes)
    assert [(d.first.key, d.second.key) for d in comparison.pairs] == [("A", "B"), ("A", "C")]
    assert [pair.judge("accuracy", 0.95) for pair in comparison.pairs] == [0, 1]
    alone = compare_made_up(1.0, 1.0, classes=classes).pairs[0]
    # Holm: the larger of two p-values is as it is alone, the smaller is doubled.
    assert comparison.pairs[0].p["accuracy"] == pytest.approx(alone.errors.test().p)
    assert comparison.pairs[1].p["accuracy"] == pytest.approx(
        2 * comparison.pairs[1].errors.test().p
    )
    for scores, contender in zip(comparison.scores, comparison.contenders, strict=True):
        values = {name: estimate.value for name, estimate in scores.items()}
        expected = score(contender.predictions)
        assert list(values) == list_shown(classes)
        assert values == pytest.approx({name: expected[name] for name in values})


def test_a_loss_is_worse_whatever_the_direction_of_the_metric() -> None:
    (pair,) = compare_made_up(2.5, 1.0).pairs
    for name in pair.p:
        if name != "ece":
            assert pair.measure_gain(name) < 0
            assert pair.test_worse(name) < 0.05
            assert pair.judge(name, 0.95) == -1
    (mirrored,) = compare_made_up(1.0, 2.5).pairs
    assert min(mirrored.test_worse(n) for n in mirrored.p if n != "ece") > 0.9
    assert pair.compute_detectable_effect("accuracy", 0.05) == pytest.approx(
        (1.6449 + 0.8416) * pair.differences["accuracy"].error, rel=1e-3
    )


def test_the_examples_are_those_that_differ_most() -> None:
    (pair,) = compare_made_up(1.0, 2.0).pairs
    table = pair.list_disagreements()
    assert len(table) == pair.errors.discordant
    gaps = (table["A_probability"] - table["B_probability"]).abs()
    assert gaps.is_monotonic_decreasing
    only_a = table[table["right"] == "A"]
    assert (only_a["A"] == only_a["label"]).all()
    assert (only_a["B"] != only_a["label"]).all()


def test_the_verdict_is_a_sentence() -> None:
    better = compare_made_up(1.0, 2.5)
    assert re.fullmatch(
        r"B is better than A: right on \d\d\.\d\d % against \d\d\.\d\d % \(\+\d+\.\d\d points, "
        r"95 % interval \+\d+\.\d\d to \+\d+\.\d\d, McNemar p < 0.001\)\.",
        describe_verdict(better, better.pairs[0]),
    )
    comparison = compare_made_up(1.0, 1.0, metric="log_loss", rows=600)
    assert re.fullmatch(
        r"600 test rows show no evidence of a difference between A and B in log_loss: "
        r"log_loss 0\.\d{4} against 0\.\d{4} \([+-]0\.\d{4}, 95 % interval -0\.\d{4} to "
        r"\+0\.\d{4}, permutation test "
        r"p = 0\.\d{3}\); a loss of 0\.\d{4} would probably have been noticed\.",
        describe_verdict(comparison, comparison.pairs[0]),
    )
    few = compare_made_up(1.0, 1.0, metric="log_loss", rows=100)
    assert ", too few rows for an interval, permutation test p = " in (
        describe_verdict(few, few.pairs[0])
    )
    worse = compare_made_up(2.5, 1.0)
    assert describe_verdict(worse, worse.pairs[0]).startswith("B is worse than A: ")


def test_small_words() -> None:
    assert [format_p_value(p) for p in (0.0001, 0.0123, 0.9999)] == [
        "p < 0.001",
        "p = 0.012",
        "p = 1",
    ]
    assert format_size(float("nan")) == "not known"
    assert (format_size(5.94), format_speed(33427)) == ("5.9 MB", "33,427 rows/s")
    assert describe_earlier(0, 0) == "the first comparison on these test rows"
    assert describe_earlier(1, 0) == "1 earlier comparison used these test rows"
    assert describe_earlier(3, 1).endswith("rows, 1 of them for a promotion")
    assert format_excerpt("a<br /><br />b\n\tc\x1b[2J") == "a b c [2J"
    assert format_excerpt("x" * EXCERPT)[-2:] == "x…"


class Page(HTMLParser):
    """Counts tags, and holds every text and attribute."""

    void = frozenset({"meta", "link", "br", "line", "circle", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("skills", [(1.0, 2.0), (1.0, 1.0, 2.0), (1.0, 1.0)])
def test_the_page_is_whole_and_needs_nothing_else(
    skills: tuple[float, ...], tmp_path: Path
) -> None:
    evil = "<script>alert('x')</script> & \"quoted\""
    comparison = compare_made_up(*skills, excerpt=evil)
    for contender in comparison.contenders:
        contender.run.tags["command"] = evil
    write_page(comparison, FACTS | {"data": evil, "command": evil}, tmp_path / "page.html")
    source = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(source)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.seen)
    assert "://" not in source
    assert "url(" not in source
    assert "@import" not in source
    assert "nan" not in re.findall(r"[a-z]+", " ".join(value for _, value in page.attributes))
    assert page.text.count(evil) > 4
    assert page.seen.count("svg") == 2 * len(comparison.scores[0]) * len(comparison.pairs)
    assert "prefers-color-scheme: dark" in source
    assert page.text.count("Only B is right") == 1
    assert ("Holm" in page.text) == (len(skills) > 2)
    outcomes = [
        pair.judge(metric, comparison.level)
        for pair in comparison.pairs
        for metric in (*comparison.scores[0], comparison.metric)  # the table and the title
    ]
    assert page.text.count("no evidence of a difference") == outcomes.count(0)
    assert "2 earlier comparisons used these test rows, 1 of them" in page.text
    numbers = [float(value) for name, value in page.attributes if name in ("x1", "x2", "cx")]
    assert min(numbers) >= 0
    assert max(numbers) <= 140


def test_the_page_of_a_metric_that_is_not_known(tmp_path: Path) -> None:
    """Where the test rows are of one class, there is no area under a curve."""
    contenders = make_contenders([1.0, 2.0], rows=30)
    for contender in contenders:
        contender.predictions.labels[:] = "class 1"
    comparison = measure(contenders, "accuracy", 0.95, 300, 1)
    assert np.isnan(comparison.scores[0]["roc_auc"].value)
    assert np.isnan(comparison.pairs[0].p["roc_auc"])
    write_page(comparison, FACTS, tmp_path / "page.html")
    assert Page((tmp_path / "page.html").read_text(encoding="utf-8")).open == []


def test_the_script(rivals: Rivals, starter: Starter, tmp_path: Path) -> None:
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals", "resamples=300"]
    done = starter.run(tmp_path, "compare", f"runs=[{rivals.weak.run_id},best]", *where)
    assert (done.returncode, done.stderr) == (0, "")
    for expected in (
        "data     csv ",
        "A        logistic_regression on weak, data=csv ",
        f" (run {rivals.weak.run_id}): ",
        "         best validation/accuracy of ",
        "B against A: ▲ better, ▼ worse",
        "│ accuracy ↑  │ 0.",
        "rows     both right ",
        "only B is right, such as",
        "verdict  B is better than A: right on ",
        "run      ",
    ):
        assert expected in done.stdout
    page = re.search(r"^page     (.*)$", done.stdout, re.MULTILINE)
    assert page is not None
    assert Path(page[1]).is_file()
    assert list(tmp_path.iterdir()) == []
    refused = starter.run(tmp_path, "compare", f"runs=[best,{rivals.other.run_id}]", *where)
    assert (refused.returncode, refused.stdout) == (2, "")
    incomparable = f" cannot be compared with run {rivals.other.run_id}: "
    assert refused.stderr.startswith(f"compare.py: run {rivals.strong.run_id}{incomparable}")
