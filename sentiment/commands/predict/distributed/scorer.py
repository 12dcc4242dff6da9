"""Scorer that sends batches to the workers of a Dask cluster."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from sentiment.cli.startup import defer_imports
from sentiment.config.schemas import ClusterSettings
from sentiment.errors import ClusterError, ConfigError
from sentiment.files.batches import Batch
from sentiment.modeling.scoring import BatchScorer, Predictor, read_columns

# Batches under way for each thread of the workers, so that none waits for the next.
_AHEAD = 2
# Seconds to wait for a scheduler.
_PATIENCE = 10


class DaskScorer(ClusterSettings, BatchScorer):
    """Workers of a Dask cluster that score a file batch by batch; see `ClusterSettings`.

    The rows are read and written here, in order; texts and the other columns that the model reads
    go to the workers, and predictions come back. If a worker dies, another one gets its batch.
    """

    def score(
        self, predictor: Predictor, batches: Iterable[Batch]
    ) -> Iterator[tuple[Batch, pa.RecordBatch]]:
        """Yield each batch and the predictions for its texts, in order.

        Raises
        ------
        ClusterError
            The scheduler cannot be reached, or workers die again and again.
        """
        _check_dask()
        batches = iter(batches)
        begun = list(islice(batches, 2))
        if self.address is None and len(begun) < 2:
            # Processes take longer to start than one batch takes here.
            yield from super().score(predictor, begun)
            return
        from sentiment.commands.predict.distributed.workers import ModelPlugin, predict_on_worker

        with ExitStack() as stack:
            client = self._connect(stack)
            if self.address is None:
                client.run(defer_imports)  # before a worker imports what the model needs
            # The scheduler sends it to workers that join later, too.
            model = ModelPlugin(predictor)
            client.register_plugin(model)
            stack.callback(client.unregister_worker_plugin, model.name)
            most = _AHEAD * max(1, sum(client.nthreads().values()))
            under_way: deque[tuple[Batch, Any]] = deque()
            for batch in chain(begun, batches):
                rows = (batch.texts, read_columns(batch, predictor))
                future = client.submit(predict_on_worker, model.name, *rows, pure=False)
                under_way.append((batch, future))
                if len(under_way) > most:
                    yield self._wait(*under_way.popleft())
            while under_way:
                yield self._wait(*under_way.popleft())

    def _connect(self, stack: ExitStack) -> Any:
        """Return a client of the cluster; both end with `stack`."""
        from distributed import Client, LocalCluster

        connect: Any = Client
        start: Any = LocalCluster
        try:
            where = self.address or stack.enter_context(
                start(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # any port that is free
                    silence_logs="CRITICAL",
                    # The workers share the cores; the kernels of one would take them all.
                    env={"NUMBA_NUM_THREADS": "1"},
                )
            )
            return stack.enter_context(connect(where, timeout=_PATIENCE))
        except (OSError, ValueError) as error:
            raise ClusterError(self.address or "on this machine", str(error)) from error

    def _wait(self, batch: Batch, future: Any) -> tuple[Batch, pa.RecordBatch]:
        from distributed import CancelledError, KilledWorker

        try:
            return batch, future.result()
        except (CancelledError, KilledWorker) as error:
            raise ClusterError(self.address or "on this machine", str(error)) from error


def _check_dask() -> None:
    if find_spec("distributed") is None:
        raise ConfigError(["deploy=dask needs Dask: pip install 'sentiment[dask]'."])
