"""Rows of a predicted file: their counts for the metrics, and the rows for the log."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from sentiment.commands.serve.routes import Options, ServedModel
from sentiment.files.batches import Batch
from sentiment.files.tally import Tally

# Bytes of rows in memory; a larger file goes to the disk.
_MAX_MEMORY = 2**22
_ROWS = pa.schema(
    {
        "position": pa.int64(),  # in the file, from 0
        "prediction": pa.string(),
        "probability": pa.float64(),
        "error": pa.string(),
        "text": pa.string(),
    }
)


class FileCounts:
    """Counts of a file for the metrics.

    Parameters
    ----------
    window : int
        Number of last predictions to keep for drift.
    bounds : sequence of float
        Ascending upper bounds of the histogram of probabilities.

    Attributes
    ----------
    tally : Tally
        Counts of read and rejected rows.
    predictions : dict of str to int
        Number of rows by predicted label or label set.
    scores : ndarray of int, of shape (n_bounds + 1,)
        Number of rows by bucket of the probability; the last bucket is above all `bounds`.
    last : list of (str, float)
        The last predictions and their probabilities.
    """

    def __init__(self, window: int, bounds: Sequence[float]) -> None:
        self._window, self._bounds = window, bounds
        self.tally = Tally()
        self.predictions: dict[str, int] = {}
        self.scores = np.zeros(len(bounds) + 1, int)
        self.last: list[tuple[str, float]] = []

    def add(self, batch: Batch, predictions: pa.RecordBatch) -> None:
        """Count the rows of a batch."""
        self.tally.add(batch, predictions)
        labels, probabilities = predictions.column("prediction"), predictions.column("probability")
        for item in pc.value_counts(labels).to_pylist():
            label, count = item["values"], item["counts"]
            self.predictions[label] = self.predictions.get(label, 0) + count
        self.scores += count_by_bucket(probabilities.to_numpy(), self._bounds)
        if self._window:
            latest = zip(
                labels[-self._window :].to_pylist(), probabilities[-self._window :].to_pylist(),
                strict=True,
            )  # fmt: skip
            self.last = [*self.last, *latest][-self._window :]


def count_by_bucket(values: ArrayLike, bounds: Sequence[float]) -> np.ndarray:
    """Return the number of `values` by bucket, shape (n_bounds + 1,); the last is unbounded."""
    return np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1)


class RowSpool:
    """Temporary file with the rows of a predicted file, to be logged later.

    Parameters
    ----------
    with_texts : bool
        If True, log the texts, too.

    Attributes
    ----------
    count, read_count : int
        Number of rows that were added, and of rows that were read back.
    size : int
        Size of the temporary file in bytes.
    """

    def __init__(self, *, with_texts: bool) -> None:
        self._with_texts = with_texts
        self._file = tempfile.SpooledTemporaryFile(_MAX_MEMORY)  # noqa: SIM115 - `close` closes it
        self._writer: pa.RecordBatchStreamWriter | None = pa.ipc.new_stream(self._file, _ROWS)
        self._reader: pa.RecordBatchStreamReader | None = None
        self.count = self.read_count = self.size = 0

    def add(self, batch: Batch, predictions: pa.RecordBatch) -> None:
        """Add the rows of a batch; if the disk is full, they are not logged."""
        self.count += batch.read
        if self._writer is None:
            return
        rejected_positions = [reject.row - 1 for reject in batch.rejects]
        positions = np.arange(batch.end.row - batch.read, batch.end.row)
        reasons = [reject.reason.partition(":")[0] for reject in batch.rejects]  # no quoted text
        columns = {
            "position": pa.array(np.setdiff1d(positions, rejected_positions, assume_unique=True)),
            "prediction": predictions.column("prediction").cast(pa.string()),
            "probability": predictions.column("probability"),
            "error": pa.nulls(predictions.num_rows, pa.string()),
            "text": batch.texts.cast(pa.string())
            if self._with_texts
            else pa.nulls(predictions.num_rows, pa.string()),
        }
        try:
            self._writer.write(pa.RecordBatch.from_pydict(columns, _ROWS))
            if rejected_positions:
                known_columns = {"position": rejected_positions, "error": reasons}
                nulls = [None] * len(rejected_positions)
                rejected_columns = {name: known_columns.get(name, nulls) for name in _ROWS.names}
                self._writer.write(pa.RecordBatch.from_pydict(rejected_columns, _ROWS))
            self.size = self._file.tell()
        except OSError:
            self._writer = None

    def read_next(self) -> pa.RecordBatch | None:
        """Return the next rows; None at the end, or if the disk was full."""
        try:
            if self._reader is None:
                self._file.seek(0)
                self._reader = pa.ipc.open_stream(self._file)
            rows = self._reader.read_next_batch()
        except (StopIteration, OSError, pa.ArrowException):
            return None
        self.read_count += rows.num_rows
        return rows

    def close(self) -> None:
        """Remove the temporary file."""
        self._writer = self._reader = None
        self._file.close()


@dataclass(frozen=True)
class FileResponse:
    """Predictions for a file.

    Attributes
    ----------
    id : str
        Id of the request.
    route, role : str
        Name of the route, and ``champion`` or ``challenger``.
    model : ServedModel
        The model that made the predictions.
    options : Options
        Options of the request.
    rows : RowSpool
        Rows of the file.
    seconds : float
        Time for the whole file.
    at : float
        Time of the predictions, in seconds since the epoch.
    """

    id: str
    route: str
    role: str
    model: ServedModel
    options: Options
    rows: RowSpool
    seconds: float
    at: float = field(default_factory=time.time)
