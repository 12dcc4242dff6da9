"""Files that workers of Dask score, on real processes."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import psutil
import pytest

from sentiment.commands.predict.distributed import DaskScorer
from sentiment.commands.predict.job import predict
from sentiment.commands.predict.results import PredictionResult
from sentiment.commands.train.job import train
from sentiment.config import Job, compose
from sentiment.errors import ClusterError, ConfigError
from sentiment.files.streams import ByteSource

if find_spec("distributed") is None:
    pytest.skip("Dask is not installed: pip install 'sentiment[dask]'", allow_module_level=True)
Run = Callable[..., PredictionResult]


@pytest.fixture(scope="module", autouse=True)
def forked_workers() -> Iterator[None]:
    """Let workers be forks of a process that has imported what they need.

    By default, each imports it: `tests/cli/test_init.py` has such workers.
    """
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        context = get_mp_context()
        needed = (
            "commands.predict.distributed.workers",
            "modeling.estimators",
            "ngrams.vectorizers",
        )
        context.set_forkserver_preload([f"sentiment.{name}" for name in needed])
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    overrides = ["tracking=off", "features=tfidf_unigram", "data.limit=300"]
    return train(compose("train", overrides), Job(folder)).model


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a scheduler with two workers."""
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def path(reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is read in some forty batches."""
    read = ByteSource.read
    monkeypatch.setattr(
        ByteSource, "read", lambda self, offset=0, size=0: read(self, offset, 12_000)
    )
    path = tmp_path / "x.csv"
    reviews[["text"]].to_csv(path, index=False)
    path.write_bytes(path.read_bytes() + b"a,field too many\n")
    return path


@pytest.fixture
def run(model: str, path: Path) -> Run:
    def run(*overrides: str, observer: object = None) -> PredictionResult:
        where = [f"input='{path}'", f"deploy.run='{model}'", "tracking=off", "overwrite=true"]
        return predict(compose("predict", [*where, *overrides]), observer)  # type: ignore[arg-type]

    return run


def test_workers_say_what_one_process_says(run: Run, cluster: str, tmp_path: Path) -> None:
    overrides = ["explain=true", "deploy.threshold=0.6"]
    expected = run(f"output='{tmp_path}/here.csv'", *overrides)
    result = run(
        f"output='{tmp_path}/there.csv'", "deploy=dask", f"deploy.address={cluster}", *overrides
    )
    assert result.output.read_bytes() == expected.output.read_bytes()
    assert result.tally == expected.tally
    assert result.tally.rejected == 1
    # It leaves nothing on a cluster that others use, too.
    import distributed

    with distributed.Client(cluster) as client:
        plugins = client.run(lambda dask_worker: list(dask_worker.plugins))
    assert not [name for names in plugins.values() for name in names if "sentiment" in name]


@pytest.mark.slow
def test_one_batch_starts_no_cluster(
    run: Run, tmp_path: Path, reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DaskScorer, "_connect", None)
    path = tmp_path / "few.csv"
    reviews[["text"]].head(5).to_csv(path, index=False)
    overrides = [f"input='{path}'", f"output='{tmp_path}/few.out.csv'"]
    assert run("deploy=dask", *overrides).tally.written == 5
    with pytest.raises(TypeError):
        run("deploy=dask", f"output='{tmp_path}/many.csv'")


def list_workers() -> Iterator[int]:
    """Yield the numbers of the worker processes, which a process of this one has forked."""
    for server in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "multiprocessing.forkserver" in " ".join(server.cmdline()):
                yield from (worker.pid for worker in server.children())


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(run: Run, tmp_path: Path) -> None:
    expected = run(f"output='{tmp_path}/here.csv'")
    other_workers = {*list_workers()}  # of the cluster
    killed: list[int] = []

    class Killer:
        def on_progress(self, done: int, total: int | None, unit: str) -> None:
            if len(killed) < 2 and done > 60 * (len(killed) + 1):
                # The one that was killed may not have ended yet.
                worker = next(pid for pid in list_workers() if pid not in {*killed, *other_workers})
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)

    result = run(f"output='{tmp_path}/there.csv'", "deploy=dask", observer=Killer())
    assert len(set(killed)) == 2
    assert result.output.read_bytes() == expected.output.read_bytes()
    assert result.tally == expected.tally


@pytest.mark.slow
def test_what_is_wrong_with_a_cluster_is_reported(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentiment.commands.predict.distributed.scorer._CONNECT_TIMEOUT", 1)
    with pytest.raises(ClusterError, match="cluster tcp://127.0.0.1:9 failed: Timed out"):
        run("deploy=dask", "deploy.address=tcp://127.0.0.1:9")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    with pytest.raises(ClusterError, match="unknown address scheme 'gopher'"):
        run("deploy=dask", "deploy.address=gopher://127.0.0.1:9")
    with pytest.raises(ConfigError, match="deploy.workers is 0; expected a whole number"):
        DaskScorer(workers=0)
