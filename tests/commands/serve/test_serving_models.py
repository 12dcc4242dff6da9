"""Models that are replaced while they serve, and challengers on a share of the requests."""

import asyncio
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from asking import JSON, ask
from conftest import ROOT, Rivals
from mlflow import MlflowClient

from sentiment.commands.promote.job import promote
from sentiment.commands.serve.app import App
from sentiment.commands.serve.clients import SlowClients
from sentiment.commands.serve.following import Follower
from sentiment.commands.serve.job import prepare
from sentiment.commands.serve.metrics import Metrics
from sentiment.config import compose
from sentiment.errors import ConfigError, TrackingStoreError
from sentiment.modeling.scoring import Predictor
from sentiment.tracking import MlflowTracker

NAME = "served-model"
ADDRESS = f"models:/{NAME}@champion"


@pytest.fixture
def events() -> list[str]:
    """Alerts that a webhook would be sent."""
    return []


@pytest.fixture
def followed(rivals: Rivals, events: list[str]):
    """An application of the champion, and what follows its alias."""
    promote(rivals.compose("promote", f"name={NAME}", f"run={rivals.weak.run_id}", "force=a test"))
    where = [f"outputs={rivals.store}", "tracking.experiment=rivals"]
    service = prepare(compose("serve", [*where, f"deploy.run='{ADDRESS}'", "server.port=0"]))
    metrics = Metrics()
    app = App(service.routes, service.settings, metrics, [])

    def report(event: str, message: str) -> None:
        events.append(f"{event}: {message}")

    yield app, Follower(service.routes, service.loader, metrics, 10, report)
    service.close()


def count(app: App, result: str) -> float:
    line = f'sentiment_swaps_total{{result="{result}",route="sentiment"}} '
    lines = ask(app, "/metrics").body.decode().splitlines()
    return next(
        (
            float(metric_line.removeprefix(line))
            for metric_line in lines
            if metric_line.startswith(line)
        ),
        0.0,
    )


@pytest.mark.slow
def test_an_alias_that_moves_is_followed(rivals, followed, events):
    app, follower = followed
    text = "a warm and moving film"

    def predict() -> dict[str, object]:
        return ask(app, "/predict", {"text": text}).json

    def expect(result) -> None:
        predictor = Predictor(result.pipeline)
        assert predict()["probability"] == predictor.predict_few([text])["probability"][0]

    expect(rivals.weak)
    first = predict()["model"]
    (route,) = ask(app, "/models").json["models"]
    assert route["champion"]["why"] == f"it was named {ADDRESS}"
    follower.refresh()
    assert predict()["model"] == first
    overrides = [f"name={NAME}", f"run={rivals.strong.run_id}", "force=yes"]
    promoted = promote(rivals.compose("promote", *overrides)).champion
    follower.refresh()
    expect(rivals.strong)
    assert predict()["model"] != first
    assert count(app, "done") == 1
    in_use = [
        line
        for line in ask(app, "/metrics").body.decode().splitlines()
        if line.startswith("sentiment_model_in_use{")
    ]
    assert sorted(line[-3:] for line in in_use) == ["0.0", "1.0"]
    # The registry does not answer: the model does.
    with pytest.MonkeyPatch.context() as patch:

        def fail(*_: object) -> None:
            raise TrackingStoreError("sqlite:///x", "no server answers there")

        patch.setattr(MlflowTracker, "find_version", fail)
        follower.refresh()
        expect(rivals.strong)
        assert "no server answers there" in str(ask(app, "/health/ready").json["problems"])
        patch.setattr(MlflowTracker, "find_version", lambda *_: 1 / 0)
        follower.refresh()
        assert "ZeroDivisionError" in str(ask(app, "/health/ready").json["problems"])
    assert count(app, "failed") == 2
    follower.refresh()
    assert ask(app, "/health/ready").json["problems"] == {}
    assert len(events) == 2, "each problem is reported once"
    assert events[0].startswith("swap_failed: ")
    assert "no server answers there" in events[0]
    back = promote(rivals.compose("promote", f"name={NAME}", "rollback=true")).champion
    follower.refresh()
    expect(rivals.weak)
    # The other tests of this file have made versions, too.
    versions = f"version {back.number}, and was {promoted.number}"
    assert events[2:] == [f"rollback: {ADDRESS} is back on {versions}"]
    assert int(back.number) < int(promoted.number)
    # The alias is gone.
    MlflowClient().delete_registered_model_alias(NAME, "champion")
    follower.refresh()
    expect(rivals.weak)
    assert "no longer points to a version" in str(ask(app, "/health").json["problems"])


