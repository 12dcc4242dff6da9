"""Drift of the last predictions from the reference profile of their model.

A request only appends its labels and probabilities to a list. Every few seconds, a thread compares
them with the predictions for the validation rows, by the tests of `monitor`. Only `monitor` checks
the texts, such as their vocabulary.
"""

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from sentiment.commands.serve.metrics import SCORES, Metrics
from sentiment.commands.serve.routes import ModelLoader, Route, ServedModel
from sentiment.config.schemas import DriftSettings
from sentiment.errors import ConfigError, ReferenceMissingError, show_share
from sentiment.modeling.drift import (
    Check,
    check_labels,
    check_numbers,
    compare_numbers,
    compute_p_values,
    count_labels,
    decide_alarms,
)
from sentiment.modeling.reference import Reference
from sentiment.redaction import redact
from sentiment.tracking.stages import release_memory

log = logging.getLogger(__name__)

CHECKS = ("probability", "prediction")


class DriftGauges:
    """Gauges of drift, and of the reference profiles.

    Parameters
    ----------
    metrics : Metrics
        Metrics of the server.
    """

    def __init__(self, metrics: Metrics) -> None:
        names = ("route", "role")
        self._texts = metrics.make_gauge(
            "sentiment_drift_texts", "Number of last predictions, compared when complete.", names
        )
        self._drift = metrics.make_gauge(
            "sentiment_drift", "1 if the last predictions have drifted, by check.",
            (*names, "check"),
        )  # fmt: skip
        self._effect = metrics.make_gauge(
            "sentiment_drift_effect",
            "Effect size: Wasserstein distance of probabilities in standard deviations, odds "
            "ratio of the label that changed most.",
            (*names, "check"),
        )
        self._threshold = metrics.make_gauge(
            "sentiment_drift_threshold", "Effect size from which a change is drift.", ("check",)
        )
        self._shares = metrics.make_gauge(
            "sentiment_reference_label_share",
            "Share of the validation rows with a predicted label.", (*names, "label"),
        )  # fmt: skip
        self._scores = metrics.make_gauge(
            "sentiment_reference_probability_share",
            "Share of the validation rows with a probability up to a bound.",
            (*names, "bound"),
        )

    def show_thresholds(self, settings: DriftSettings) -> None:
        """Set the gauges of the effect sizes from which a change is drift."""
        for check, effect in zip(CHECKS, (settings.distance, settings.labels), strict=True):
            self._threshold.labels(check).set(effect)

    def show_reference(self, route: str, role: str, reference: Reference) -> None:
        """Set the gauges of the distributions of labels and probabilities in a reference."""
        rows = reference.rows
        counts = count_labels(rows["prediction"], reference.classes, reference.separator)
        for label, count in zip(reference.classes, counts.tolist(), strict=True):
            self._shares.labels(route, role, label).set(count / len(rows))
        for bound in SCORES:
            share = float(np.mean(rows["probability"].to_numpy() <= bound))
            self._scores.labels(route, role, str(float(bound))).set(share)

    def show_checks(self, route: str, role: str, texts: int, checks: Sequence[Check]) -> None:
        """Set the gauges of a comparison; without checks, they are NaN, which raises no alarm."""
        self._texts.labels(route, role).set(texts)
        checks_by_name = {check.name: check for check in checks}
        for name in CHECKS:
            check = checks_by_name.get(name)
            self._drift.labels(route, role, name).set(float(check.drifted) if check else math.nan)
            self._effect.labels(route, role, name).set(check.effect if check else math.nan)


