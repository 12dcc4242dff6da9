"""Requests for predictions: what is answered, what is not, and that all is as `predict` has it."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from asking import JSON, ask
from hypothesis import given, settings
from hypothesis import strategies as st

from sentiment.commands.predict.job import predict
from sentiment.commands.serve.command import convert_argument
from sentiment.config import compose
from sentiment.errors import ConfigError, InputNotFoundError, ListenError
from sentiment.modeling.prediction_columns import PredictionColumns
from sentiment.modeling.scoring import Predictor

TEXTS = ["good film", "bad bore, dull", "", "<br />great &amp; caf\u00e9", "x" * 3000]


@pytest.fixture(scope="module")
def app(model_files):
    from sentiment.commands.serve.app import App
    from sentiment.commands.serve.job import prepare
    from sentiment.commands.serve.metrics import Metrics

    overrides = [
        f"deploy.run='{model_files['two']}'",
        "server.port=0", "tracking=off", "deploy.max_chars=4000",
        f"++routes.topics.model='{model_files['three']}'",
        f"++routes.tags.model='{model_files['sets']}'",
        "server.max_texts=50", "server.max_body=100000", "server.timeout=0.05",
    ]  # fmt: skip
    service = prepare(compose("serve", overrides))
    yield App(service.routes, service.settings, Metrics(), [])
    service.close()


def predictions_of(path: Path, texts: list[str], **columns: object) -> list[dict[str, object]]:
    predictor = Predictor.load(path, columns=PredictionColumns(**columns))
    return predictor.predict(pa.array(texts, pa.large_string())).to_pylist()


@pytest.mark.parametrize(
    ("path", "model"),
    [("/predict", "two"), ("/models/topics/predict", "three"), ("/models/tags/predict", "sets")],
)
def test_answers_are_those_of_predict(app, model_files, path, model):
    response = ask(app, path, {"texts": TEXTS}).json
    assert response["predictions"] == predictions_of(model_files[model], TEXTS)
    assert response["model"] == str(model_files[model])
    for text, expected in zip(TEXTS, response["predictions"], strict=True):
        single = ask(app, path, {"text": text})
        assert single.json == expected | {"model": str(model_files[model])}
        assert int(single.headers["content-length"]) == len(single.body)


def test_options_of_a_request(app, model_files):
    response = ask(app, "/predict", {"texts": TEXTS, "probabilities": True, "explain": True}).json
    expected = predictions_of(model_files["two"], TEXTS, probabilities="all", explain=True)
    assert response["predictions"] == expected
    sure = ask(app, "/predict", {"text": "good", "threshold": 0.99}).json
    assert sure["prediction"] == "negative"
    assert sure["probability"] == 1 - predictions_of(model_files["two"], ["good"])[0]["probability"]
    refused = ask(app, "/models/topics/predict", {"text": "good", "threshold": 0.9})
    assert refused.status == 422
    assert refused.json["error"].startswith("threshold is 0.9, which is for two classes")
    tags = ask(app, "/models/tags/predict", {"texts": TEXTS, "explain": True}).json
    assert tags["predictions"] == predictions_of(model_files["sets"], TEXTS, explain=True)
    none = ask(app, "/models/tags/predict", {"text": "late", "threshold": 0.999}).json
    assert none["prediction"] == ""


def test_texts_that_predict_rejects_have_its_reasons(app, model_files, tmp_path):
    values = ["good", None, "y" * 4001, ["a"], 7, True, {"a": 1}]
    predictions = ask(app, "/predict", {"texts": values}).json["predictions"]
    lines = "".join(json.dumps({"text": value}) + "\n" for value in values)
    (tmp_path / "rows.jsonl").write_text(lines)
    overrides = [
        f"input={tmp_path}/rows.jsonl",
        f"deploy.run='{model_files['two']}'",
        "tracking=off",
    ]
    result = predict(compose("predict", [*overrides, "deploy.max_chars=4000"]))
    rejected = pd.read_csv(result.rejected).set_index("row")["reason"].to_dict()
    assert {
        n: prediction["error"]
        for n, prediction in enumerate(predictions, 1)
        if "error" in prediction
    } == rejected
    assert set(rejected) == {2, 3, 4, 7}
    answered = [json.loads(line) for line in Path(result.output).read_text().splitlines()]
    predicted = [prediction for prediction in predictions if "error" not in prediction]
    assert [prediction["probability"] for prediction in predicted] == [
        answer["probability"] for answer in answered
    ]
    alone = ask(app, "/predict", {"text": None})
    assert (alone.status, alone.json["error"]) == (422, "no text")
    none = ask(app, "/predict", {"texts": [None, None]})
    assert none.status == 422
    half = ask(app, "/predict", b'{"texts": ["good", "\\ud800"]}').json["predictions"]
    assert half[1] == {"error": "half a surrogate pair, which is not a character"}
    assert half[0]["prediction"] == predictions[0]["prediction"]


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"", 400, "the body is not JSON"),
        (b'{"text": ', 400, "the body is not JSON"),
        (b'{"text": "\xff"}', 400, "not in UTF-8"),
        (b'{"text": ' + b"[" * 90_000, 400, "nested too deeply"),
        (b"[]", 422, "Expected `object`"),
        ({}, 422, "neither is there"),
        ({"text": "a", "texts": ["b"]}, 422, "both are"),
        ({"texts": "a"}, 422, "Expected `array`"),
        ({"text": "a", "txet": 1}, 422, "unknown field `txet`"),
        ({"text": "a", "threshold": 1.5}, 422, "threshold is 1.5"),
        ({"text": "a", "columns": {"price": 1}}, 422, "reads no columns"),
        ({"texts": ["a"] * 51}, 413, "51 texts; expected at most 50 (server.max_texts)"),
        ({"text": "a" * 100_001}, 413, "expected at most 100,000 (server.max_body)"),
    ],
)
def test_bodies_that_are_not_answered(app, body, status, problem):
    response = ask(app, "/predict", body)
    assert response.status == status
    assert problem in response.json["error"]


def test_other_requests_that_are_not_answered(app):
    assert ask(app, "/models/none/predict", {"text": "a"}).status == 404
    assert "expected sentiment, topics, tags" in ask(app, "/models/x/predict", {}).json["error"]
    assert ask(app, "/nothing").status == 404
    wrong = ask(app, "/predict", method="GET")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert ask(app, "/version", {}).headers["allow"] == "GET, HEAD"
    form = ask(app, "/predict", b"text=a", headers={"content-type": "text/html"})
    assert form.status == 415
    assert "expected one of application/json" in form.json["error"]
    for path in ("/predict", "/invocations"):
        packed = ask(app, path, gzip.compress(b"{}"), headers=JSON | {"content-encoding": "gzip"})
        assert packed.status == 415
        assert "expected a body that is not compressed" in packed.json["error"]
    declared = ask(app, "/predict", b"{}", headers=JSON | {"content-length": "100001"})
    assert (declared.status, declared.headers["x-limit"]) == (413, "100000")
    slow = ask(app, "/predict", parts=[b'{"te', None])
    assert (slow.status, slow.headers["connection"]) == (408, "close")
    response = ask(app, "/predict", parts=[b"a" * 60_000, b"a" * 60_000, b""])
    assert response.status == 413


def test_a_body_may_come_in_parts(app):
    assert ask(app, "/predict", parts=[b'{"text"', b': "good"', b"}"]).status == 200
    assert app._body_bytes == 0


def test_a_full_queue_is_said_before_anything_is_read(app, monkeypatch):
    monkeypatch.setattr(app, "count_waiting", lambda: 10_000)
    full = ask(app, "/predict", parts=[None])
    assert (full.status, full.headers["retry-after"]) == (503, "1")
    assert ask(app, "/health/ready").status == 200


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from([10**400, "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "texts", "columns", "threshold", "explain", "key", "inputs",
                             "instances", "dataframe_split", "dataframe_records", "data", "x",
                             "params", "\ud800"]),
            inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    body=JSON_VALUES | st.binary(max_size=60),
    path=st.sampled_from(
        ["/predict", "/invocations", "/models/tags/predict", "/models/topics/invocations"]
    ),
)
def test_no_body_is_an_error_of_the_server(app, body, path):
    response = ask(app, path, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert response.status in (200, 400, 413, 422)
    assert response.status == 200 or "error" in response.json or "predictions" in response.json
    assert app._body_bytes == 0


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=200)
    | st.text("ab,\"\n;{}:\\'", max_size=200).map(str.encode)
    | st.lists(JSON_VALUES, max_size=5).map(
        lambda rows: "".join(f"{json.dumps({'text': text})}\n" for text in rows).encode()
    ),
    kind=st.sampled_from(["text/csv", "application/x-ndjson"]),
)
def test_no_file_is_an_error_of_the_server(app, data, kind):
    response = ask(app, "/predict", data, headers={"content-type": kind})
    assert response.status in (200, 422)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_is_answered_as_predict_writes_it(app, model_files, tmp_path, kind):
    frame = pd.DataFrame({"id": range(300), "body": [f"{TEXTS[k % 4]} {k}" for k in range(300)]})
    path = tmp_path / f"reviews.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    overrides = [
        f"input={path}",
        f"deploy.run='{model_files['two']}'",
        "tracking=off",
        "text_column=body",
    ]
    result = predict(compose("predict", overrides))
    data = path.read_bytes()
    types = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
    response = ask(
        app, "/predict?text_column=body", headers={"content-type": types[kind]},
        parts=[data[k : k + 1000] for k in range(0, len(data), 1000)],
    )  # fmt: skip
    assert response.status == 200
    assert response.body == Path(result.output).read_bytes()
    assert (response.headers["x-rows-read"], response.headers["x-rows-rejected"]) == ("300", "0")
    assert response.headers["x-model"] == str(model_files["two"])


def test_rows_of_a_file_that_are_rejected_are_named(app, model_files):
    lines = b'{"text": "good"}\n{"text": null}\nno\n{"text": "bad"}\n'
    response = ask(app, "/predict", lines, headers={"content-type": "application/jsonl"})
    rows = [json.loads(line) for line in response.body.splitlines()]
    expected = predictions_of(model_files["two"], ["good", "bad"])
    assert rows[:2] == [{"text": "good"} | expected[0], {"text": "bad"} | expected[1]]
    assert rows[2] == {"row": 2, "line": 2, "error": "no text"}
    assert rows[3]["row"] == 3
    table = b"text,n\ngood,1\nbad\n"
    response = ask(app, "/predict?probabilities=true", table, headers={"content-type": "text/csv"})
    assert response.body.splitlines()[0] == b"text,n,prediction,probability,p:negative,p:positive"
    [rejected] = json.loads(response.headers["x-rejected-rows"])
    assert (rejected["row"], response.headers["x-rows-rejected"]) == (2, "1")


@pytest.mark.parametrize(
    ("query", "data", "problem"),
    [
        ("?colour=red", b"text\na\n", "there is no option 'colour'"),
        ("?explain=maybe", b"text\na\n", "explain is 'maybe'"),
        ("?threshold=high", b"text\na\n", "threshold is 'high'"),
        ("?text_column=body", b"text,n\na,1\n", "no column 'body'"),
        ("", b"", "holds no data"),
        ("", b"prediction,text\na,b\n", "already has a column 'prediction'"),
    ],
)
def test_files_that_are_not_answered(app, query, data, problem):
    response = ask(app, f"/predict{query}", data, headers={"content-type": "text/csv"})
    assert response.status == 422
    assert problem in response.json["error"]


def test_a_file_larger_than_its_limit_or_that_stops_is_not_answered(serve_here):
    app = serve_here("server.max_stream=1000", "server.timeout=0.05")
    csv = {"content-type": "text/csv"}
    large = ask(app, "/predict", headers=csv, parts=[b"text\n", *[b"good\n" * 100] * 3])
    assert large.status == 413
    assert "server.max_stream" in large.json["error"]
    assert ask(app, "/predict", headers=csv, parts=[b"text\n", None]).status == 408


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": ["good film", "bad"]},
        {"instances": [{"text": "good film"}, {"text": "bad"}]},
        {"inputs": {"text": ["good film", "bad"]}},
        {"dataframe_records": [{"text": "good film"}, {"text": "bad"}]},
        {"dataframe_split": {"columns": ["text"], "data": [["good film"], ["bad"]]}},
    ],
)
def test_bodies_of_mlflow(app, model_files, body):
    labels = [
        prediction["prediction"]
        for prediction in predictions_of(model_files["two"], ["good film", "bad"])
    ]
    assert ask(app, "/invocations", body).json == {"predictions": labels}
    response = ask(app, "/invocations", body | {"params": {"probabilities": "all"}}).json
    expected = predictions_of(model_files["two"], ["good film", "bad"], probabilities="all")
    assert response == {"predictions": expected}


def test_parameters_and_tables_of_mlflow(app, model_files):
    """They are those of the models that `mlflow models serve` serves."""
    texts = ["good film", "bad"]
    labels = [prediction["prediction"] for prediction in predictions_of(model_files["two"], texts)]
    table = b"text,n\ngood film,1\nbad,2\n"
    csv = {"content-type": "text/csv"}
    assert ask(app, "/invocations", table, headers=csv).json == {"predictions": labels}
    params_by_name = {"none": {"top_k": 2}, "top": {}}
    for probabilities, columns in params_by_name.items():
        params = {"probabilities": probabilities, **columns, "unknown": 1}
        predictions = ask(app, "/invocations", {"inputs": texts, "params": params}).json[
            "predictions"
        ]
        assert predictions == predictions_of(model_files["two"], texts, **columns)
    for threshold, label in (("0.0001", "positive"), (0.9999, "negative")):
        params = {"threshold": threshold}
        predictions = ask(app, "/invocations", {"inputs": texts, "params": params}).json[
            "predictions"
        ]
        assert predictions == [label, label]


@pytest.mark.parametrize(
    ("data", "kind", "status", "problem"),
    [
        ({"inputs": ["a"], "params": {"probabilities": True}}, "json", 400, "none, top or all"),
        ({"inputs": ["a"], "params": {"top_k": 0}}, "json", 400, "top_k is 0"),
        ({"inputs": ["a"], "params": {"threshold": "max_f1"}}, "json", 400, "expected a number"),
        ({"inputs": ["a"], "params": {"threshold": "2"}}, "json", 422, "below 1"),
        ({"inputs": ["a"], "params": {"threshold": 10**400}}, "json", 400, "expected a number"),
        ({"inputs": ["a"], "params": []}, "json", 200, "predictions"),
        ({"inputs": ["a"], "params": [1]}, "json", 400, "params is not an object"),
        (b"text\n\xff\n", "csv", 400, "not in UTF-8"),
        (b"text,n\na\n", "csv", 400, "longer or shorter than its header"),
        (b'text,n\n"a" b,1\n', "csv", 400, "not a CSV file"),
        (b"", "csv", 200, "predictions"),
        (b"n\n1\n", "csv", 400, "no row has a column 'text'"),
    ],
)
def test_what_mlflow_would_not_take(app, data, kind, status, problem):
    kinds = {"json": "application/json", "csv": "text/csv"}
    response = ask(app, "/invocations", data, headers={"content-type": kinds[kind]})
    assert response.status == status
    assert problem in str(response.json)


def test_places_and_options_that_are_not_there(app):
    assert ask(app, "/feedbacks", {"text": "a"}).status == 404
    assert ask(app, "/predict/", {"text": "a"}).status == 404
    assert ask(app, "/models", {"text": "a"}).status == 405
    response = ask(app, "/predict?threshold=0.9", {"text": "a"})
    assert response.status == 422
    assert "in the body" in response.json["error"]
    wrong = ask(app, "/invocations", b"a=b", headers={"content-type": "application/x-ndjson"})
    assert wrong.status == 415
    assert "expected one of application/json, text/csv." in wrong.json["error"]


def test_a_row_of_mlflow_that_is_rejected_fails_the_request(app):
    response = ask(app, "/invocations", {"inputs": ["good", None]})
    assert response.status == 422
    assert "row 2 is rejected: no text" in response.json["error"]
    assert ask(app, "/invocations", {"inputs": 3}).status == 400
    assert ask(app, "/invocations", {"rows": []}).status == 400


def test_pages_about_the_server(app, model_files):
    models = ask(app, "/models").json["models"]
    assert [route["name"] for route in models] == ["sentiment", "topics", "tags"]
    assert models[1]["champion"]["labels"] == ["billing", "login", "other"]
    readiness = ask(app, "/health/ready").json
    assert readiness["models"]["sentiment"] == str(model_files["two"])
    assert readiness["problems"] == {}
    assert ask(app, "/health/live").json == {"status": "alive"}
    assert set(ask(app, "/version").json) == {"version", "models", "worker"}
    document = ask(app, "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    [name] = document["paths"]["/models/{name}/predict"]["parameters"]
    assert name["schema"]["enum"] == ["sentiment", "topics", "tags"]
    page = ask(app, "/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page.body.decode()
    assert b"http://" not in page.body
    assert b"https://" not in page.body


def test_metrics_count_requests_texts_and_rejected(serve_here):
    app = serve_here("deploy.abstain=0")
    ask(app, "/predict", {"texts": ["good", "bad", None]})
    ask(app, "/predict", {"text": "good"})
    ask(app, "/predict", b"no")
    lines = ask(app, "/metrics").body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['sentiment_requests_total{route="sentiment",status="200"}'] == "2.0"
    assert values['sentiment_requests_total{route="sentiment",status="400"}'] == "1.0"
    assert values['sentiment_request_seconds_count{route="sentiment"}'] == "3.0"
    assert values['sentiment_request_texts_sum{route="sentiment"}'] == "4.0"
    assert values['sentiment_rejected_total{reason="no text",route="sentiment"}'] == "1.0"
    labels = [line for line in values if line.startswith("sentiment_predictions_total")]
    assert sum(float(values[line]) for line in labels) == 3
    assert any(line.startswith("sentiment_model_in_use{") for line in values)


def test_tokens(serve_here, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("# of the team\nabcdefghijklmnopqrst\n\n0123456789abcdefghij\n")
    app = serve_here(f"server.tokens_file={tokens}")
    for header in ("", "Bearer wrong", "Basic abcdefghijklmnopqrst", "abcdefghijklmnopqrst"):
        refused = ask(app, "/predict", {"text": "a"}, headers=JSON | {"authorization": header})
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "abcdef" not in refused.body.decode()
    for token in ("abcdefghijklmnopqrst", "0123456789abcdefghij"):
        headers = JSON | {"authorization": f"Bearer {token}"}
        assert ask(app, "/predict", {"text": "a"}, headers=headers).status == 200
    assert ask(app, "/metrics").status == 401
    assert ask(app, "/health/ready").status == 200
    assert ask(app, "/openapi.json", headers=headers).json["security"] == [{"token": []}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "holds no token"), ("short\n", "can be guessed"), ("\u00ff" * 20, "is not in UTF-8")],
)
def test_tokens_that_are_not_accepted(serve_here, tmp_path, content, problem):
    path = tmp_path / "tokens"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=problem):
        serve_here(f"server.tokens_file={path}")
    with pytest.raises(InputNotFoundError, match="a token on each line"):
        serve_here(f"server.tokens_file={path}.txt")


def test_certificates_that_cannot_be_used(serve_here, tmp_path):
    (tmp_path / "none.pem").write_text("none")
    with pytest.raises(InputNotFoundError, match="server.certfile"):
        serve_here(f"server.certfile={tmp_path}/missing.pem")
    with pytest.raises(ConfigError, match="Expected a certificate in PEM format"):
        serve_here(f"server.certfile={tmp_path}/none.pem")
    with pytest.raises(ConfigError, match=r"name server\.certfile, too"):
        serve_here(f"server.keyfile={tmp_path}/none.pem")


def test_a_port_that_is_taken(serve_here):
    port = serve_here().service.sockets[0].getsockname()[1]
    with pytest.raises(ListenError, match=f"127.0.0.1:{port}: another process listens"):
        serve_here(f"server.port={port}")
    with pytest.raises(ListenError, match=r"server\.host=<address>"):
        serve_here("server.host=203.0.113.1")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["++routes.topics.share=0.1"], r"routes\.topics\.model has no value"),
        (["++routes.topics.modell=best"], r"no setting 'routes\.topics\.modell'"),
        (["++routes.topics=best"], "expected settings"),
        (["++routes.sentiment.share=0.1"], "are for a challenger"),
        (["++routes.sentiment.challenger=best"], "gets no requests"),
        (["++routes.sentiment.challenger=best", "++routes.sentiment.share=2"], "from 0 to 1"),
    ],
)
def test_mistakes_in_routes(overrides, problem):
    with pytest.raises(ConfigError, match=problem):
        compose("serve", overrides)


def test_words_of_the_command_line():
    assert (
        convert_argument("model=models:/sentiment@champion")
        == "deploy.run='models:/sentiment@champion'"
    )
    assert convert_argument("routes.a.model=12e4567") == "++routes.a.model='12e4567'"
    assert convert_argument("routes.a.share=0.1") == "++routes.a.share=0.1"
    assert convert_argument("server.port=0") == "server.port=0"
    assert convert_argument("--help") == "--help"


def test_missing_columns_are_named_and_counted() -> None:
    from sentiment.commands.serve.bodies import read_body
    from sentiment.commands.serve.problems import RequestError
    from sentiment.files.batches import Limits

    with pytest.raises(RequestError) as caught:
        read_body(b'{"text": "a"}', Limits(), ["price", "zip"], 50)
    assert "the body has 1 text and 0 rows of 'columns'; expected in 'columns' an object" in str(
        caught.value
    )
