"""Promotions on real servers, by processes that meet each other or are killed."""

from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

import pandas as pd
import pytest
from conftest import write_frame
from mlflow import MlflowClient
from postgresql import Server
from starting import Starter

from sentiment.commands.promote.history import DONE, REPLACED
from sentiment.commands.promote.job import promote
from sentiment.commands.train.job import train
from sentiment.config import Job, compose

# Kills the process before the given call of a method of MLflow's client.
KILL = """
import mlflow, os, signal

method, left = mlflow.MlflowClient.{method}, {call}


def stop(*args, **kwargs):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return method(*args, **kwargs)


mlflow.MlflowClient.{method} = stop
"""
# While it waits for the lease, with a version tagged in part, between the two aliases, and with
# both moved.
KILLS = [
    ("set_registered_model_tag", 2),
    ("set_model_version_tag", 2),
    ("set_registered_model_alias", 2),
    ("set_registered_model_tag", 3),
]


@pytest.fixture(params=["mlflow", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An MLflow store: a server's, or that of its database."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        return server.create_database().address
    server_options = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "2"]
    server_options += ["--artifacts-destination", f"{tmp_path}/kept"]
    start: Callable[..., str] = request.getfixturevalue("served")
    return start("server", *server_options, health="/health")


@pytest.mark.server
@pytest.mark.process
def test_promotions_that_meet_or_are_killed(
    tmp_path: Path,
    starter: Starter,
    reviews: pd.DataFrame,
    address: str,
) -> None:
    data = write_frame(reviews, tmp_path / "reviews.csv")
    where = [f"outputs={tmp_path}/outputs", f"tracking.uri={address}"]

    def train_with(features: int) -> str:
        overrides = ["data=csv", f"data.path={data}", "features=tfidf_unigram"]
        overrides.append(f"features.max_features={features}")
        job = Job(tmp_path / f"run{features}", overrides=overrides)
        return str(train(compose("train", [*where, *overrides]), job).run_id)

    weak, strong = train_with(10), train_with(3000)
    client = MlflowClient()

    def list_words(name: str, run: str) -> list[str]:
        return [f"name={name}", f"run={run}", "resamples=200", *where]

    def read_aliases(name: str) -> dict[str, str]:
        registered_aliases = client.get_registered_model(name).aliases
        return {a: client.get_model_version(name, v).run_id for a, v in registered_aliases.items()}

    for trial in range(2):
        name = f"both-{trial}"
        runs = (weak, strong) if trial else (strong, weak)
        started = [starter.start(tmp_path, "promote", *list_words(name, run)) for run in runs]
        codes = dict(zip(runs, [process.wait().returncode for process in started], strict=True))
        # Either the weak one was first and was replaced, or it was compared and refused.
        assert codes in ({weak: 0, strong: 0}, {weak: 4, strong: 0})
        previous = {} if codes[weak] else {"previous": weak}
        assert read_aliases(name) == {"champion": strong, **previous}
    kills = KILLS if address.startswith("postgresql") else KILLS[1:2]
    for method, call in kills:
        name = f"killed-{method}-{call}"
        promote(compose("promote", list_words(name, weak)))
        overrides, code = list_words(name, strong), KILL.format(method=method, call=call)
        assert starter.run(tmp_path, "promote", *overrides, before=code).returncode == -SIGKILL
        assert read_aliases(name)["champion"] in (weak, strong)
        promote(compose("promote", overrides))
        assert read_aliases(name) == {"champion": strong, "previous": weak}
        tags_by_run = {v.run_id: v.tags for v in client.search_model_versions(f"name = '{name}'")}
        assert sorted(tags_by_run) == sorted([weak, strong])
        assert {tags[DONE] for tags in tags_by_run.values()} == {"true"}
        assert tags_by_run[strong][REPLACED] == "1"
        tags_left = client.get_registered_model(name).tags
        assert not [key for key in tags_left if key.startswith("promotion.lease")]