@pytest.mark.slow
def test_a_worker_that_starts_late_has_the_models_of_now(rivals, followed):
    """It replaces one that has died, and was forked with the models of the server's start."""
    app, follower = followed
    promote(rivals.compose("promote", f"name={NAME}", f"run={rivals.strong.run_id}", "force=yes"))
    follower.start()
    text = "a warm and moving film"
    probability = Predictor(rivals.strong.pipeline).predict_few([text])["probability"][0]
    assert ask(app, "/predict", {"text": text}).json["probability"] == probability
    follower.stop()


@pytest.mark.slow
def test_a_worker_does_not_wait_long_for_the_registry(followed, monkeypatch):
    app, follower = followed
    answers = threading.Event()
    monkeypatch.setattr(MlflowTracker, "find_version", lambda *_: answers.wait())
    begun = time.monotonic()
    follower.start()
    assert time.monotonic() - begun < 30, "it would wait forever"
    assert ask(app, "/predict", {"text": "good"}).status == 200
    answers.set()
    follower.stop()


@pytest.mark.slow
def test_the_deployment_in_the_docs_answers_as_the_server_does(followed, monkeypatch):
    """The class for Ray Serve, without Ray: its models, its bodies, its answers."""
    app, _ = followed
    page = (ROOT / "docs" / "how_to" / "roll_out_the_server.md").read_text()
    code = page.partition("```py\n")[2].partition("```")[0]
    deployed = []

    def deploy(**_: object) -> Callable[[type], SimpleNamespace]:
        return lambda argument: SimpleNamespace(bind=argument)

    def run(model: object, route_prefix: str) -> None:
        deployed.append((model, route_prefix))

    monkeypatch.setitem(
        sys.modules, "ray", SimpleNamespace(serve=SimpleNamespace(deployment=deploy, run=run))
    )
    exec(code.replace("models:/sentiment@champion", ADDRESS), {})
    [(model, prefix)] = deployed
    assert prefix == "/invocations"
    for body, params in itertools.product(
        ({"inputs": ["a gem", "a bore"]}, {"dataframe_records": [{"text": "a gem"}]}),
        ({}, {"params": {"probabilities": "all"}}),
    ):
        data = json.dumps(body | params).encode()

        async def read(data: bytes = data) -> bytes:
            return data

        response = asyncio.run(model(SimpleNamespace(body=read, headers=JSON)))
        assert response.status_code == 200
        assert json.loads(response.body) == ask(app, prefix, data).json


@pytest.mark.slow
def test_a_model_that_does_not_load_leaves_the_old_one(rivals, followed, monkeypatch, tmp_path):
    app, follower = followed
    expected = ask(app, "/predict", {"text": "a gem"}).json
    promote(rivals.compose("promote", f"name={NAME}", f"run={rivals.strong.run_id}", "force=yes"))
    damaged = tmp_path / "model.skops"
    damaged.write_bytes(b"no zip file")
    from sentiment.commands.serve import routes

    choose = routes.choose_model
    monkeypatch.setattr(
        routes,
        "choose_model",
        lambda *arguments: replace(choose(*arguments), path=damaged, digest=""),
    )
    follower.refresh()
    assert ask(app, "/predict", {"text": "a gem"}).json == expected
    [problem] = ask(app, "/health/ready").json["problems"].values()
    assert "is not loaded" in problem
    assert count(app, "failed") == 1
    monkeypatch.undo()
    follower.refresh()
    assert ask(app, "/predict", {"text": "a gem"}).json["model"] != expected["model"]


