"""Files in requests: counted and logged as the texts of other requests are."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from asking import ask
from disks import full_disk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentiment.commands.serve import file_rows, log
from sentiment.commands.serve.app import App
from sentiment.files.hourly import read_batches
from sentiment.files.traffic import SCHEMAS, Traffic

TYPES = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
TEXTS = ["good film", "bad bore, dull", "b\u00e4d", "great", "x" * 101, "fine film, good"]


def write_file(kind: str, texts: list[str | None]) -> bytes:
    if kind == "jsonl":
        return "".join(f"{json.dumps({'text': text})}\n" for text in texts).encode()
    return pd.DataFrame({"text": texts}).to_csv(index=False).encode()


def post(app: App, kind: str, data: bytes, path: str = "/predict") -> Any:
    blocks = [data[k : k + 500] for k in range(0, len(data), 500)] or [b""]
    return ask(app, path, headers={"content-type": TYPES[kind]}, parts=blocks)


def read_log(folder: Path) -> pd.DataFrame:
    name = "predictions"
    frames = [batch.to_pandas() for batch in read_batches(folder / name, SCHEMAS[name])]
    return pd.concat(frames, ignore_index=True).set_index("id")


def read_metrics(app: App) -> dict[str, float]:
    lines = ask(app, "/metrics").body.decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("sentiment_")]
    return {name: float(value) for name, value in pairs if "seconds" not in name}


@pytest.fixture
def make_logged(serve_here, model_files, tmp_path) -> Any:
    def make(name: str, *overrides: str) -> App:
        app: App = serve_here(
            f"log.folder={tmp_path}/{name}", f"++routes.tags.model='{model_files['sets']}'",
            "deploy.max_chars=100", "deploy.abstain=0", "drift.window=4", *overrides,
        )  # fmt: skip
        app._metrics.recent.size = 4
        return app

    return make


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("path", ["/predict", "/models/tags/predict"])
@pytest.mark.parametrize("options", [{}, {"threshold": 0.9}])
def test_a_file_is_counted_and_logged_as_its_texts_would_be(
    make_logged, tmp_path, kind, path, options
):
    """The oracle is a request with the same texts as JSON."""
    file_app, json_app = (
        make_logged("file", "log.texts=true"),
        make_logged("json", "log.texts=true"),
    )
    query = "".join(f"?{name}={value}" for name, value in options.items())
    response = post(file_app, kind, write_file(kind, TEXTS), f"{path}{query}")
    expected = ask(json_app, path, {"texts": TEXTS} | options).json["predictions"]
    name = response.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{24}", name)
    for app in (file_app, json_app):
        app._log.write()
    counted = read_metrics(file_app)
    assert counted == pytest.approx(read_metrics(json_app))
    assert any(line.startswith("sentiment_predictions_total") for line in counted)
    assert file_app._metrics.recent.gather() == json_app._metrics.recent.gather()
    assert bool(file_app._metrics.recent.gather()) == (not options)
    rows, expected_rows = (
        read_log(tmp_path / "file"),
        read_log(tmp_path / "json").loc[ids_of(expected)],
    )
    rows = rows.loc[[f"{name}-{position}" for position in range(len(TEXTS))]]
    shared = rows.columns.difference(["time", "seconds"])
    pd.testing.assert_frame_equal(
        rows[shared].reset_index(drop=True), expected_rows[shared].reset_index(drop=True)
    )
    assert rows["error"].notna().tolist() == [len(text) > 100 for text in TEXTS]
    assert rows["seconds"].nunique() == 1


def ids_of(predictions: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in predictions]


def test_rows_of_a_file_take_labels(make_logged, tmp_path):
    app = make_logged("log")
    name = post(app, "csv", write_file("csv", TEXTS)).headers["x-request-id"]
    labels = [{"id": f"{name}-{position}", "label": "negative"} for position in (1, 3)]
    assert ask(app, "/feedback", labels).status == 202
    app._log.write()
    [rows] = Traffic(tmp_path / "log", "sentiment", "live").read()
    labelled = rows.to_pandas().dropna(subset=["label"])
    assert labelled["id"].tolist() == [f"{name}-1", f"{name}-3"]
    assert not rows["text"].drop_null()


@pytest.fixture
def logged(make_logged) -> App:
    app: App = make_logged("log")
    return app


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(st.sampled_from(["good", "bad", None, "x" * 101]), min_size=1, max_size=40),
    kind=st.sampled_from([*TYPES]),
    part=st.sampled_from([1, 10_000]),
)
def test_every_row_of_any_file_is_in_the_log_once(logged, tmp_path, monkeypatch, texts, kind, part):
    monkeypatch.setattr(log, "_FILE_WRITE_BYTES", part)
    texts = ["" if text is None and kind == "csv" else text for text in texts]
    response = post(logged, kind, write_file(kind, texts))
    while logged._log._files:
        logged._log.write()
    rows = read_log(tmp_path / "log")
    assert rows.index.is_unique
    rejected = [text is None or len(text) > 100 for text in texts]
    assert response.status == (422 if all(rejected) else 200)
    if response.status == 200:
        name = response.headers["x-request-id"]
        assert sum(rows.index.str.startswith(name)) == len(texts)
        file_rows_logged = rows.loc[[f"{name}-{position}" for position in range(len(texts))]]
        assert file_rows_logged["error"].notna().tolist() == rejected


def test_a_file_without_an_answered_row_is_counted_and_logged(logged, tmp_path):
    refused = post(logged, "jsonl", write_file("jsonl", [None, "x" * 101]))
    assert refused.status == 422
    assert "all 2 rows of 'the body' are rejected" in refused.json["error"]
    logged._log.write()
    assert read_log(tmp_path / "log")["error"].tolist() == ["no text", "text too long"]
    counted = read_metrics(logged)
    assert counted['sentiment_rejected_total{reason="no text",route="sentiment"}'] == 1


def count_open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_a_file_that_stops_is_neither_counted_nor_logged(make_logged, tmp_path, monkeypatch):
    monkeypatch.setattr(file_rows, "_MAX_MEMORY", 1)
    app = make_logged("log", "server.max_stream=300000", "server.timeout=0.05")
    open_before = count_open_files()
    rows = [b"good film\n" * 20_000] * 2
    for blocks, status in (
        ([b"text\n", *rows, None], 413),
        ([b"text\n", rows[0], None], 408),
    ):
        assert ask(app, "/predict", headers={"content-type": "text/csv"}, parts=blocks).status == (
            status
        )
    app._log.write()
    assert not list((tmp_path / "log/predictions").iterdir())
    assert not any("predictions_total" in name for name in read_metrics(app))
    assert count_open_files() == open_before


def test_rows_without_room_are_dropped_and_the_file_is_answered(make_logged, tmp_path, monkeypatch):
    app = make_logged("log")
    data = write_file("csv", ["good film"] * 2000)
    with monkeypatch.context() as patch:
        patch.setattr(log, "_MAX_FILE_BYTES", 1)
        assert post(app, "csv", data).status == 200
    dropped = 'sentiment_log_rows_total{result="dropped",table="predictions"}'
    assert read_metrics(app)[dropped] == 2000
    open_before = count_open_files()
    monkeypatch.setattr(file_rows, "_MAX_MEMORY", 1)
    with full_disk(20_000):
        response = post(app, "csv", data)
        app._log.write()
    assert (response.status, response.headers["x-rows-read"]) == (200, "2000")
    logged_count = len(list((tmp_path / "log/predictions").iterdir())) and len(
        read_log(tmp_path / "log")
    )
    assert logged_count < 2000
    assert read_metrics(app)[dropped] == 4000 - logged_count
    assert count_open_files() <= open_before + 1  # the journal
