"""Prometheus metrics, aggregated over all workers.

Each worker counts into files of a shared folder. The worker that responds to a request for the
metrics adds up the counts of all workers, including those of killed workers.
"""

import collections
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.commands.serve.bodies import Texts
from sentiment.commands.serve.file_rows import FileCounts, count_by_bucket
from sentiment.commands.serve.recent import RecentPredictions
from sentiment.commands.serve.routes import Options, Route, ServedModel

# Bounds of buckets in seconds; a review takes a fraction of a millisecond.
_LATENCIES = (
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
)  # fmt: skip
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000)
SCORES = tuple(k / 10 for k in range(1, 11))
# Counters in the response to GET /models: the name there, and the labels of its nested objects.
_MODEL_COUNTERS = {
    "sentiment_requests_total": ("requests", ("status",)),
    "sentiment_rejected_total": ("rejected", ("reason",)),
    "sentiment_predictions_total": ("predictions", ("model", "label")),
    "sentiment_shadow_total": ("shadow", ("agreed",)),
}
_MIN_BULK = 8  # number of values from which it is faster to count by bucket first
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Metrics of one process, and their sums over all workers.

    Parameters
    ----------
    folder : Path, optional
        Folder that the workers of a server share for their counts; default: a single worker.
    window : int, default=0
        Number of last predictions of each model to keep for drift.

    Attributes
    ----------
    recent : RecentPredictions
        The last predictions of each model.
    """

    def __init__(self, folder: Path | None = None, window: int = 0) -> None:
        if folder is not None:
            os.environ[_FOLDER] = str(folder)
        import prometheus_client
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

        # The package may have been imported before the folder was known.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._client, self._folder = prometheus_client, folder
        self._registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "sentiment_requests",
            "Requests by route and HTTP status.",
            ("route", "status"),
            **options,
        )
        self._latency = Histogram(
            "sentiment_request_seconds", "Seconds from the headers of a request to its response.",
            ("route",), buckets=_LATENCIES, **options,
        )  # fmt: skip
        self._sizes = Histogram(
            "sentiment_request_texts", "Texts per request.", ("route",), buckets=_SIZES, **options
        )
        self._predictions = Counter(
            "sentiment_predictions", "Predictions by route, model and label.",
            ("route", "model", "label"), **options,
        )  # fmt: skip
        self._scores = Histogram(
            "sentiment_probability", "Probabilities of the predicted labels.",
            ("route", "model"), buckets=SCORES, **options,
        )  # fmt: skip
        self._rejected = Counter(
            "sentiment_rejected", "Rejected texts by route and reason.",
            ("route", "reason"), **options,
        )  # fmt: skip
        self._shadow = Counter(
            "sentiment_shadow", "Texts predicted by a challenger in shadow, by agreement.",
            ("route", "agreed"), **options,
        )  # fmt: skip
        self._swaps = Counter(
            "sentiment_swaps", "Replacements of models by route and result.",
            ("route", "result"), **options,
        )  # fmt: skip
        self._logged = Counter(
            "sentiment_log_rows", "Rows of the log by table and result.",
            ("table", "result"), **options,
        )  # fmt: skip
        self._feedback = Counter(
            "sentiment_feedback", "True labels received by route.", ("route",), **options
        )
        self._models = Gauge(
            "sentiment_model_in_use", "Number of workers that use a model.",
            ("route", "role", "model"), multiprocess_mode="livesum", **options,
        )  # fmt: skip
        self.recent = RecentPredictions(window, folder)
        self._children: dict[tuple[str, ...], Any] = {}
        self._shown_models: set[tuple[str, str, str]] = set()

    def make_gauge(self, name: str, documentation: str, labels: tuple[str, ...]) -> Any:
        """Return a new gauge whose value is set by a single worker."""
        gauge = self._client.Gauge
        return gauge(
            name, documentation, labels, registry=self._registry, multiprocess_mode="mostrecent"
        )

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request, and observe its latency in seconds."""
        self._get_child(self._requests, route, str(status)).inc()
        self._get_child(self._latency, route).observe(seconds)

    def count_texts(
        self, route: str, model: ServedModel, texts: Texts, predictions: dict[str, list[Any]]
    ) -> None:
        """Count the texts of a request, their predictions, and the reasons of rejected texts."""
        self._get_child(self._sizes, route).observe(texts.count)
        labels, probabilities = predictions["prediction"], predictions["probability"]
        if len(labels) == 1:
            self._get_child(self._predictions, route, model.uri, labels[0]).inc()
        else:
            for label, count in collections.Counter(labels).items():
                self._get_child(self._predictions, route, model.uri, label).inc(count)
        scores = self._get_child(self._scores, route, model.uri)
        if len(probabilities) < _MIN_BULK:
            for probability in probabilities:
                scores.observe(probability)
        else:
            _observe_counts(scores, count_by_bucket(probabilities, SCORES), sum(probabilities))
        if self.recent.size and texts.options.threshold is None:
            self.recent.add(route, model.uri, labels, probabilities)
        for reason in texts.faults.values():
            self.count_rejected(route, reason)

    def make_counts(self) -> FileCounts:
        """Return new counts of a file, for `count_file`."""
        return FileCounts(self.recent.size, SCORES)

    def count_file(
        self, route: str, model: ServedModel, options: Options, counts: FileCounts
    ) -> None:
        """Count the rows of a file in the metrics of `count_texts`."""
        self._get_child(self._sizes, route).observe(counts.tally.read)
        for label, rows in counts.predictions.items():
            self._get_child(self._predictions, route, model.uri, label).inc(rows)
        scores = self._get_child(self._scores, route, model.uri)
        _observe_counts(scores, counts.scores, counts.tally.sum)
        if counts.last and options.threshold is None:
            self.recent.add(route, model.uri, *map(list, zip(*counts.last, strict=True)))
        for reason, rows in counts.tally.reasons.items():
            self.count_rejected(route, reason, rows)

    def count_rejected(self, route: str, reason: str, count: int = 1) -> None:
        """Count rejected texts."""
        self._get_child(self._rejected, route, reason.partition(":")[0]).inc(count)

    def count_shadow(self, route: str, agreed: int, differed: int) -> None:
        """Count the texts on which two models agreed and differed."""
        self._get_child(self._shadow, route, "true").inc(agreed)
        self._get_child(self._shadow, route, "false").inc(differed)

    def count_swap(self, route: str, result: str) -> None:
        """Count a replacement of a model, by its `result`: ``done`` or ``failed``."""
        self._get_child(self._swaps, route, result).inc()

    def count_logged(self, table: str, result: str, rows: int) -> None:
        """Count rows of the log, by their `result`: ``written`` or ``dropped``."""
        self._get_child(self._logged, table, result).inc(rows)

    def count_feedback(self, route: str, labels: int) -> None:
        """Count the true labels that were received."""
        self._get_child(self._feedback, route).inc(labels)

    def show_models(self, routes: Mapping[str, Route]) -> None:
        """Set the gauge of the models: 1 for a model in use, 0 for an earlier one."""
        in_use = {
            (route.name, role, model.uri)
            for route in routes.values()
            for role, model in (("champion", route.champion), ("challenger", route.challenger))
            if model is not None
        }
        for labels in self._shown_models | in_use:
            self._models.labels(*labels).set(labels in in_use)
        self._shown_models |= in_use

    def write(self) -> bytes:
        """Return the sums over all workers in the text format of Prometheus."""
        text: bytes = self._client.generate_latest(self._aggregate())
        return text

    def _aggregate(self) -> Any:
        """Return a registry that aggregates all workers."""
        if self._folder is None:
            return self._registry
        from prometheus_client import multiprocess

        registry = self._client.CollectorRegistry()
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            registry, path=str(self._folder)
        )
        return registry

    def count(self) -> dict[str, dict[str, Any]]:
        """Return the sums over all workers by route, for ``GET /models``."""
        counts: dict[str, dict[str, Any]] = {}
        for metric in self._aggregate().collect():
            for sample in metric.samples:
                counter, labels = _MODEL_COUNTERS.get(sample.name), sample.labels
                if counter is None:
                    continue
                name, keys = counter
                nested = counts.setdefault(labels["route"], {}).setdefault(name, {})
                for key in keys[:-1]:
                    nested = nested.setdefault(labels[key], {})
                nested[labels[keys[-1]]] = int(sample.value)
        return counts

    def forget_process(self, pid: int) -> None:
        """Remove the gauges of a process that has ended, but keep its counts."""
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(  # type: ignore[no-untyped-call]
            pid, path=str(self._folder)
        )

    def _get_child(self, metric: Any, *labels: str) -> Any:
        """Return the child of a metric for its labels, cached since ``labels`` takes a lock."""
        key = (metric._name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child


def _observe_counts(histogram: Any, counts: np.ndarray, total: float) -> None:
    """Add values to a histogram, given their counts by bucket and their sum.

    The histogram's ``observe`` takes one value at a time. With a hundred texts, that would be a
    sixth of the time of a request.
    """
    histogram._sum.inc(total)
    for bucket, count in zip(histogram._buckets, counts.tolist(), strict=True):
        if count:
            bucket.inc(count)
