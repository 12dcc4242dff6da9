"""The log of a server and the labels that come later."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from asking import ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentiment.commands.serve import log as module
from sentiment.commands.serve.app import App
from sentiment.files.hourly import read_batches
from sentiment.files.traffic import SCHEMAS


def read(folder: Path, table: str) -> pd.DataFrame:
    frames = [batch.to_pandas() for batch in read_batches(folder / table, SCHEMAS[table])]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def read_metrics(app: App) -> dict[str, float]:
    lines = ask(app, "/metrics").body.decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("sentiment_")]
    return {name: float(value) for name, value in pairs}


@pytest.fixture
def logged(serve_here, model_files, tmp_path) -> Any:
    return serve_here(
        f"log.folder={tmp_path}", f"++routes.tags.model='{model_files['sets']}'",
        f"++routes.sentiment.challenger='{model_files['sharper']}'",
        "++routes.sentiment.shadow=true", "deploy.max_chars=100", "deploy.abstain=0",
    )  # fmt: skip


def test_answers_are_logged_and_no_text(logged, model_files, tmp_path):
    single = ask(logged, "/predict", {"text": "good film", "threshold": 0.75}).json
    several = ask(logged, "/predict", {"texts": ["bad", "secret" * 20, "fine"]}).json
    called = ask(logged, "/models/tags/invocations", {"inputs": ["late", "x"]})
    assert ask(logged, "/predict", {"texts": []}).status == 200
    logged._pool.shutdown()  # the challenger has answered
    logged._log.write()
    rows = read(tmp_path, "predictions")
    answered = rows[rows["role"] == "champion"].set_index("id")
    assert (
        answered.loc[single["id"], ["prediction", "probability"]] == [*single.values()][:2]
    ).all()
    rules = {name: json.loads(rule)["threshold"] for name, rule in answered["rule"].items()}
    assert rules[single["id"]] == 0.75
    assert {*rules.values()} == {0.5, 0.75}
    ids = [row["id"] for row in several["predictions"]]
    assert len({name[:24] for name in ids}) == 1
    assert answered.loc[ids, "error"].isna().tolist() == [True, False, True]
    assert answered.loc[ids[1], "error"] == "text too long"
    assert answered.loc[ids[2], "probability"] == several["predictions"][2]["probability"]
    called_ids = [f"{called.headers['x-request-id']}-{k}" for k in range(2)]
    assert answered.loc[called_ids, "prediction"].tolist() == called.json["predictions"]
    assert set(answered.loc[called_ids, "route"]) == {"tags"}
    shadow = rows[rows["role"] == "shadow"]
    assert shadow["id"].tolist() == [single["id"], *ids]
    assert set(shadow["model"]) == {str(model_files["sharper"])}
    assert rows["text"].isna().all()
    assert rows["seconds"].between(0, 60).all()
    counted = read_metrics(logged)
    name = 'sentiment_log_rows_total{result="written",table="predictions"}'
    assert counted[name] == len(rows) == 10
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.rglob("_*"))


def test_texts_are_logged_if_asked_and_a_server_without_a_log_gives_no_id(serve_here, tmp_path):
    app = serve_here(f"log.folder={tmp_path}", "log.texts=true")
    app._log.start()
    ask(app, "/predict", {"texts": ["good", None, "b\u00e4d"]})
    app._log.stop()
    rows = pd.read_parquet(tmp_path / "predictions")
    assert rows["text"].tolist()[::2] == ["good", "b\u00e4d"]
    plain = serve_here()
    assert "id" not in ask(plain, "/predict", {"text": "good"}).json
    refused = ask(plain, "/feedback", {"id": "0" * 24, "label": "positive"})
    assert refused.status == 404
    assert "log.folder=<folder>" in refused.json["error"]


def test_labels_come_late_and_unknown_ones_are_refused(logged, tmp_path):
    ids = [ask(logged, "/predict", {"text": text}).json["id"] for text in ("good", "bad")]
    assert ask(logged, "/feedback", {"id": ids[1], "label": "negative"}).json == {"accepted": 1}
    several = [{"id": ids[0], "label": "negative"}, {"id": f"{ids[0]}-3", "label": "positive"}]
    assert ask(logged, "/feedback", several).status == 202
    tags = {"id": ids[0], "label": "refund;late"}
    assert ask(logged, "/models/tags/feedback", tags).status == 202
    for body, problem in (
        ([*several, {"id": ids[0], "label": "unsure"}], "'unsure'; expected one of 'negative' and"),
        ({"id": "x", "label": "negative"}, "the id is 'x'"),
        ({"id": ids[0], "label": 1}, "Expected `str`"),
        ({"id": ids[0]}, "missing required field `label`"),
    ):
        refused = ask(logged, "/feedback", body)
        assert refused.status == 422
        assert problem in refused.json["error"]
    logged._log.write()
    labels = read(tmp_path, "feedback")
    assert labels["label"].tolist() == ["negative", "negative", "positive", "late;refund"]
    assert labels["route"].tolist() == ["sentiment"] * 3 + ["tags"]
    counted = read_metrics(logged)
    assert counted['sentiment_feedback_total{route="sentiment"}'] == 3
    assert not any("feedback" in name for name in counted if "requests" in name)


def test_what_has_no_room_or_cannot_be_written_is_dropped(logged, tmp_path, monkeypatch, caplog):
    def count(table: str) -> float:
        name = f'sentiment_log_rows_total{{result="dropped",table="{table}"}}'
        return read_metrics(logged).get(name, 0)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_MAX_QUEUE_CHARS", 1)
        assert ask(logged, "/models/tags/predict", {"texts": ["late"] * 3}).status == 200
        full = ask(logged, "/feedback", {"id": "0" * 24, "label": "positive"})
        assert (full.status, full.headers["retry-after"]) == (503, "1")
    assert (count("predictions"), count("feedback")) == (3, 1)
    (tmp_path / "predictions").rmdir()
    (tmp_path / "predictions").touch()
    for _ in range(2):
        ask(logged, "/models/tags/predict", {"text": "late"})
        logged._log.write()
    assert count("predictions") == 5
    assert caplog.text.count("the log is not written") == 1
    (tmp_path / "predictions").unlink()
    ask(logged, "/models/tags/predict", {"text": "late"})
    logged._log.write()
    assert len(read(tmp_path, "predictions")) == 1


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "label", "x", "\ud800"]), inner, max_size=3)
        ),
    )
    | st.binary(max_size=20)
)
def test_no_feedback_is_an_error_of_the_server(logged, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert ask(logged, "/feedback", data).status in (202, 400, 422)
