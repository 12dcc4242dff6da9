"""Code that runs on a Dask worker; only this file imports Dask at import time."""

import atexit
import gc
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pyarrow as pa
from distributed import WorkerPlugin, get_worker

from sentiment.config import list_trusted, trust
from sentiment.modeling.scoring import Predictor


class ModelPlugin(WorkerPlugin):
    """A model that is loaded once on each worker.

    Parameters
    ----------
    predictor : Predictor
        Loaded from a file, which is sent to the workers with its settings.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._data, self._digest = predictor.read_file(), predictor.digest
        self._rule, self._columns = predictor.rule, predictor.columns
        self._trusted = list_trusted()
        # Another job may use the same workers.
        self.name = f"sentiment-{uuid4().hex}"
        self.predictor: Predictor | None = None

    def setup(self, worker: Any) -> None:
        """Load the model from its skops file, with the same checks as everywhere."""
        # At exit, the garbage collector would visit all objects for seconds, and Dask kills a
        # worker that takes so long to end.
        atexit.register(gc.freeze)
        # Joblib warns that a worker cannot start processes; it needs none.
        warnings.filterwarnings("ignore", "Loky-backed parallel loops")
        trust(self._trusted)
        with TemporaryDirectory() as folder:
            path = Path(folder, "model.skops")
            path.write_bytes(self._data)
            self.predictor = Predictor.load(path, self._rule, self._columns, digest=self._digest)


def predict_on_worker(name: str, texts: pa.Array, columns: pa.Table | None) -> pa.RecordBatch:
    """Return the predictions of the model of the plugin `name`, on a worker."""
    plugin: Any = get_worker().plugins[name]
    predictions: pa.RecordBatch = plugin.predictor.predict(texts, columns)
    return predictions
