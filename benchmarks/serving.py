"""serve.py under load, beside ``mlflow models serve`` and FastAPI around scikit-learn.

The load comes from wrk (the Debian package), with 1,000 reviews in turn. With two cores or more, a
server has one of them and wrk the others.
"""

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from processes import run_script
from reviews import read_different_reviews
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from timing import OURS, Figure, Plan, summarize

import sentiment

ROOT = Path(__file__).resolve().parents[1]
_REVIEWS, _TOGETHER, _SECONDS, _CONNECTIONS = 1000, 100, 5, 16
_PATIENCE = 120
# Requests per second of a steady load, and the seconds before each request without sleep.
_RATE, _SPIN = 500, 0.0003
_HEADERS = (
    b"POST /predict HTTP/1.1\r\nhost: localhost\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
_LUA = """
local bodies = {{}}
for line in io.lines("{path}") do bodies[#bodies + 1] = line end
local turn = 0
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
request = function()
  turn = turn % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[turn])
end
"""


def bench_serving(plan: Plan) -> dict[str, Figure]:
    """Measure requests per second, reviews per second and latency of all servers in each round."""
    if shutil.which("wrk") is None:
        raise SystemExit("the benchmark of serve.py needs wrk: apt-get install wrk")
    outputs = f"outputs={plan.folder}"
    run_script("scripts/train.py", outputs)
    uri = sentiment.load("best", outputs).source.uri
    texts = read_different_reviews()["text"].head(_REVIEWS).tolist()
    scripts = _write_scripts(plan.folder, texts)
    pipeline = plan.folder / "pipeline.joblib"
    _fit_plainly(pipeline)
    values: dict[str, list[float]] = {}
    for number in range(plan.rounds + 1):
        measured = _measure(plan.folder, uri, pipeline, scripts)
        for name, value in measured.items() if number else ():
            values.setdefault(name, []).append(value)
    load = f"a review a request, {_CONNECTIONS} connections"
    ratios = {
        peer: [ours / theirs for ours, theirs in zip(values[OURS], values[peer], strict=True)]
        for peer in ("MLflow", "FastAPI")
    }
    return {
        "serving": summarize(
            f"serve.py: {load}", "requests/s", values[OURS], target=4000, aim=8000
        ),
        "serving_mlflow": summarize(
            f"mlflow models serve: {load}", "x", ratios["MLflow"], target=15, aim=30,
            more={"requests/s of MLflow": max(values["MLflow"])},
        ),
        "serving_fastapi": summarize(
            f"FastAPI and scikit-learn: {load}", "x", ratios["FastAPI"], target=5, aim=10,
            more={"requests/s of FastAPI": max(values["FastAPI"])},
        ),
        "serving_p50": summarize(
            "serve.py, one connection: p50", "ms", values["p50"], target=0.5, aim=0.3
        ),
        "serving_p99": summarize(
            "serve.py, one connection: p99", "ms", values["p99"], target=1.0, aim=0.6,
            more={"ms by wrk": max(values["p99 of wrk"])},
        ),
        "serving_steady_p50": summarize(
            f"serve.py, {_RATE} requests/s: p50", "ms", values["steady p50"], target=1.0, aim=0.5
        ),
        "serving_steady_p99": summarize(
            f"serve.py, {_RATE} requests/s: p99", "ms", values["steady p99"], target=5.0, aim=2.0
        ),
        "serving_together": summarize(
            f"serve.py: {_TOGETHER} reviews a request", "reviews/s", values["together"],
            target=60_000, aim=90_000,
        ),
        "serving_start": summarize(
            "serve.py: start to ready, kernels compiled", "s", values["start"], target=3, aim=1.5
        ),
        "serving_memory": summarize(
            "serve.py: memory of a worker", "MB", values["memory"], target=350, aim=250
        ),
    }  # fmt: skip


def _measure(folder: Path, uri: str, pipeline: Path, scripts: dict[str, Path]) -> dict[str, float]:
    """Return the figures of one round."""
    ours = ["scripts/serve.py", f"outputs={folder}"]  # the best run, which is the only one
    measured: dict[str, float] = {}
    with start_server(ours, "server.port=", "/health/ready") as (address, pid, seconds):
        measured["start"] = seconds
        many = _load(f"{address}/predict", scripts["one"], _CONNECTIONS)
        measured[OURS] = many["requests"]
        measured["p99 of wrk"] = _load(f"{address}/predict", scripts["one"], 1)["p99"]
        bodies = scripts["one"].with_suffix(".jsonl")
        for name, rate in (("", None), ("steady ", _RATE)):
            latencies = _measure_latencies(address, bodies, rate)
            p50, p99 = np.percentile(latencies, [50, 99])
            measured[f"{name}p50"], measured[f"{name}p99"] = p50, p99
        together = _load(f"{address}/predict", scripts["together"], 4)
        measured["together"] = _TOGETHER * together["requests"]
        measured["memory"] = _read_memory(pid)
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    arguments = ["-m", "mlflow", "models", "serve", "-m", uri, "--env-manager", "local", "-p"]
    with start_server(arguments, "", "/ping", store) as (address, _, _):
        load = _load(f"{address}/invocations", scripts["mlflow"], _CONNECTIONS)
        measured["MLflow"] = load["requests"]
    arguments = ["-m", "uvicorn", "--app-dir", str(ROOT / "benchmarks"), "--no-access-log",
             "plain_app:app", "--port"]  # fmt: skip
    with start_server(arguments, "", "/docs", {"PIPELINE": str(pipeline)}) as (address, _, _):
        load = _load(f"{address}/predict", scripts["one"], _CONNECTIONS)
        measured["FastAPI"] = load["requests"]
    return measured


def _write_scripts(folder: Path, texts: list[str]) -> dict[str, Path]:
    """Return the scripts for wrk, by the kind of bodies that they send in turn."""
    bodies: dict[str, list[Any]] = {
        "one": [{"text": text} for text in texts],
        "together": [{"texts": texts[k : k + _TOGETHER]} for k in range(0, len(texts), _TOGETHER)],
        "mlflow": [{"dataframe_split": {"columns": ["text"], "data": [[t]]}} for t in texts],
    }
    scripts = {}
    for name, bodies_of_kind in bodies.items():
        path = folder / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(body)}\n" for body in bodies_of_kind))
        scripts[name] = folder / f"{name}.lua"
        scripts[name].write_text(_LUA.format(path=path))
    return scripts


