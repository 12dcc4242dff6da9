"""The last predictions of each model, shared between workers."""

import contextlib
from collections import deque
from pathlib import Path

import msgspec

from sentiment.files.replacing import replace_file

Key = tuple[str, str]  # name of the route and URI of the model


class RecentPredictions:
    """Window of the last predictions of each model, without their texts.

    Parameters
    ----------
    size : int
        Number of predictions that a worker keeps for each model; 0 keeps no predictions.
    folder : Path, optional
        Folder in which workers save their windows for worker 0; default: a single worker.
    """

    def __init__(self, size: int, folder: Path | None) -> None:
        self.size, self._folder = size, folder
        self._windows: dict[Key, deque[tuple[str, float]]] = {}

    def add(self, route: str, uri: str, labels: list[str], probabilities: list[float]) -> None:
        """Add the predictions of one request."""
        window = self._windows.get((route, uri))
        if window is None:
            window = self._windows[route, uri] = deque(maxlen=self.size)
        window.extend(zip(labels, probabilities, strict=True))

    def keep(self, keys: set[Key]) -> None:
        """Remove all windows except those with the given keys."""
        for key in self._windows.keys() - keys:
            self._windows.pop(key, None)

    def save(self, worker: int) -> None:
        """Save the windows for worker 0, as those of the worker with index `worker`."""
        if self._folder is None:
            return
        rows = [(*key, list(window)) for key, window in list(self._windows.items())]
        path = self._folder / f"recent-{worker}.json"
        replace_file(path, msgspec.json.encode(rows))

    def gather(self) -> dict[Key, list[tuple[str, float]]]:
        """Return the predictions of all workers, as pairs of label and probability, by key."""
        predictions = {key: list(window) for key, window in list(self._windows.items())}
        for path in self._folder.glob("recent-*.json") if self._folder else ():
            with contextlib.suppress(OSError):  # the worker has just ended
                for route, uri, rows in msgspec.json.decode(path.read_bytes()):
                    predictions.setdefault((route, uri), []).extend(
                        (label, probability) for label, probability in rows
                    )
        return predictions
