"""The commands that the image, the compose file, the manifests and the workflows give, run."""

import http.client
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from numba.core.caching import UserProvidedCacheLocator
from ports import find_port
from shipping import (
    BASE,
    DOCKERFILE,
    PROGRAMS,
    arguments_of,
    containers_of,
    environment_of,
    parse_stages,
    read_services,
    render,
    values_of,
)
from starting import Starter

from sentiment.config import compose

IMAGE = parse_stages(DOCKERFILE.read_text())[-1]
PAGES = ("run_in_containers", "roll_out_the_server")
ENTRYPOINT = ROOT / "docker" / "entrypoint.sh"
SERVER = next(one for one in render(BASE) if one["kind"] == "Deployment")


def list_script_calls() -> list[tuple[str, ...]]:
    """Return the words of every call of a script, wherever it is written."""
    lists = [value for kind in ("CMD", "HEALTHCHECK") for value in values_of(IMAGE, kind)]
    lists += [tuple(one["command"] or ()) for one in read_services().values() if "command" in one]
    lists += [tuple(arguments_of(one)) for m in render(BASE) for one in containers_of(m)]
    lines = [" ".join(map(shlex.quote, words)) for words in lists]
    pages = [ROOT / "docs" / "how_to" / f"{name}.md" for name in PAGES]
    files = [*ROOT.glob(".github/workflows/*.yml"), *ROOT.glob("docker/*"), *pages]
    texts = [re.sub(r"\\\n *", "", file.read_text()) for file in files if file.is_file()]
    # What pages have people type outside of containers is run by tests of its own.
    lines += [
        line.split("  #")[0]
        for text in texts
        for line in text.splitlines()
        if not line.startswith("python ")
    ]
    found = [re.search(r"python (scripts/\w+\.py(?: ?[^\s&|>#`]+)*)", line) for line in lines]
    return list(dict.fromkeys(tuple(shlex.split(one[1])) for one in found if one))


@pytest.mark.parametrize("words", list_script_calls(), ids=" ".join)
def test_scripts_are_called_with_settings_that_they_have(words: tuple[str, ...]) -> None:
    script, *settings = words
    name = Path(script).stem
    assert (ROOT / script).is_file()
    settings = [word for word in settings if not word.startswith("-") and word != "job"]
    if not any("..." in word for word in settings):
        wanted = {"predict": ["input=x.csv"], "best": ["search=svm"], "monitor": ["current=x.csv"]}
        compose(name, [*wanted.get(name, []), *settings])