def _fit_plainly(path: Path) -> None:
    """Write a pipeline of scikit-learn with the settings of train.py."""
    reviews = read_different_reviews()
    features = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=50_000, sublinear_tf=True)
    pipeline = make_pipeline(features, LogisticRegression(C=10, max_iter=1000))
    joblib.dump(pipeline.fit(reviews["text"], reviews["label"]), path)


@contextlib.contextmanager
def start_server(
    arguments: list[str], setting: str, health: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, int, float]]:
    """Yield the address of a server, its process id and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    *arguments, last = [*_pin("0"), sys.executable, *arguments, setting]
    command = [*arguments, f"{last}{port}"]
    # MLflow starts uvicorn by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PATH": path} | (environment or {}),
        start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        while not _responds(address + health):
            if process.poll() is not None or time.perf_counter() - start > _PATIENCE:
                raise RuntimeError(f"{' '.join(command)} does not answer")
            time.sleep(0.01)
        yield address, process.pid, time.perf_counter() - start
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(_PATIENCE)


def _responds(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def _pin(cores: str) -> list[str]:
    """Return the command prefix that pins a process to `cores`, if there are several."""
    return ["taskset", "-c", cores] if (os.cpu_count() or 1) > 1 and shutil.which("taskset") else []


def _load(url: str, script: Path, connections: int) -> dict[str, float]:
    """Return requests per second, and latencies in milliseconds, under load from wrk."""
    cores = f"1-{(os.cpu_count() or 2) - 1}"
    completed = subprocess.run(
        [*_pin(cores), "wrk", "-t1", f"-c{connections}", f"-d{_SECONDS}", "--latency",
         "-s", str(script), url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if "Non-2xx" in completed.stdout or "Socket errors" in completed.stdout:
        raise RuntimeError(completed.stdout)
    rate = re.search(r"Requests/sec: +([\d.]+)", completed.stdout)
    assert rate is not None
    units = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    latencies = re.findall(r"(50|99)% +([\d.]+)(us|ms|s)\b", completed.stdout)
    measured = {f"p{share}": float(value) * units[unit] for share, value, unit in latencies}
    return measured | {"requests": float(rate[1])}


def _measure_latencies(address: str, bodies: Path, rate: float | None = None) -> list[float]:
    """Return the latencies in milliseconds of requests over one connection.

    Parameters
    ----------
    address, bodies
        The server, and a file with a body per line.
    rate : float, optional
        Requests per second. Latencies then count from the scheduled start of a request, so that a
        slow response also counts for the requests that wait for it. Default: each request begins
        after the previous response.
    """
    host, _, port = address.removeprefix("http://").partition(":")
    other_cores = set(range(os.cpu_count() or 1)) - {0}
    affinity = os.sched_getaffinity(0)
    os.sched_setaffinity(0, other_cores & affinity or affinity)
    lines = bodies.read_bytes().splitlines()
    requests = itertools.cycle([_HEADERS % len(body) + body for body in lines])
    latencies = []
    with socket.create_connection((host, int(port)), timeout=_PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = begin = time.perf_counter()
        while begin < start + _SECONDS:
            while (early := begin - time.perf_counter()) > 0:
                time.sleep(early / 2 if early > _SPIN else 0)
            connection.sendall(next(requests))
            response = connection.recv(2**16)
            while not response.endswith(b"}"):  # the end of a prediction
                response += connection.recv(2**16)
            end = time.perf_counter()
            latencies.append(1000 * (end - begin))
            assert response.startswith(b"HTTP/1.1 200"), response
            begin = start + len(latencies) / rate if rate else end
    os.sched_setaffinity(0, affinity)
    return latencies


def _read_memory(pid: int) -> float:
    """Return the memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
