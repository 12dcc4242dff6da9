"""Drift of the last predictions, as it is in /metrics."""

import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from asking import ask
from prometheus_client.parser import text_string_to_metric_families
from scipy import stats

from sentiment.commands.serve.app import App
from sentiment.commands.serve.drifting import DriftWatch
from sentiment.commands.serve.job import prepare
from sentiment.commands.serve.metrics import Metrics
from sentiment.commands.serve.recent import RecentPredictions
from sentiment.config import compose
from sentiment.errors import ConfigError, TrackingStoreError, show_share
from sentiment.tracking.references import find_reference

WINDOW = 120


def read_gauges(app: App) -> dict[tuple[str, ...], float]:
    """Return the values of all samples, by their names and the values of their labels but two."""
    families = text_string_to_metric_families(ask(app, "/metrics").body.decode())
    return {
        (
            sample.name,
            *(v for k, v in sorted(sample.labels.items()) if k not in ("role", "route")),
        ): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def watched(rivals: Any) -> Any:
    """An application with the thread that compares, which is asked by hand, and its messages."""
    overrides = [f"outputs={rivals.store}", "tracking.experiment=rivals", "server.port=0"]
    overrides += [f"deploy.run={rivals.strong.run_id}", f"drift.window={WINDOW}"]
    service = prepare(compose("serve", overrides))
    metrics = Metrics(window=service.drift.window)
    app = App(service.routes, service.settings, metrics, [])
    messages: list[str] = []
    watch = DriftWatch(
        service.routes,
        service.loader,
        metrics,
        service.drift,
        on_event=lambda event, message: messages.append(f"{event}: {message}"),
    )
    yield app, watch, messages, service
    service.close()


@pytest.mark.skipif(not shutil.which("promtool"), reason="on Debian: apt install prometheus")
def test_metrics_follow_the_conventions_of_prometheus(watched: Any) -> None:
    app, watch, _, _ = watched
    ask(app, "/predict", {"texts": ["good", None]})
    watch.compare()
    assert read_gauges(app)["sentiment_reference_probability_share", "1.0"] == 1
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=ask(app, "/metrics").body, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_drift_is_measured_against_the_validation_rows(
    rivals: Any, watched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, watch, messages, service = watched
    model = service.routes["sentiment"].champion
    texts = pd.read_csv(rivals.data)["text"].sample(WINDOW, random_state=0).tolist()
    predictions = ask(app, "/predict", {"texts": texts[:-1]}).json["predictions"]
    # A threshold of its own is not what the reference was predicted with.
    ask(app, "/predict", {"texts": texts, "threshold": 0.01})

    def fail(*_: object) -> None:
        raise TrackingStoreError("sqlite:///x", "no server answers there")

    with monkeypatch.context() as patch:
        patch.setattr(service.loader, "find_reference", fail)
        watch.compare()
    watch.compare()
    gauges = read_gauges(app)
    assert gauges["sentiment_drift_texts",] == WINDOW - 1
    assert math.isnan(gauges["sentiment_drift", "probability"]), "the window is not full"
    predictions.append(ask(app, "/predict", {"text": texts[-1]}).json)
    watch.compare()
    gauges = read_gauges(app)
    rows = find_reference(model.choice, service.loader._tracker).rows
    scores = np.array([prediction["probability"] for prediction in predictions], "f4")
    distance = stats.wasserstein_distance(rows["probability"], scores) / rows["probability"].std(
        ddof=0
    )
    assert gauges["sentiment_drift_effect", "probability"] == pytest.approx(distance, rel=1e-5)
    share = (rows["prediction"] == "negative").mean()
    assert gauges["sentiment_reference_label_share", "negative"] == pytest.approx(share)
    for bound in (0.5, 0.8, 1.0):
        key = "sentiment_reference_probability_share", str(bound)
        assert gauges[key] == pytest.approx((rows["probability"] <= bound).mean())
    assert gauges["sentiment_drift_threshold", "prediction"] == 1.68
    assert gauges["sentiment_drift", "prediction"] == 0
    assert not [line for line in messages if "of the predictions" in line]
    # All of one label, twice: one alarm, which ends when the texts are as they were.
    positive_text = next(
        t for t, p in zip(texts, predictions, strict=True) if p["prediction"] == "positive"
    )
    for _ in range(2):
        ask(app, "/predict", {"texts": [positive_text] * WINDOW})
        watch.compare()
    drifted = read_gauges(app)
    assert drifted["sentiment_drift", "prediction"] == 1
    assert len([line for line in messages if "of the predictions" in line]) == 1
    [line] = [line for line in messages if "of the predictions" in line]
    shares = {"positive": ("100.0 %", 1 - share), "negative": ("0.0 %", share)}
    changes = [
        f"{label!r} is {current_share} of the predictions, and {show_share(reference_share, 1)} in"
        for label, (current_share, reference_share) in shares.items()
    ]
    assert any(f"{change} training" in line for change in changes)
    ask(app, "/predict", {"texts": texts})
    watch.compare()
    assert read_gauges(app)["sentiment_drift", "prediction"] == 0


def test_a_model_without_a_reference_has_no_drift(serve_here: Any) -> None:
    service, metrics = serve_here("drift.window=1").service, Metrics(window=1)
    app = App(service.routes, service.settings, metrics, [])
    ask(app, "/predict", {"text": "good"})
    watch = DriftWatch(service.routes, service.loader, metrics, service.drift)
    watch.compare()
    gauges = read_gauges(app)
    assert math.isnan(gauges["sentiment_drift", "probability"])


def test_predictions_of_all_workers_are_compared_together(tmp_path: Path) -> None:
    workers = [RecentPredictions(3, tmp_path) for _ in range(3)]
    for index, worker in enumerate(workers):
        for number in range(index + 2):
            worker.add("sentiment", "models:/a", [f"label {index}"], [number / 10])
        worker.add("topics", f"models:/{index}", ["x", "y"], [0.1, 0.2])
        worker.keep({("sentiment", "models:/a"), ("topics", "models:/2")})
        if index:
            worker.save(index)
    gathered = workers[0].gather()
    assert sorted(gathered) == [("sentiment", "models:/a"), ("topics", "models:/2")]
    rows = gathered["sentiment", "models:/a"]
    assert sorted(rows) == [
        ("label 0", 0.0), ("label 0", 0.1), ("label 1", 0.0), ("label 1", 0.1), ("label 1", 0.2),
        ("label 2", 0.1), ("label 2", 0.2), ("label 2", 0.3),
    ]  # fmt: skip


def test_settings_of_drift_that_are_no_settings() -> None:
    with pytest.raises(ConfigError, match=r"drift\.window"):
        compose("serve", ["drift.window=-1"])
    with pytest.raises(ConfigError, match="a number above 1"):
        compose("serve", ["drift.labels=0.5"])
