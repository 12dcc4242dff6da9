"""Metrics in the form of Prometheus, of all workers together.

Workers count into files of one folder, which each of them adds up when it is asked; the counts of a
worker that was killed stay.
"""

import collections
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sentiment.commands.serve.bodies import Texts
from sentiment.commands.serve.file_rows import FileCounts, count_by_bucket
from sentiment.commands.serve.recent import Recent
from sentiment.commands.serve.routes import Options, Route, ServedModel

# Seconds; a review takes a fraction of a millisecond.
_LATENCIES = (
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
)  # fmt: skip
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000)
SCORES = tuple(k / 10 for k in range(1, 11))
# What GET /models shows of each route: the name there, and the labels by which it is nested.
_COUNTED = {
    "sentiment_requests_total": ("requests", ("status",)),
    "sentiment_rejected_total": ("rejected", ("reason",)),
    "sentiment_predictions_total": ("predictions", ("model", "label")),
    "sentiment_shadow_total": ("shadow", ("agreed",)),
}
# From so many values on, they are counted by bucket first.
_FEW = 8
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of one process, and the sums over all.

    Parameters
    ----------
    folder : Path, optional
        Where the workers of a server count together; default: this process counts alone.
    window : int
        How many predictions of each model are kept to be compared.

    Attributes
    ----------
    recent : Recent
        These.
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
        here: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "sentiment_requests", "Requests, by route and HTTP status.", ("route", "status"), **here
        )
        self._latency = Histogram(
            "sentiment_request_seconds", "Seconds from the whole request to the response.",
            ("route",), buckets=_LATENCIES, **here,
        )  # fmt: skip
        self._sizes = Histogram(
            "sentiment_request_texts", "Texts in a request.", ("route",), buckets=_SIZES, **here
        )
        self._predictions = Counter(
            "sentiment_predictions", "Predictions, by route, model and label.",
            ("route", "model", "label"), **here,
        )  # fmt: skip
        self._scores = Histogram(
            "sentiment_probability", "Probabilities of the predicted labels.",
            ("route", "model"), buckets=SCORES, **here,
        )  # fmt: skip
        self._rejected = Counter(
            "sentiment_rejected", "Texts that were not answered, by kind of reason.",
            ("route", "reason"), **here,
        )  # fmt: skip
        self._shadow = Counter(
            "sentiment_shadow", "Texts on which champion and challenger were compared.",
            ("route", "agreed"), **here,
        )  # fmt: skip
        self._swaps = Counter(
            "sentiment_swaps", "Models that replaced another, by route and result.",
            ("route", "result"), **here,
        )  # fmt: skip
        self._logged = Counter(
            "sentiment_log_rows", "Rows of the log, by table and result.",
            ("table", "result"), **here,
        )  # fmt: skip
        self._feedback = Counter(
            "sentiment_feedback", "True labels that came in, by route.", ("route",), **here
        )
        self._models = Gauge(
            "sentiment_model_in_use", "Workers in which a model answers.",
            ("route", "role", "model"), multiprocess_mode="livesum", **here,
        )  # fmt: skip
        self.recent = Recent(window, folder)
        self._known: dict[tuple[str, ...], Any] = {}
        self._shown: set[tuple[str, str, str]] = set()

    def make_gauge(self, name: str, about: str, labels: tuple[str, ...]) -> Any:
        """Return a gauge of which one worker sets the value."""
        gauge = self._client.Gauge
        return gauge(name, about, labels, registry=self._registry, multiprocess_mode="mostrecent")

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request and how long it took."""
        self._find(self._requests, route, str(status)).inc()
        self._find(self._latency, route).observe(seconds)

    def count_texts(
        self, route: str, model: ServedModel, texts: Texts, found: dict[str, list[Any]]
    ) -> None:
        """Count the texts of a request, what they were given and why some were not answered."""
        self._find(self._sizes, route).observe(texts.count)
        labels, probabilities = found["prediction"], found["probability"]
        if len(labels) == 1:
            self._find(self._predictions, route, model.uri, labels[0]).inc()
        else:
            for label, count in collections.Counter(labels).items():
                self._find(self._predictions, route, model.uri, label).inc(count)
        scores = self._find(self._scores, route, model.uri)
        if len(probabilities) < _FEW:
            for probability in probabilities:
                scores.observe(probability)
        else:
            _observe_all(scores, count_by_bucket(probabilities, SCORES), sum(probabilities))
        if self.recent.size and texts.options.threshold is None:
            self.recent.add(route, model.uri, labels, probabilities)
        for reason in texts.faults.values():
            self.count_rejected(route, reason)

    def make_counts(self) -> FileCounts:
        """Return counts of a file, for `count_file`."""
        return FileCounts(self.recent.size, SCORES)

    def count_file(
        self, route: str, model: ServedModel, options: Options, counts: FileCounts
    ) -> None:
        """Count the rows of a file, as `count_texts` does those of other requests."""
        self._find(self._sizes, route).observe(counts.tally.read)
        for label, rows in counts.predictions.items():
            self._find(self._predictions, route, model.uri, label).inc(rows)
        scores = self._find(self._scores, route, model.uri)
        _observe_all(scores, counts.scores, counts.tally.sum)
        if counts.last and options.threshold is None:
            self.recent.add(route, model.uri, *map(list, zip(*counts.last, strict=True)))
        for reason, rows in counts.tally.reasons.items():
            self.count_rejected(route, reason, rows)

    def count_rejected(self, route: str, reason: str, count: int = 1) -> None:
        """Count texts that were not answered."""
        self._find(self._rejected, route, reason.partition(":")[0]).inc(count)

    def count_shadow(self, route: str, agreed: int, differed: int) -> None:
        """Count texts on which two models gave the same label, and others."""
        self._find(self._shadow, route, "true").inc(agreed)
        self._find(self._shadow, route, "false").inc(differed)

    def count_swap(self, route: str, result: str) -> None:
        """Count a model that replaced another, or that failed to."""
        self._find(self._swaps, route, result).inc()

    def count_logged(self, table: str, result: str, rows: int) -> None:
        """Count rows of the log that were written, or dropped."""
        self._find(self._logged, table, result).inc(rows)

    def count_feedback(self, route: str, labels: int) -> None:
        """Count true labels."""
        self._find(self._feedback, route).inc(labels)

    def show_models(self, routes: Mapping[str, Route]) -> None:
        """Show which models are in use now, and that others are not any more."""
        in_use = {
            (route.name, role, model.uri)
            for route in routes.values()
            for role, model in (("champion", route.champion), ("challenger", route.challenger))
            if model is not None
        }
        for labels in self._shown | in_use:
            self._models.labels(*labels).set(labels in in_use)
        self._shown |= in_use

    def write(self) -> bytes:
        """Return the sums over all workers as Prometheus reads them."""
        text: bytes = self._client.generate_latest(self._gather())
        return text

    def _gather(self) -> Any:
        """Return a registry of all workers."""
        if self._folder is None:
            return self._registry
        from prometheus_client import multiprocess

        registry = self._client.CollectorRegistry()
        multiprocess.MultiProcessCollector(  # type: ignore[no-untyped-call]
            registry, path=str(self._folder)
        )
        return registry

    def count(self) -> dict[str, dict[str, Any]]:
        """Return the sums over all workers by route: requests by status, labels by model."""
        found: dict[str, dict[str, Any]] = {}
        for metric in self._gather().collect():
            for sample in metric.samples:
                known, labels = _COUNTED.get(sample.name), sample.labels
                if known is None:
                    continue
                name, keys = known
                place = found.setdefault(labels["route"], {}).setdefault(name, {})
                for key in keys[:-1]:
                    place = place.setdefault(labels[key], {})
                place[labels[keys[-1]]] = int(sample.value)
        return found

    def forget_process(self, pid: int) -> None:
        """Leave out what a process that has ended said of the moment; its counts stay."""
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(  # type: ignore[no-untyped-call]
            pid, path=str(self._folder)
        )

    def _find(self, metric: Any, *labels: str) -> Any:
        """Return the part of a metric with these labels; to ask the metric takes a lock."""
        key = (metric._name, *labels)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = metric.labels(*labels)
        return found


def _observe_all(histogram: Any, counts: np.ndarray, total: float) -> None:
    """Let a histogram observe values that are counted by its buckets, and add up to a total.

    Its own ``observe`` takes one value at a time, which is a sixth of the time of a request with a
    hundred texts.
    """
    histogram._sum.inc(total)
    for bucket, count in zip(histogram._buckets, counts.tolist(), strict=True):
        if count:
            bucket.inc(count)
