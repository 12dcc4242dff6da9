"""Promotions: who becomes the champion, who is refused, what is recorded, and the way back."""

import json
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import mlflow
import pytest
from comparing import make_contenders
from conftest import Rivals
from mlflow import MlflowClient
from sweeping_in_process import Outage, failing_clients

from sentiment.commands.compare.job import ComparisonResult
from sentiment.commands.compare.measuring import measure
from sentiment.commands.promote import history
from sentiment.commands.promote.decision import Promotion
from sentiment.commands.promote.job import _Challenge, find_reasons, promote
from sentiment.commands.promote.view import show_promotion
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose
from sentiment.errors import (
    ConfigError,
    ExitCode,
    NothingToRollBackError,
    RunNotFoundError,
    TrackingStoreError,
)
from sentiment.redaction.printable import escape_markdown
from sentiment.tracking import MlflowRegistry, MlflowTracker, Version
from sentiment.tracking.lease import Lease

Promote = Callable[..., Promotion]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model of each test's own."""
    return re.sub(r"\W+", "-", request.node.name)


@pytest.fixture
def promote_run(rivals: Rivals, name: str) -> Promote:
    def run(result: TrainingResult | None = None, *overrides: str) -> Promotion:
        arguments = [f"name={name}", *overrides]
        if result is not None:
            arguments.append(f"run={result.run_id}")
        return promote(rivals.compose("promote", *arguments), "the command")

    return run


def champion(name: str, alias: str = "champion") -> str | None:
    """Return the run whose model an alias means."""
    try:
        return MlflowClient().get_model_version_by_alias(name, alias).run_id
    except mlflow.MlflowException:
        return None


@pytest.mark.slow
def test_an_outage_promotes_nothing_and_the_same_command_does(
    rivals: Rivals, promote_run: Promote, name: str
) -> None:
    promote_run(rivals.weak)
    for method in ("create_run", "create_model_version"):
        with (
            failing_clients(Outage(1, method=method)),
            pytest.raises(TrackingStoreError, match="give the same command again") as caught,
        ):
            promote_run(rivals.strong)
        assert "record" not in str(caught.value)
        assert caught.value.exit_code is ExitCode.UNAVAILABLE
        assert champion(name) == rivals.weak.run_id
    assert promote_run(rivals.strong).outcome == "promoted"
    assert champion(name) == rivals.strong.run_id


