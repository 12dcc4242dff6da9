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

# Batches in flight for each worker thread, so that no thread waits for its next batch.
_BATCHES_PER_THREAD = 2
# Seconds to wait for a scheduler.
_CONNECT_TIMEOUT = 10


class DaskScorer(ClusterSettings, BatchScorer):
    """Scorer that sends batches to the workers of a Dask cluster; see `ClusterSettings`.

    This process reads and writes the rows, in order. The workers receive the texts and the other
    columns that the model reads, and return predictions. If a worker dies, another one gets its
    batch.
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
        first_batches = list(islice(batches, 2))
        if self.address is None and len(first_batches) < 2:
            # Starting processes takes longer than predicting one batch here.
            yield from super().score(predictor, first_batches)
            return
        from sentiment.commands.predict.distributed.workers import ModelPlugin, predict_on_worker

        with ExitStack() as stack:
            client = self._connect(stack)
            if self.address is None:
                client.run(defer_imports)  # before a worker imports what the model needs
            # The scheduler also sends the plugin to workers that join later.
            plugin = ModelPlugin(predictor)
            client.register_plugin(plugin)
            stack.callback(client.unregister_worker_plugin, plugin.name)
            max_in_flight = _BATCHES_PER_THREAD * max(1, sum(client.nthreads().values()))
            in_flight: deque[tuple[Batch, Any]] = deque()
            for batch in chain(first_batches, batches):
                columns = read_columns(batch, predictor)
                future = client.submit(
                    predict_on_worker, plugin.name, batch.texts, columns, pure=False
                )
                in_flight.append((batch, future))
                if len(in_flight) > max_in_flight:
                    yield self._get_result(*in_flight.popleft())
            while in_flight:
                yield self._get_result(*in_flight.popleft())

    def _connect(self, stack: ExitStack) -> Any:
        """Return a client of the cluster; `stack` closes both."""
        from distributed import Client, LocalCluster

        connect: Any = Client
        start: Any = LocalCluster
        try:
            address = self.address or stack.enter_context(
                start(
                    n_workers=self.workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # any port that is free
                    silence_logs="CRITICAL",
                    # The workers share the cores; the kernels of one would use all.
                    env={"NUMBA_NUM_THREADS": "1"},
                )
            )
            return stack.enter_context(connect(address, timeout=_CONNECT_TIMEOUT))
        except (OSError, ValueError) as error:
            raise ClusterError(self.address or "on this machine", str(error)) from error

    def _get_result(self, batch: Batch, future: Any) -> tuple[Batch, pa.RecordBatch]:
        from distributed import CancelledError, KilledWorker

        try:
            return batch, future.result()
        except (CancelledError, KilledWorker) as error:
            raise ClusterError(self.address or "on this machine", str(error)) from error


def _check_dask() -> None:
    if find_spec("distributed") is None:
        raise ConfigError(["deploy=dask needs Dask: pip install 'sentiment[dask]'."])