class DriftWatch:
    """A thread that compares the last predictions of all workers with the reference profiles.

    Parameters
    ----------
    routes : dict of str to Route
        Routes by name.
    loader : ModelLoader
        Finds the reference profiles.
    metrics : Metrics
        Holds the last predictions, and exports the results.
    settings : DriftSettings
        Window, interval and thresholds.
    worker : int, default=0
        Index of the worker. Worker 0 compares the predictions of all workers; the others save
        theirs for it.
    on_event : callable, optional
        Called with ``drift`` and a message when an alarm begins; default: no call.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        loader: ModelLoader,
        metrics: Metrics,
        settings: DriftSettings,
        worker: int = 0,
        on_event: Callable[[str, str], None] = lambda event, message: None,
    ) -> None:
        self._routes, self._loader, self._recent = routes, loader, metrics.recent
        self._settings, self._worker, self._on_event = settings, worker, on_event
        self._gauges = DriftGauges(metrics)
        self._references: dict[tuple[str, str, str], Reference | None] = {}
        self._problems: dict[tuple[str, str, str], str] = {}
        self._alarms: set[tuple[str, str, str]] = set()
        self._stop_event = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)

    def start(self) -> None:
        """Start the thread, unless the window is 0."""
        if not self._settings.window:
            return
        if not self._worker:
            # Compile the kernels of the tests now, since requests would have to wait for that.
            compare_numbers(np.zeros(1), np.zeros(1))
            compute_p_values(np.ones(1), np.ones(1), (1, 1))
        self._thread.start()

    def stop(self) -> None:
        """End the thread before its next comparison."""
        self._stop_event.set()

    def _run(self) -> None:
        while not self._stop_event.wait(self._settings.interval):
            try:
                self.compare()
            except Exception:
                log.exception("the last predictions were not compared")

    def compare(self) -> None:
        """Compare the last predictions of all models, or save them for worker 0."""
        models = [
            (route.name, role, model)
            for route in self._routes.values()
            for role, model in (("champion", route.champion), ("challenger", route.challenger))
            if model is not None
        ]
        self._recent.keep({(route, model.uri) for route, _, model in models})
        if self._worker:
            self._recent.save(self._worker)
            return
        self._gauges.show_thresholds(self._settings)
        recent = self._recent.gather()
        for route, role, model in models:
            self._compare_model(route, role, model, recent.get((route, model.uri), []))

    def _compare_model(
        self, route: str, role: str, model: ServedModel, rows: list[tuple[str, float]]
    ) -> None:
        checks: list[Check] = []
        reference = self._find_reference(route, role, model)
        if reference is not None and len(rows) >= self._settings.window:
            labels, probabilities = zip(*rows, strict=True)
            checks = decide_alarms(
                [
                    check_numbers(
                        "probability",
                        # Use the precision of the reference, so that equal values stay equal.
                        reference.rows["probability"].to_numpy(np.float32),
                        np.array(probabilities, np.float32),
                        self._settings.distance,
                    ),
                    check_labels(
                        reference.rows["prediction"],
                        pd.Series(labels),
                        reference.classes,
                        reference.separator,
                        self._settings.labels,
                    ),
                ],
                self._settings.alpha,
            )
        self._gauges.show_checks(route, role, len(rows), checks)
        for check in checks:
            key = route, model.uri, check.name
            if check.drifted and key not in self._alarms:
                message = _describe_drift(route, role, model, check, len(rows))
                log.warning("%s", message)
                self._on_event("drift", message)
            (self._alarms.add if check.drifted else self._alarms.discard)(key)

    def _find_reference(self, route: str, role: str, model: ServedModel) -> Reference | None:
        """Return the reference of a model under its decision rule, or None until it exists."""
        key = route, role, model.uri
        if key in self._references:
            return self._references[key]
        reference = None
        try:
            reference = self._loader.find_reference(model)
            self._gauges.show_reference(route, role, reference)
            release_memory()
        except (ReferenceMissingError, ConfigError) as error:
            log.info("drift of %s is not measured: %s", model.uri, error)
        except Exception as error:  # the store may be unavailable; the next comparison tries again
            message = redact(f"{type(error).__name__}: {error}")
            if self._problems.get(key) != message:
                log.warning("drift of %s is not measured yet: %s", model.uri, message)
            self._problems[key] = message
            return None
        # The reference of the previous model is no longer needed.
        self._references = {k: v for k, v in self._references.items() if k[:2] != key[:2]}
        self._references[key] = reference
        return reference


def _describe_drift(route: str, role: str, model: ServedModel, check: Check, texts: int) -> str:
    if check.name == "probability":
        change = f"the mean probability is {check.current:.3f}, and {check.reference:.3f}"
    else:
        change = f"{check.detail!r} is {show_share(check.current, 1)} of the predictions, and "
        change += show_share(check.reference, 1)
    return (
        f"drift of {route}: {change} in training; {check.measure} {check.effect:.2f}, from "
        f"{check.threshold:g} on ({role} {model.uri}, last {texts:,} predictions)"
    )