@pytest.mark.slow
def test_what_is_recorded(
    rivals: Rivals, promote_run: Promote, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    promote_run(rivals.weak)
    result = promote_run(rivals.strong)
    assert (result.outcome, result.reasons) == ("promoted", [])
    assert (champion(name), champion(name, "previous")) == (
        rivals.strong.run_id,
        rivals.weak.run_id,
    )
    version = MlflowClient().get_model_version_by_alias(name, "champion")
    assert version.tags["promotion.command"] == "the command"
    assert version.tags["promotion.replaced"] == "1"
    assert version.description == escape_markdown(result.sentence)
    assert re.fullmatch(
        rf"run {rivals.strong.run_id} is the champion of {name} as version 2, in place of version "
        rf"1 \(run {rivals.weak.run_id}\): accuracy \+\d+\.\d\d points, 95 % interval "
        r"\+\d+\.\d\d to \+\d+\.\d\d, on \d+ test rows of csv",
        result.sentence,
    )
    run = mlflow.get_run(str(rivals.strong.run_id))
    assert run.data.tags["promotion"] == "promoted"
    folder = Path(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/promotions"))
    records = [(path, json.loads(path.read_text())) for path in folder.glob("*/promotion.json")]
    # Other tests promote the same run, under names of their own.
    [(path, record)] = [(path, record) for path, record in records if record["name"] == name]
    assert {file.name for file in path.parent.iterdir()} == {"promotion.json", "comparison.html"}
    assert record["champion"]["run_id"] == rivals.weak.run_id
    assert record["challenger"]["run"] == rivals.strong.run_id
    assert record["fingerprint"] == rivals.strong.data.fingerprint
    gain = rivals.strong.metrics["test/accuracy"] - rivals.weak.metrics["test/accuracy"]
    assert record["difference"]["value"] == pytest.approx(gain)
    assert (record["rows"], record["force"], record["version"]) == (80, None, "2")
    assert result.comparison is not None
    show_promotion(result)
    printed = capsys.readouterr().out
    assert "\nverdict  B is better than A" in printed
    assert "│" not in printed  # the tables are those of `compare`
    repeated = promote_run(rivals.weak)
    assert repeated.comparison is not None
    assert repeated.comparison.earlier_promotions == result.comparison.earlier_promotions + 1
    assert mlflow.get_run(str(rivals.weak.run_id)).data.tags["promotion"] == "refused"
    assert champion(name) == rivals.strong.run_id


@pytest.mark.slow
def test_a_threshold_decides_for_challenger_champion_and_anchor(
    rivals: Rivals, promote_run: Promote
) -> None:
    def measure_accuracy(result: TrainingResult) -> float:
        predictions = result.predictions["test"]
        labels = predictions.classes[(predictions.probabilities[:, 1] >= 0.65).astype(int)]
        return float((labels == predictions.labels).mean())

    def read_record(promotion: Promotion) -> dict[str, Any]:
        assert promotion.comparison is not None
        record: dict[str, Any] = json.loads(
            (promotion.comparison.folder / "promotion.json").read_text()
        )
        return record

    strong, weak = map(measure_accuracy, (rivals.strong, rivals.weak))
    assert strong != rivals.strong.metrics["test/accuracy"]
    overrides = ["threshold=0.65", "margin=1", "alpha=1e-9"]
    promote_run(rivals.strong)
    second = promote_run(rivals.weak, *overrides)
    assert second.outcome == "promoted"
    record = read_record(second)
    assert record["threshold"] == 0.65
    assert record["difference"]["value"] == pytest.approx(weak - strong)
    assert record["anchor"]["loss"] == pytest.approx(strong - weak)
    third = read_record(promote_run(rivals.strong, *overrides))
    assert third["difference"]["value"] == pytest.approx(strong - weak)
    # The best champion so far is the same run, so it loses nothing.
    assert (third["anchor"]["version"]["number"], third["anchor"]["loss"]) == ("1", 0.0)
    with pytest.raises(ConfigError, match="leave threshold out"):
        promote_run(rivals.strong, "live=x", "threshold=0.65")
    unreached = rf"run {rivals.weak.run_id}: .*precision>=0\.9999.* do not show it"
    with pytest.raises(ConfigError, match=unreached):
        promote_run(rivals.weak, "threshold='precision>=0.9999'", "margin=1")


@pytest.mark.slow
def test_the_champion_itself_changes_nothing(
    rivals: Rivals, promote_run: Promote, name: str
) -> None:
    promote_run(rivals.strong)
    result = promote_run(None, "run=best")
    assert (result.outcome, result.comparison) == ("unchanged", None)
    assert len(MlflowClient().search_model_versions(f"name = '{name}'")) == 1


@pytest.mark.slow
def test_a_model_that_was_named_by_an_alias_is_registered_by_itself(
    rivals: Rivals, promote_run: Promote, name: str
) -> None:
    client = MlflowClient()
    client.create_registered_model(name)
    version = client.create_model_version(
        name, rivals.weak.model, rivals.weak.run_id, model_id=rivals.weak.model.split("/")[1]
    )
    client.set_registered_model_alias(name, "candidate", version.version)
    result = promote_run(None, f"run=models:/{name}@candidate")
    assert result.champion is not None
    # What another tool registered, and no promotion has used, is used.
    assert result.champion.number == str(version.version)
    assert champion(name) == rivals.weak.run_id


REASONS = [
    # metric, alpha, margin, what is found in each reason
    ("accuracy", 0.05, 0.5, ["the paired test finds it worse in accuracy (one-sided p "]),
    ("accuracy", 0.05, 0.001, ["its accuracy is worse by 0.", "the paired test finds it worse"]),
    ("log_loss", 0.05, 9.0, ["the paired test finds it worse in log_loss"]),
    ("log_loss", 1e-9, 0.001, ["its log_loss is worse by 0."]),
    ("log_loss", 1e-9, 9.0, []),
]


@pytest.mark.parametrize(("metric", "alpha", "margin", "expected"), REASONS)
def test_what_speaks_against_a_challenger(
    metric: str, alpha: float, margin: float, expected: list[str]
) -> None:
    better, worse = make_contenders([2.0, 1.0])
    (pair,) = measure([better, worse], metric, 0.95, 400, 1).pairs
    reasons = find_reasons(pair, metric, alpha, margin)
    assert len(reasons) == len(expected)
    for reason, beginning in zip(reasons, expected, strict=True):
        assert reason.startswith(beginning)
    (mirrored,) = measure([worse, better], metric, 0.95, 400, 1).pairs
    assert find_reasons(mirrored, metric, alpha, 0.0) == []


def test_as_good_is_not_worse() -> None:
    contender, _ = make_contenders([2.0, 1.0])
    (pair,) = measure([contender, contender], "accuracy", 0.95, 400, 1).pairs
    assert find_reasons(pair, "accuracy", 0.05, 0.0) == []
    assert find_reasons(pair, "log_loss", 0.5, 0.0) == []


def test_a_metric_that_is_not_defined_is_not_good_enough() -> None:
    better, worse = make_contenders([2.0, 1.0], rows=30)
    for challenger in (better, worse):
        challenger.predictions.labels[:] = "class 1"
    (pair,) = measure([worse, better], "roc_auc", 0.95, 300, 1).pairs
    (reason,) = find_reasons(pair, "roc_auc", 0.05, 1.0)
    assert reason.endswith("is not defined")


@pytest.mark.slow
def test_other_data_and_samples_take_a_reason(
    rivals: Rivals, promote_run: Promote, name: str
) -> None:
    assert promote_run(rivals.sample).reasons == ["it was trained on a sample"]
    assert champion(name) is None
    first = promote_run(rivals.sample, "force='there is nothing else'")
    assert (first.outcome, first.force) == ("promoted", "there is nothing else")
    refused = promote_run(rivals.other)
    assert refused.outcome == "refused"
    other_task, incomparable = refused.reasons
    assert other_task.endswith("name=<model>")
    assert f"run {rivals.sample.run_id} cannot be compared with run " in incomparable
    assert "compare with that: python scripts/train.py features=tfidf_unigram " in refused.sentence
    forced = promote_run(rivals.other, "force='the data are new'")
    assert forced.sentence.endswith(
        "in place of version 1, with which it was not compared; losses of later "
        "versions are measured from this one; forced: the data are new"
    )
    version = MlflowClient().get_model_version_by_alias(name, "champion")
    assert version.tags["promotion.force"] == "the data are new"


@pytest.mark.slow
def test_a_champion_that_lost_its_scores_takes_a_reason(
    rivals: Rivals, promote_run: Promote, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_run(rivals.weak)
    fetch = MlflowTracker.fetch_file

    def fail(tracker: MlflowTracker, run_id: str, path: str) -> Path:
        return fetch(tracker, run_id, "no" if run_id == rivals.weak.run_id else path)

    monkeypatch.setattr(MlflowTracker, "fetch_file", fail)
    refused = promote_run(rivals.strong)
    assert "an earlier version trained that model, which lacks it" in refused.reasons[0]
    assert promote_run(rivals.strong, "force='it has none'").outcome == "promoted"


@pytest.mark.slow
def test_a_killed_promotion_leaves_a_champion_and_is_done_by_the_same_command(
    rivals: Rivals, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped before each of its changes in turn."""
    originals = {
        (owner, method): getattr(owner, method)
        for owner, method in (
            (Lease, "_write"),
            (MlflowRegistry, "register"),
            (MlflowRegistry, "annotate"),
            (MlflowRegistry, "set_alias"),
            (MlflowRegistry, "set_tag"),
            (MlflowTracker, "annotate"),
        )
    }
    remaining = 0

    def stop_after(changes: int) -> None:
        nonlocal remaining
        remaining = changes

        for (owner, method), original in originals.items():

            def change(*arguments: object, original: Callable[..., object] = original) -> object:
                nonlocal remaining
                remaining -= 1
                if remaining < 0:
                    raise KeyboardInterrupt
                return original(*arguments)

            monkeypatch.setattr(owner, method, change)

    # What is compared is always the same.
    compare, results = _Challenge._compare, dict[str, ComparisonResult]()

    def compare_cheaply(challenge: _Challenge, version: Version) -> ComparisonResult:
        if version.run_id not in results:
            results[version.run_id] = compare(challenge, version)
        return results[version.run_id]

    monkeypatch.setattr(_Challenge, "_compare", compare_cheaply)

    def run(model: str, *overrides: str) -> Promotion:
        return promote(rivals.compose("promote", f"name={model}", *overrides))

    stops = 0
    for changes in count():
        model = f"{name}-{changes}"
        stop_after(100)
        run(model, f"run={rivals.weak.run_id}")
        stop_after(changes)
        try:
            run(model, "run=best")
            break
        except KeyboardInterrupt:
            stops += 1
        assert champion(model) in (rivals.weak.run_id, rivals.strong.run_id)
        stop_after(100)
        run(model, "run=best")
        version = MlflowClient().get_model_version_by_alias(model, "champion")
        assert version.run_id == rivals.strong.run_id
        assert version.tags[history.DONE] == "true"
        assert champion(model, "previous") == rivals.weak.run_id
        assert MlflowClient().get_registered_model(model).tags == {history.LAST: "2"}
        assert len(MlflowClient().search_model_versions(f"name = '{model}'")) == 2
    assert stops == 9

    undone = 0
    for changes in range(stops):
        model = f"{name}-{changes}"
        stop_after(changes)
        try:
            run(model, "rollback=true")
            break
        except KeyboardInterrupt:
            undone += 1
        assert champion(model) in (rivals.weak.run_id, rivals.strong.run_id)
        is_back = champion(model) == rivals.weak.run_id
        stop_after(100)
        sentence = run(model, "rollback=true").sentence
        assert is_back == ("where an interrupted command left it" in sentence)
        assert (champion(model), champion(model, "previous")) == (rivals.weak.run_id, None)
        assert MlflowClient().get_registered_model(model).tags == {history.LAST: "1"}
    assert undone == 6


@pytest.mark.slow
def test_going_back_goes_back_one_by_one(rivals: Rivals, promote_run: Promote, name: str) -> None:
    with pytest.raises(NothingToRollBackError, match="alias 'champion'"):
        promote_run(None, "rollback=true")
    promote_run(rivals.weak)
    with pytest.raises(NothingToRollBackError, match="alias 'previous'"):
        promote_run(None, "rollback=true")
    promote_run(rivals.strong)
    promote_run(rivals.weak, "force='it is small'")  # for the second time, as version 3
    went = [promote_run(None, "rollback=true").sentence for _ in range(2)]
    assert went == [
        f"{name} went back from version 3 to version 2",
        f"{name} went back from version 2 to version 1",
    ]
    assert champion(name) == rivals.weak.run_id
    with pytest.raises(NothingToRollBackError):
        promote_run(None, "rollback=true")
    refused = promote_run(rivals.strong)
    assert refused.outcome == "refused"
    assert refused.reasons[0].startswith("it was rolled back at 20")
    tags = MlflowClient().get_model_version(name, "3").tags
    assert tags[history.ROLLED_BACK].startswith("20")
    assert tags["promotion.force"] == "it is small", "its record is as it was"


MISTAKES = [
    (["alpha=0"], "alpha is 0; expected a share above 0"),
    (["margin=-1"], "margin is -1; expected a number from 0"),
    (["force=' '"], "force is ' '; expected the reason, such as force="),
    (["name=a/b"], "name is 'a/b'; expected a name without"),
    (["metric=x", "level=2", "alpha=1"], "3 problems in the configuration"),
]


@pytest.mark.parametrize(("overrides", "message"), MISTAKES)
def test_mistakes_are_reported_together(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        promote(compose("promote", overrides))
    assert message in str(caught.value)


def test_what_is_not_there_is_reported(rivals: Rivals, promote_run: Promote) -> None:
    with pytest.raises(RunNotFoundError, match="run 'nonsense' was not found"):
        promote_run(None, "run=nonsense")
    for overrides in (["rollback=true"], []):
        with pytest.raises(RunNotFoundError, match="tracking=mlflow"):
            promote(compose("promote", ["tracking=off", *overrides]))
