"""An untrusted config calls only what this project allows."""

from pathlib import Path

import pytest
from starting import Starter

_CALL = "{_target_: subprocess.Popen, args: [touch, called]}"
LOGGING = {
    "factory": "handlers: {x: {(): subprocess.Popen, args: [touch, called]}}",
    "class": "handlers: {x: {class: subprocess.Popen, args: [touch, called]}}",
}


@pytest.mark.parametrize(
    ("overrides", "file_name"),
    [
        ([f"+hydra.callbacks.x={_CALL.replace(': ', ':')}"], "hydra.callbacks.x"),
        (["--config-dir", "strange", "hydra/job_logging=factory"], "hydra.logging"),
        (["--config-dir", "strange", "hydra/job_logging=class"], "hydra.logging"),
        (["-m", "hydra.launcher._target_=subprocess.Popen", "model.C=1,2"], "hydra"),
        (["-m", "hydra.sweeper._target_=subprocess.Popen", "model.C=1,2"], "hydra"),
        ([f"+model.parts=[{_CALL.replace(': ', ':')}]"], "model.parts"),
    ],
    ids=["callback", "log factory", "log class", "launcher", "sweeper", "list"],
)
def test_calls_of_a_strange_config_are_refused_in_one_message(
    overrides: list[str], file_name: str, starter: Starter, tmp_path: Path
) -> None:
    folder = tmp_path / "strange" / "hydra" / "job_logging"
    folder.mkdir(parents=True)
    for name, handlers in LOGGING.items():
        text = f"version: 1\n{handlers}\nroot: {{level: INFO, handlers: [x]}}\n"
        (folder / f"{name}.yaml").write_text(text)
    done = starter.run(tmp_path, "train", "data=rotten_tomatoes", "data.limit=50", *overrides)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"train.py: {file_name}"), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("called"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"_target_:\tsvm\n\tC: 1\n", "is not valid YAML: line 2: found a tab character"),
        (b"C: 1\nC: 2\n", "is not valid YAML: line 2: found duplicate key C."),
        (b"a: &a [*a]\n", "is not valid YAML: line 1: YAML recursive aliases are not supported."),
        (b"C: \x07\n", "is not valid YAML: "),
        ("# größe\nC: 1\n".encode("latin-1"), "is not UTF-8. Save it in that encoding."),
        ("C: 1\n".encode("utf-16"), "is not UTF-8. Save it in that encoding."),
        (b"defaults: [mine]\n", "a config file refers to itself, or is nested too deep."),
    ],
)
def test_a_config_file_that_cannot_be_read_is_named(
    content: bytes, message: str, starter: Starter, tmp_path: Path
) -> None:
    path = tmp_path / "own" / "model" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    done = starter.run(tmp_path, "train", "--config-dir", "own", "model=mine")
    assert done.returncode == 2, done.stderr
    file_name = "" if "itself" in message else f"'{path}' "
    assert done.stderr.startswith(f"train.py: {file_name}{message}")
    assert len(done.stderr.splitlines()) == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"own"}
