"""Fixtures of all tests, and the order in which they run.

The process that hands tests to workers loads this file as well, and nothing else until they are
ready: libraries that take a while are imported where they are used.
"""

from __future__ import annotations

import gc
import os

# Workers share the cores, and threads of BLAS and OpenMP that wait for each other spin.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1") | os.environ

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING

import pytest
import shortcuts
from filelock import FileLock
from hypothesis import HealthCheck, settings
from postgresql import Server, serve
from served_models import model_files, serve_here  # noqa: F401 - fixtures
from servers import served  # noqa: F401 - a fixture
from starting import ENVIRONMENT, Starter

# Tests load model files as commands do: with nothing that skops trusts by itself.
from sentiment.cli.startup import trust_no_skops_defaults

trust_no_skops_defaults()

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

    from sentiment.commands.train.job import TrainingResult
    from sentiment.data.preparation import PreparedData
    from sentiment.tracking import MlflowTracker

ROOT = Path(__file__).resolve().parents[1]

# What a shell starts in the background ignores Ctrl-C, and so does all that it starts; the tests
# of Ctrl-C need it to arrive.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What an example takes depends on the machine and its load, and all runs try the same examples.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

Run = Callable[..., subprocess.CompletedProcess[str]]


# Tests that use one of these are marked, and `make test-fast` leaves them out.
_MARKS = {
    "process": {"image", "run_plainly", "run_script", "starter"},
    "server": {"cluster", "postgres", "prefect_server", "served", "server"},
}

