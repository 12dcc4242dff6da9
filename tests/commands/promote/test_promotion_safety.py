"""Promotions next to others, after rollbacks, and on stores that somebody changed."""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from conftest import Rivals
from mlflow import MlflowClient
from starting import Starter

from sentiment.commands.promote import history
from sentiment.commands.promote.decision import Promotion
from sentiment.commands.promote.history import ANCHOR
from sentiment.commands.promote.job import promote
from sentiment.commands.train.job import TrainingResult, train
from sentiment.config import Job, compose, make
from sentiment.errors import (
    ExperimentDeletedError,
    NothingToRollBackError,
    RunDeletedError,
    RunNotFoundError,
    UntrustedModelError,
    UnusableVersionError,
)
from sentiment.redaction.printable import escape_markdown
from sentiment.tracking import MlflowRegistry, MlflowTracker

Promote = Callable[..., Promotion]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A registered model of each test's own."""
    return re.sub(r"\W+", "-", request.node.name)


@pytest.fixture
def promote_run(rivals: Rivals, name: str) -> Promote:
    def run(
        result: TrainingResult | None, *overrides: str, new_data: str | None = None
    ) -> Promotion:
        arguments = [f"name={name}", *overrides]
        if result is not None:
            arguments.append(f"run={result.run_id}")
        return promote(rivals.compose("promote", *arguments), "the command", new_data=new_data)

    return run


@pytest.fixture
def aliases(rivals: Rivals, name: str) -> Callable[[], dict[str, str]]:
    """The runs that the aliases of the model point to, by the names that `rivals` gives them."""
    names = {str(getattr(rivals, run).run_id): run for run in ("weak", "strong", "other")}

    def read() -> dict[str, str]:
        client = MlflowClient()
        aliases_by_name = client.get_registered_model(name).aliases
        return {
            alias: names[client.get_model_version(name, number).run_id]
            for alias, number in aliases_by_name.items()
        }

    return read


def count_versions(name: str) -> int:
    return len(MlflowClient().search_model_versions(f"name = '{name}'"))


@contextmanager
def without_files(uri: str | None) -> Iterator[None]:
    """Take the files of a model away for a while."""
    folder = Path(mlflow.artifacts.download_artifacts(f"{uri}"))
    hidden = folder.with_name("hidden")
    folder.rename(hidden)
    yield
    hidden.rename(folder)


@pytest.mark.slow
@pytest.mark.parametrize("late", ["weak", "strong"])
def test_a_champion_that_changes_during_the_comparison_is_compared_again(
    rivals: Rivals,
    promote_run: Promote,
    aliases: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    late: str,
) -> None:
    """The other rival is promoted after `late` was compared and before it takes the lease."""
    trained_runs = {"weak": rivals.weak, "strong": rivals.strong}
    early = trained_runs["strong" if late == "weak" else "weak"]
    lock, calls = MlflowRegistry.lock, []

    def let_the_other_go_first(registry: MlflowRegistry) -> object:
        calls.append(registry)
        if len(calls) == 1:
            promote_run(early)
        return lock(registry)

    monkeypatch.setattr(MlflowRegistry, "lock", let_the_other_go_first)
    result = promote_run(trained_runs[late])
    if late == "weak":
        assert result.outcome == "refused"
        assert result.comparison is not None
        assert result.comparison.comparison.contenders[0].run.id == early.run_id
        assert aliases()["champion"] == "strong"
    else:
        assert result.outcome == "promoted"
        assert aliases() == {"champion": "strong", "previous": "weak"}


def test_two_processes_at_once(rivals: Rivals, starter: Starter, tmp_path: Path) -> None:
    """Whichever comes first, the better run is the champion, and nothing is skipped."""
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals", "resamples=200"]
    for trial in range(3):
        name = f"both-{trial}"
        started = [
            starter.start(tmp_path, "promote", f"run={trained.run_id}", f"name={name}", *where)
            for trained in (rivals.weak, rivals.strong)
        ]
        done = [process.wait() for process in started]
        codes = tuple(process.returncode for process in done)
        client = MlflowClient()
        model = client.get_registered_model(name)
        runs = {
            alias: client.get_model_version(name, number).run_id
            for alias, number in model.aliases.items()
        }
        # Either the weak one was first and was replaced, or it was refused.
        expected = {"champion": rivals.strong.run_id}
        if codes == (0, 0):
            expected["previous"] = rivals.weak.run_id
        else:
            assert codes == (4, 0), [process.stderr for process in done]
        assert runs == expected
        assert not [key for key in model.tags if key.startswith("promotion.lease")]