@pytest.mark.slow
def test_a_share_of_requests_is_for_the_challenger(
    serve_here: Callable[..., App], model_files: dict[str, object]
) -> None:
    overrides = [
        f"++routes.sentiment.challenger='{model_files['sharper']}'",
        "++routes.sentiment.share=0.3",
    ]
    app, restarted = serve_here(*overrides), serve_here(*overrides)
    bodies = [{"text": "good film", "key": f"user {number}"} for number in range(400)]
    models = [ask(app, "/predict", body).json["model"] for body in bodies]
    assert [ask(restarted, "/predict", body).json["model"] for body in bodies[:50]] == models[:50]
    assert set(models) == {str(model_files["two"]), str(model_files["sharper"])}
    assert 0.2 < models.count(str(model_files["sharper"])) / 400 < 0.4  # 4 standard deviations
    # Without a key, the text decides.
    texts = [{"text": f"good film {number}"} for number in range(60)]
    responses = [ask(app, "/predict", body).json for body in texts]
    assert len({response["model"] for response in responses}) == 2
    for body, answer in zip(texts, responses, strict=True):
        predictor = Predictor.load(
            next(p for p in model_files.values() if str(p) == answer["model"])
        )
        assert answer["probability"] == predictor.predict_few([body["text"]])["probability"][0]
    described = ask(app, "/models").json["models"][0]
    assert described["challenger"]["uri"] == str(model_files["sharper"])
    assert described["share"] == 0.3


def test_what_a_challenger_in_shadow_raises_is_logged(
    serve_here: Callable[..., App],
    model_files: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = serve_here(
        f"++routes.sentiment.challenger='{model_files['sharper']}'",
        "++routes.sentiment.shadow=true",
    )

    def fail(*_: object) -> None:
        raise MemoryError("no memory for the agreement")

    monkeypatch.setattr(app._metrics, "count_shadow", fail)
    assert ask(app, "/predict", {"text": "good"}).status == 200
    app.close()
    assert "a prediction in shadow failed" in caplog.text
    assert "no memory for the agreement" in caplog.text


def test_a_challenger_in_shadow_is_counted_and_not_seen(
    serve_here: Callable[..., App], model_files: dict[str, object]
) -> None:
    overrides = [
        f"++routes.sentiment.challenger='{model_files['sharper']}'",
        "++routes.sentiment.shadow=true",
    ]
    app = serve_here(*overrides)
    texts = ["good film", "bad", "dull bore"]
    response = ask(app, "/predict", {"texts": texts}).json
    assert response["model"] == str(model_files["two"])
    app._pool.shutdown()  # the challenger predicts behind the response
    labels = [
        Predictor.load(model_files[name]).predict_few(texts)["prediction"]
        for name in ("two", "sharper")
    ]
    agreed = sum(a == b for a, b in zip(*labels, strict=True))
    lines = ask(app, "/metrics").body.decode()
    assert f'sentiment_shadow_total{{agreed="true",route="sentiment"}} {agreed}.0' in lines
    assert f'sentiment_shadow_total{{agreed="false",route="sentiment"}} {3 - agreed}.0' in lines


def test_a_challenger_has_the_labels_of_the_champion(serve_here, model_files):
    overrides = [
        f"++routes.sentiment.challenger='{model_files['three']}'",
        "++routes.sentiment.share=0.3",
    ]
    with pytest.raises(
        ConfigError,
        match=r"the labels of .*three\.skops differ .*two\.skops: it has 'billing', 'login' and "
        r"'other' more, and lacks 'negative' and 'positive'\.",
    ):
        serve_here(*overrides)


class Connection:
    """The facts of a connection of uvicorn's."""

    def __init__(self) -> None:
        self.transport, self.cycle, self.timeout_keep_alive_task = self, None, None
        self.unread, self.is_cut = 0, False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.is_cut = True


def test_clients_that_make_no_progress_are_cut_off():
    silent, idle, reading, stuck = (Connection() for _ in range(4))
    idle.timeout_keep_alive_task = "armed"
    clients, connections = SlowClients(10), [silent, idle, reading, stuck]
    for now in range(31):
        reading.unread, stuck.unread = 1000 - now, 1000
        clients.close_stalled(
            [connection for connection in connections if not connection.is_cut], float(now)
        )
        assert silent.is_cut == stuck.is_cut == (now >= 10)
    assert not idle.is_cut
    assert not reading.is_cut