# The marks of all tests that were collected, whichever of them are chosen to run.
COLLECTED = pytest.StashKey[dict[str, set[str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests run in any order."""
    parser.addoption(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="run modules in a random order, and the tests of each",
    )


@pytest.hookimpl(tryfirst=True)  # marks come before what is chosen by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark tests, begin with those that take longest, and leave out what can never run here."""
    kept, never = [], []
    for item in items:
        # Of torch, CuPy and other libraries of arrays, none of which this project takes.
        (never if "-check_array_api" in item.name else kept).append(item)
        fixtures = set(getattr(item, "fixturenames", ()))
        for mark, names in _MARKS.items():
            if fixtures & names:
                item.add_marker(mark)
    config.hook.pytest_deselected(items=never)
    config.stash[COLLECTED] = {item.nodeid: _list_marks(item) for item in kept}
    seed = config.getoption("shuffle")
    if seed is None:
        # In the end, two workers share what is short, and so none of them waits for the other.
        kept.sort(key=_rank)
    else:
        chance = random.Random(seed)
        places = {item.path: chance.random() for item in kept}  # a module's fixtures are made once
        kept.sort(key=lambda item: (places[item.path], chance.random()))
    items[:] = kept


_ORDER = ("server", "slow", "process")


def _list_marks(item: pytest.Item) -> set[str]:
    """Return those marks of a test that `make test-fast` leaves out."""
    return {mark.name for mark in item.iter_markers()} & set(_ORDER)


def _rank(item: pytest.Item) -> int:
    marks = _list_marks(item)
    return next((place for place, mark in enumerate(_ORDER) if mark in marks), len(_ORDER))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Keep what is imported out of the garbage collector, which would search it all."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_runtest_setup() -> None:
    """Take shortcuts in what has been imported since the last test."""
    shortcuts.install()


def write_frame(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table in the format that the ending of its name says."""
    match path.suffix:
        case ".parquet":
            frame.to_parquet(path)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False)
        case _:
            frame.to_csv(path, index=False)
    return path


def read_frame(path: Path) -> pd.DataFrame:
    """Return a table as pandas reads it, the fields of a CSV file as they stand there."""
    import pandas as pd

    match path.suffix:
        case ".parquet":
            return pd.read_parquet(path)
        case ".jsonl":
            return pd.read_json(path, lines=True, dtype=False)
        case _:
            return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let temporary files of this process and those it starts be removed with those of tests.

    Libraries leave some behind, and so does a process that is killed.
    """
    folder = tmp_path_factory.mktemp("t", numbered=False)
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = ENVIRONMENT["TMPDIR"] = str(folder)


@pytest.fixture(scope="session", autouse=True)
def draw_here() -> None:
    """Import what training looks for: where it finds it, it starts no process to draw."""
    import matplotlib.figure  # noqa: F401


@pytest.fixture(scope="session")
def reviews() -> pd.DataFrame:
    """400 real reviews, half of each label."""
    from sentiment.data.datasets import EmbeddedReviews

    frame = EmbeddedReviews(name="imdb", source="imdb").read()
    return frame.groupby("label").head(200).reset_index(drop=True)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An outputs folder whose tracking store all tests of a worker share."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def tracker(store: Path, tmp_path: Path) -> MlflowTracker:
    """The store that tests share; each test has an experiment of its own."""
    from sentiment.tracking import MlflowTracker

    return MlflowTracker(f"sqlite:///{store}/mlflow.db", f"{store}/artifacts", tmp_path.name)


@pytest.fixture
def train_quickly(store: Path, tmp_path: Path) -> Callable[..., TrainingResult]:
    """Train in this process on a small sample; each test has an experiment of its own."""
    from sentiment.commands.train.job import train
    from sentiment.config import Job, compose

    made: list[Path] = []

    def run(
        *overrides: str,
        sweep: Path | None = None,
        number: int | None = None,
        data: PreparedData | None = None,
    ) -> TrainingResult:
        quick = [
            f"outputs={store}",
            f"tracking.experiment={tmp_path.name}",
            "features=tfidf_unigram",
            "features.max_features=500",
            "data.limit=300",
        ]
        without_tracking = any(override == "tracking=off" for override in overrides)
        if without_tracking:
            quick.remove(f"tracking.experiment={tmp_path.name}")
        folder = tmp_path / f"job{len(made)}"
        folder.mkdir()
        made.append(folder)
        job = Job(folder=folder, overrides=list(overrides), sweep=sweep, number=number)
        return train(compose("train", [*quick, *overrides]), job, data=data)

    return run


@dataclass(frozen=True)
class Rivals:
    """Runs to compare: two on the same data, one on other data and one on a sample."""

    store: Path
    data: Path
    weak: TrainingResult
    strong: TrainingResult
    other: TrainingResult
    sample: TrainingResult

    def compose(self, primary: str, *overrides: str) -> DictConfig:
        from sentiment.config import compose

        where = [f"outputs={self.store}", "tracking.experiment=rivals", "resamples=300"]
        return compose(primary, [*where, *overrides])


@pytest.fixture(scope="session")
def rivals(store: Path, reviews: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Rivals:
    from sentiment.commands.train.job import train
    from sentiment.config import Job, compose

    folder = tmp_path_factory.mktemp("rivals")
    data = write_frame(reviews, folder / "reviews.csv")

    def run(name: str, *overrides: str) -> TrainingResult:
        words = ["data=csv", f"data.path={data}", "features=tfidf_unigram", *overrides]
        where = [f"outputs={store}", "tracking.experiment=rivals"]
        (folder / name).mkdir()
        job = Job(folder / name, {"model": "logistic_regression", "features": name}, words)
        return train(compose("train", [*where, *words]), job)

    # The last one says on which rows runs are compared.
    other = run("other", "features.max_features=5", "seed=7")
    return Rivals(
        store,
        data,
        weak=run("weak", "features.max_features=10"),
        strong=run("strong", "features.max_features=3000"),
        other=other,
        sample=run("sample", "data.limit=300"),
    )


@pytest.fixture(autouse=True)
def ask_their_store(request: pytest.FixtureRequest) -> None:
    """Let MLflow's own functions ask the store of `rivals`, whichever one was asked last."""
    if "rivals" in request.fixturenames:
        import mlflow

        rivals: Rivals = request.getfixturevalue("rivals")
        mlflow.set_tracking_uri(f"sqlite:///{rivals.store}/mlflow.db")


@pytest.fixture
def run_plainly(tmp_path: Path) -> Run:
    """Run a script as a person does: a process that imports and makes everything itself."""

    def run(
        name: str, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments],
            cwd=cwd or tmp_path,
            env=ENVIRONMENT | (env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Starter]:
    """Starts scripts as processes of their own, quickly."""
    starter = Starter(shared, tmp_path_factory.mktemp("printed"))
    yield starter
    starter.close()


@pytest.fixture
def run_script(starter: Starter, tmp_path: Path) -> Run:
    """Run a script in the folder of the test."""
    return partial(starter.run, tmp_path)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of PostgreSQL for all tests of a worker, each of which has a database of its own."""
    with serve() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that several processes reach."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shared.db"
    server: Server = request.getfixturevalue("postgres")
    return server.create_database().address


@pytest.fixture(scope="session")
def prefect_tables(shared: Path) -> Path:
    """A database of Prefect without runs, once `prefect_server` has been there.

    Prefect takes six seconds to make one.
    """
    return shared / "prefect.db"


# Of a Prefect server: they look into its database every few seconds, for what no test leaves there.
_IDLE_SERVICES = (
    "CANCELLATION_CLEANUP",
    "DB_VACUUM",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "REPOSSESSOR",
    "SCHEDULER",
    "TRIGGERS",
)


@pytest.fixture(scope="session")
def prefect_server(
    tmp_path_factory: pytest.TempPathFactory, shared: Path, prefect_tables: Path
) -> Iterator[str]:
    """The address of a Prefect server on loopback for all tests of a worker."""
    home, database = tmp_path_factory.mktemp("prefect"), tmp_path_factory.mktemp("database")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        for service in _IDLE_SERVICES:
            patch.setenv(f"PREFECT_SERVER_SERVICES_{service}_ENABLED", "false")
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
        from prefect.testing import utilities

        # Threads of Prefect's client outlive the tests of flows, and Hypothesis fails a test while
        # whose draws anything takes one of the random numbers that all modules share.
        for module in ("prefect.utilities.math", "websockets.asyncio.connection"):
            patch.setattr(f"{module}.random", random.Random())
        patch.setattr(utilities, "mkdtemp", lambda: str(database))
        with temporary_settings({PREFECT_HOME: home}), ExitStack() as stack:
            with FileLock(shared / "prefect.lock"):
                if prefect_tables.exists():
                    copyfile(prefect_tables, database / "prefect-test.db")
                stack.enter_context(utilities.prefect_test_harness(server_startup_timeout=300))
                if not prefect_tables.exists():
                    made = sqlite3.connect(database / "prefect-test.db")
                    with closing(made), closing(sqlite3.connect(prefect_tables)) as copy:
                        made.backup(copy)
            yield str(PREFECT_API_URL.value())