def test_calls_are_found_in_every_place() -> None:
    calls = list_script_calls()
    assert ("scripts/train.py", "--cfg", "job") in calls
    assert ("scripts/train.py", "data.limit=2000") in calls
    assert ("scripts/predict.py", "input=/data/reviews.csv", "output=outputs/scored.csv") in calls
    assert any("deploy.run=best" in call for call in calls)
    assert any(call[0] == "scripts/monitor.py" for call in calls)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the final stage leaves it: the wheel, conf/, scripts/ and compiled kernels."""
    folder = tmp_path_factory.mktemp("image")
    built = subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder / "dist"), str(ROOT),
        ],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    (wheel,) = (folder / "dist").iterdir()
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "venv")
    for name in ("conf", "scripts"):
        # A copy without what Python leaves beside the source, as .dockerignore has it.
        shutil.copytree(ROOT / name, folder / "app" / name, ignore=lambda *_: {"__pycache__"})
    (folder / "app" / "outputs").mkdir()
    (folder / "tmp").mkdir()
    # Those of the repository are the same but for the place that numba looks for them in.
    for home in ("sentiment/ngrams/kernels", "sentiment/files"):
        place = UserProvidedCacheLocator.get_suitable_cache_subpath(
            str(folder / "venv" / home / "x")
        )
        (folder / "kernels" / place).mkdir(parents=True)
        for path in (ROOT / home / "__pycache__").glob("*.nb[ic]"):
            shutil.copy(path, folder / "kernels" / place)
    for path in [*(folder / "venv").rglob("*"), *(folder / "app").rglob("*")]:
        if path.name != "outputs":
            path.chmod(path.stat().st_mode & ~0o222)
    return folder


def run_in(image: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the image would, its folders being below `image`."""
    return subprocess.run(
        ["sh", str(ENTRYPOINT), *words], env=make_environment(image) | more, cwd=image / "app",
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def make_environment(image: Path) -> dict[str, str]:
    """Return the variables of a container."""
    inside = {
        name: value.replace("/tmp", str(image / "tmp")).replace("/app", str(image / "app"))
        for name, value in environment_of(IMAGE).items()
        if name not in ("PATH", "NUMBA_CPU_NAME", "SENTIMENT_COMMIT")
    }
    return inside | {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(image / "venv"),
        "SENTIMENT_KERNELS": str(image / "kernels"),
        "SENTIMENT_COMMIT": "a-commit",
    }


def list_files(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for part in ("venv", "app", "kernels")
        for path in (folder / part).rglob("*")
        if "outputs" not in path.parts
    }


def test_the_wheel_has_the_configs_of_the_repository(image: Path) -> None:
    there, here = image / "venv" / "sentiment" / "conf", ROOT / "conf"
    assert {path.relative_to(there): path.read_text() for path in there.rglob("*.yaml")} == {
        path.relative_to(here): path.read_text() for path in here.rglob("*.yaml")
    }
    template = image / "venv" / "sentiment" / "cli" / "template"
    assert {path.relative_to(template) for path in template.rglob("*.in")} == {
        path.relative_to(ROOT / "sentiment" / "cli" / "template")
        for path in (ROOT / "sentiment" / "cli" / "template").rglob("*.in")
    }
    program = "import sentiment.config.composing as c; print(c.__file__, c.CONF)"
    for chosen, conf in (("", there), (str(image / "app" / "conf"), image / "app" / "conf")):
        done = run_in(image, "python", "-c", program, SENTIMENT_CONF=chosen)
        assert done.stdout.startswith(str(image / "venv")), done.stderr
        assert done.stdout.split()[1:] == [str(conf)]
    program = "from sentiment.config import compose; print(compose('train', ['model=svm']).seed)"
    done = run_in(image, "python", "-c", program, SENTIMENT_CONF="")
    assert done.stdout == "42\n", done.stderr


def test_the_entrypoint_brings_the_kernels_and_becomes_the_command(image: Path) -> None:
    shutil.rmtree(image / "tmp" / "kernels", ignore_errors=True)
    done = run_in(image, "sh", "-c", 'echo "$$" "$@"; exit 3', "x", "a b", "$HOME")
    assert done.returncode == 3
    assert done.stdout.split(maxsplit=1)[1] == "a b $HOME\n"
    names = [path.name for path in (image / "tmp" / "kernels").rglob("*.nbi")]
    assert sorted(names) == sorted(path.name for path in (image / "kernels").rglob("*.nbi"))
    (image / "tmp" / "kernels" / "mine").touch()
    assert run_in(image, "true").returncode == 0
    assert (image / "tmp" / "kernels" / "mine").exists()


def test_the_command_of_the_image_and_its_health_check(image: Path) -> None:
    (shown,), ((kind, *check),) = values_of(IMAGE, "CMD"), values_of(IMAGE, "HEALTHCHECK")
    assert kind == "CMD"
    assert "model=svm" in run_in(image, *shown).stdout
    done = run_in(image, *check)
    assert done.returncode == 0, done.stderr
    broken = 'SENTIMENT_CONF=/nowhere exec "$@"'
    assert run_in(image, "sh", "-c", broken, "x", *check).returncode != 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the MLflow server of kubernetes/base, with folder and address of its own."""
    folder = tmp_path_factory.mktemp("server")
    port = find_port()
    (container,) = containers_of(SERVER)
    words = " ".join(arguments_of(container)).replace("/app/outputs", str(folder))
    words = words.replace("0.0.0.0", "127.0.0.1").replace("--port=5000", f"--port={port}")
    variables = {one["name"]: one["value"] for one in container["env"]}
    variables = {
        name: value.replace("/app/outputs", str(folder)) for name, value in variables.items()
    }
    program, *rest = words.replace("--workers=2", "--workers=1").split()
    with (folder / "log").open("w") as log:
        started = subprocess.Popen(
            [str(PROGRAMS / program), *rest], env=os.environ | variables, cwd=folder,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    wait_for_answer(started, port, "/health")
    yield port
    os.killpg(started.pid, signal.SIGTERM)
    started.wait(300)


def ask(port: int, path: str, host: str = "mlflow:5000") -> int:
    """Return what the server answers to a request for `path`; 0 for nothing."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request("GET", path, headers={"Host": host})
        return line.getresponse().status
    except OSError:
        return 0
    finally:
        line.close()


def wait_for_answer(started: subprocess.Popen[Any], port: int, path: str) -> None:
    end = time.monotonic() + 300
    while ask(port, path) != 200:
        assert started.poll() is None, f"it ended with {started.returncode}"
        assert time.monotonic() < end, f"{path} is not answered"
        time.sleep(0.1)


def test_the_server_answers_to_its_own_names_only(server: int) -> None:
    (container,) = containers_of(SERVER)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        # A kubelet asks by the pod's address.
        assert ask(server, container[probe]["httpGet"]["path"], "10.0.0.7:5000") == 200
    path = "/api/2.0/mlflow/experiments/search?max_results=1"
    for host in ("mlflow:5000", "localhost:5000", f"127.0.0.1:{server}"):
        assert ask(server, path, host) == 200
    assert ask(server, path, "rebound.example") == 403


def test_the_health_check_of_the_compose_file(server: int) -> None:
    kind, program, *words = read_services()["mlflow"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    for port, code in ((server, 0), (1, 1)):
        asked = [word.replace(":5000", f":{port}") for word in words]
        done = subprocess.run(
            [sys.executable, *asked], capture_output=True, check=False, timeout=300
        )
        assert done.returncode == code


def serve_in(image: Path, address: dict[str, str]) -> None:
    """Start the server of the compose file, ask it as its health check does, and stop it."""
    service, port = read_services()["serve"], find_port()
    words = [word.replace("0.0.0.0", "127.0.0.1") for word in service["command"]]
    started = subprocess.Popen(
        ["sh", str(ENTRYPOINT), *words, f"server.port={port}"], cwd=image / "app",
        env=make_environment(image) | address, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_for_answer(started, port, "/health/ready")
        _, _, *check = service["healthcheck"]["test"]
        asked = [word.replace(":8080", f":{port}") for word in check]
        subprocess.run([sys.executable, *asked], capture_output=True, check=True, timeout=300)
    finally:
        started.send_signal(signal.SIGTERM)
        printed, errors = started.communicate(timeout=300)
    assert started.returncode == 0, errors
    assert b"stopped" in printed


def test_jobs_run_with_a_server_and_write_nowhere_else(image: Path, server: int) -> None:
    """The app of the compose file trains, the job of the cluster predicts, the server serves."""
    before = list_files(image)
    scratch = image / "scratch"
    scratch.mkdir()
    address = {
        "SENTIMENT_TRACKING_URI": f"http://127.0.0.1:{server}", "TMPDIR": str(scratch),
    }  # fmt: skip
    app = read_services()["app"]
    assert app["environment"] == {"SENTIMENT_TRACKING_URI": "http://mlflow:5000"}
    quick = ["experiment=quick_look", "data.limit=300"]
    trained = run_in(image, *app["command"], *quick, **address)
    assert trained.returncode == 0, trained.stderr
    assert not (image / "app" / "outputs" / "mlflow.db").exists()
    data = image / "data"
    (data / "in").mkdir(parents=True)
    (data / "in" / "reviews.csv").write_text("text\na fine film\na bad one\n")
    job = next(m for m in render(BASE) if m["metadata"]["name"] == "predict")
    words = [word.replace("/data", str(data)) for word in arguments_of(containers_of(job)[0])]
    (data / "out").mkdir()
    (data / "out" / "reviews.csv").write_text("that of yesterday\n")
    done = run_in(image, *words, **address)
    assert done.returncode == 0, done.stderr
    assert "from     commit a-commit" in done.stdout
    assert len((data / "out" / "reviews.csv").read_text().splitlines()) == 3
    serve_in(image, address)
    assert list_files(image) == before
    assert not list(scratch.rglob("model.skops")), "a copy of the model, as MLflow downloads it"


@pytest.mark.parametrize("name", ["monitor", "prefect"])
def test_other_servers_have_the_options_that_they_are_started_with(
    name: str, starter: Starter, tmp_path: Path
) -> None:
    program, *words = read_services()[name]["command"]
    if find_spec(program) is None:
        pytest.skip(f"{program} is not installed")
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    verbs = [word for word in words if re.fullmatch("[a-z]+", word)]
    path = str(PROGRAMS / program)
    code = f"import runpy, sys; sys.argv[0] = {path!r}; runpy.run_path({path!r}, None, '__main__')"
    done = starter.start_code(tmp_path, code, *verbs, "--help").wait()
    assert done.returncode == 0, done.stderr
    for option in options:
        assert option in done.stdout