@pytest.mark.slow
def test_an_alias_that_somebody_moves_at_the_last_moment_is_seen(
    rivals: Rivals,
    promote_run: Promote,
    name: str,
    aliases: Callable[[], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the MLflow UI does, which takes no lease: after the record, before the alias moves."""
    promote_run(rivals.strong)
    promote_run(rivals.other, "force='to have two'")
    register = MlflowRegistry.register

    def register_late(registry: MlflowRegistry, uri: str, run_id: str) -> object:
        version = register(registry, uri, run_id)
        MlflowClient().set_registered_model_alias(name, "champion", "1")
        return version

    monkeypatch.setattr(MlflowRegistry, "register", register_late)
    result = promote_run(rivals.weak, new_data="the data are new")
    assert result.outcome == "refused"
    assert aliases()["champion"] == "strong"
    version = MlflowClient().get_model_version(name, "3")
    assert version.description == escape_markdown(result.sentence), (
        "what was registered is not called a champion"
    )


def test_a_model_is_loaded_before_an_alias_points_to_it(
    rivals: Rivals, promote_run: Promote, name: str, tmp_path: Path
) -> None:
    with (
        without_files(rivals.strong.model),
        pytest.raises(RunNotFoundError, match="Its artifacts were deleted: train"),
    ):
        promote_run(rivals.strong)
    folder = Path(mlflow.artifacts.download_artifacts(str(rivals.strong.model)))
    path = folder / "model.skops"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1000])
        with pytest.raises(UntrustedModelError, match="was changed after it was trained"):
            promote_run(rivals.strong)
    finally:
        path.write_bytes(content)
    assert count_versions(name) == 0


@pytest.mark.slow
def test_a_deleted_run_or_experiment_leaves_nothing_half_done(
    rivals: Rivals, promote_run: Promote, name: str
) -> None:
    client, run_id = MlflowClient(), str(rivals.strong.run_id)
    client.delete_run(run_id)
    try:
        with pytest.raises(RunDeletedError, match=f"mlflow runs restore --run-id {run_id}"):
            promote_run(rivals.strong)
        address = f"run={rivals.strong.model}"
        with pytest.raises(RunDeletedError):
            promote_run(None, address, "force='all the same'")
    finally:
        client.restore_run(run_id)
    assert count_versions(name) == 0
    assert promote_run(rivals.strong).outcome == "promoted"


def test_a_deleted_experiment_is_named_by_every_command(tmp_path: Path) -> None:
    """Before any work, in training as well as where its best run is asked for."""
    store = [f"outputs={tmp_path}"]
    tracker: MlflowTracker = make(compose("promote", store), "tracking", "find_model")
    tracker.open()
    client = MlflowClient(tracker.uri)
    experiment = client.get_experiment_by_name(tracker.experiment)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    for work in (
        tracker.open,
        lambda: promote(compose("promote", store)),
        lambda: tracker.find_model("best", "accuracy"),
    ):
        with pytest.raises(ExperimentDeletedError, match="restore --experiment-id 1"):
            work()


@pytest.mark.slow
def test_the_run_of_a_champion_that_is_deleted_is_a_reason(
    rivals: Rivals, promote_run: Promote, aliases: Callable[[], dict[str, str]]
) -> None:
    promote_run(rivals.weak)
    MlflowClient().delete_run(str(rivals.weak.run_id))
    try:
        refused = promote_run(rivals.strong)
    finally:
        MlflowClient().restore_run(str(rivals.weak.run_id))
    assert refused.outcome == "refused"
    assert "Restore it" in refused.reasons[0]
    assert aliases() == {"champion": "weak"}


@pytest.mark.slow
def test_a_rollback_to_a_version_without_files_is_refused(
    rivals: Rivals, promote_run: Promote, name: str, aliases: Callable[[], dict[str, str]]
) -> None:
    promote_run(rivals.strong)
    promote_run(rivals.weak, "force='to have two'")
    promote_run(rivals.other, "force='to have three'")
    aliases_before = aliases()
    with without_files(rivals.weak.model), pytest.raises(UnusableVersionError) as caught:
        promote_run(None, "rollback=true")
    message = str(caught.value)
    assert message.startswith(f"version 2 of {name} cannot be loaded: ")
    assert "The champion is still version 3. The next older version that can be loaded is 1: " in (
        message
    )
    assert aliases() == aliases_before == {"champion": "other", "previous": "weak"}
    overrides = shlex.split(message.rpartition("scripts/promote.py ")[2].rstrip("."))
    assert promote(rivals.compose("promote", *overrides)).outcome == "promoted"
    assert aliases() == {"champion": "strong", "previous": "other"}


@pytest.mark.slow
def test_a_rollback_to_a_version_that_was_deleted_is_refused(
    rivals: Rivals, promote_run: Promote, name: str, aliases: Callable[[], dict[str, str]]
) -> None:
    promote_run(rivals.weak)
    promote_run(rivals.strong)
    MlflowClient().delete_model_version(name, "1")
    with pytest.raises(UnusableVersionError, match="it was deleted.*No older version") as caught:
        promote_run(None, "rollback=true")
    assert "version 1 of" in str(caught.value)
    assert aliases() == {"champion": "strong"}


@pytest.mark.slow
def test_a_deleted_champion_does_not_let_the_next_run_in(
    rivals: Rivals, promote_run: Promote, name: str, aliases: Callable[[], dict[str, str]]
) -> None:
    promote_run(rivals.strong)
    promote_run(rivals.other, "force='to have two'")
    MlflowClient().delete_model_version(name, "2")
    assert aliases() == {"previous": "strong"}
    # What is left is compared with.
    refused = promote_run(rivals.weak)
    assert refused.outcome == "refused"
    assert refused.champion is None
    assert refused.comparison is not None
    assert refused.comparison.comparison.contenders[0].run.id == rivals.strong.run_id
    back = promote_run(None, "rollback=true")
    assert back.sentence == f"{name} is back at version 1, since its champion was deleted"
    assert aliases() == {"champion": "strong"}
    # Nothing is left.
    MlflowClient().delete_model_version(name, "1")
    refused = promote_run(rivals.weak)
    assert refused.reasons == [
        f"version 1, the champion of {name}, was deleted, and no earlier one is left to compare "
        "with"
    ]
    with pytest.raises(NothingToRollBackError):
        promote_run(None, "rollback=true")
    assert promote_run(rivals.weak, "force='a new start'").outcome == "promoted"
    assert aliases() == {"champion": "weak"}


@pytest.mark.slow
def test_an_alias_that_was_removed_is_known_from_the_record(
    rivals: Rivals, promote_run: Promote, name: str, aliases: Callable[[], dict[str, str]]
) -> None:
    promote_run(rivals.weak)
    MlflowClient().delete_registered_model_alias(name, "champion")
    MlflowClient().delete_registered_model_tag(name, history.LAST)  # of an earlier version of this
    result = promote_run(rivals.strong)
    assert "the champion was gone, and version 1 was the last one left" in result.sentence
    assert aliases() == {"champion": "strong", "previous": "weak"}


def train_again(rivals: Rivals, folder: Path, *overrides: str) -> TrainingResult:
    arguments = ["data=csv", f"data.path={rivals.data}", "features=tfidf_unigram", *overrides]
    where = [f"outputs={rivals.store}", "tracking.experiment=again"]
    folder.mkdir()
    return train(compose("train", [*where, *arguments]), Job(folder, {}, arguments))


@pytest.mark.slow
def test_a_schedule_does_not_undo_a_rollback(
    rivals: Rivals,
    promote_run: Promote,
    aliases: Callable[[], dict[str, str]],
    tmp_path: Path,
) -> None:
    """Not with the cached run, not with the same one trained again, not with newer data."""
    promote_run(rivals.weak)
    first = promote_run(rivals.other, new_data="trained on newer data")
    assert first.sentence.endswith(
        "in place of version 1, with which it was not compared; losses of later "
        "versions are measured from this one; trained on newer data"
    )
    promote_run(None, "rollback=true")
    cached = promote_run(rivals.other, new_data="trained on newer data")
    assert cached.outcome == "refused"
    assert cached.reasons[0].startswith("it was rolled back at 20")
    twin = train_again(rivals, tmp_path / "twin", "features.max_features=5", "seed=7")
    repeated = promote_run(twin, new_data="trained on newer data")
    assert repeated.outcome == "refused"
    assert repeated.reasons[0].startswith(
        "version 2, trained with the same settings on the same data, was rolled back at 20"
    )
    newer = train_again(rivals, tmp_path / "newer", "features.max_features=5", "seed=8")
    third = promote_run(newer, new_data="trained on newer data")
    assert third.reasons == [
        "it cannot be compared with version 1, which was scored on other data, and version 2, "
        "which replaced that one, was rolled back"
    ]
    # What can be compared goes on, and so does a person.
    assert aliases() == {"champion": "weak"}
    assert promote_run(rivals.strong).outcome == "promoted"


@pytest.mark.slow
def test_what_a_flow_rolled_back_by_itself_does_not_stop_newer_data(
    rivals: Rivals, promote_run: Promote, name: str, tmp_path: Path
) -> None:
    promote_run(rivals.weak)
    promote_run(rivals.strong)
    cfg = rivals.compose("promote", f"name={name}", "rollback=true")
    promote(cfg, history.FLOW)
    assert promote_run(rivals.other, new_data="trained on newer data").outcome == "promoted"


@pytest.mark.slow
def test_losses_are_counted_from_the_best_champion(
    rivals: Rivals, promote_run: Promote, name: str, tmp_path: Path
) -> None:
    weaker = train_again(rivals, tmp_path / "weaker", "features.max_features=3")
    scores = [trained.metrics["test/accuracy"] for trained in (rivals.strong, rivals.weak, weaker)]
    losses = [scores[0] - scores[1], scores[1] - scores[2]]
    assert 0 <= losses[1] < losses[0], "it is about as good as the weak one"
    assert weaker.data.fingerprint == rivals.weak.data.fingerprint
    wide, narrow = losses[0] + 0.001, losses[1] + 0.001
    margin = [f"margin={wide}", "alpha=1e-12"]

    def read_anchor(number: str) -> str:
        return MlflowClient().get_model_version(name, number).tags[ANCHOR]

    promote_run(rivals.strong)
    assert promote_run(rivals.weak, *margin).outcome == "promoted"
    assert (read_anchor("1"), read_anchor("2")) == ("1", "1")
    # Within the margin of the champion, not of the best one.
    refused = promote_run(weaker, f"margin={narrow}", "alpha=1e-12")
    loss = scores[0] - scores[2]
    assert refused.reasons == [
        f"its accuracy is worse by {loss:.4f} than that of version 1, the best champion so far, "
        f"more than margin={narrow:g}"
    ]
    # A person may decide otherwise; then losses are counted from there.
    forced = promote_run(weaker, f"margin={narrow}", "force='it is small'")
    assert (
        "losses of later versions are measured from this one; forced: it is small"
        in forced.sentence
    )
    assert read_anchor("3") == "3"
    # What is better moves the anchor.
    assert promote_run(rivals.weak, *margin).outcome == "promoted"
    assert read_anchor("4") == "4"
    # The anchor is the champion's own, so that it goes back with it.
    promote_run(None, "rollback=true")
    promote_run(None, "rollback=true")
    champion = MlflowClient().get_model_version_by_alias(name, "champion")
    assert (str(champion.version), champion.tags[ANCHOR]) == ("2", "1")


@pytest.mark.slow
def test_an_anchor_that_was_deleted_is_replaced(
    rivals: Rivals, promote_run: Promote, name: str
) -> None:
    margin = ["margin=0.5", "alpha=1e-12"]
    promote_run(rivals.strong)
    promote_run(rivals.weak, *margin)
    MlflowClient().delete_model_version(name, "1")
    result = promote_run(rivals.strong, *margin)
    assert "; losses of later versions are measured from this one" in result.sentence
    version = MlflowClient().get_model_version_by_alias(name, "champion")
    assert version.tags[ANCHOR] == str(version.version)
