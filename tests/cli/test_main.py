"""The command `sentiment` has a subcommand for each script, and names itself in messages."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from conftest import ROOT

from sentiment.cli import main as cli
from sentiment.config import (
    commands,
    make_command_tags,
    read_overrides,
    suggest_command,
    write_command,
)

COMMANDS = sorted(path.parent.name for path in (ROOT / "sentiment/commands").glob("*/command.py"))


@pytest.fixture(autouse=True)
def form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_form", commands._form)
    monkeypatch.setattr(commands, "_arguments", [])


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["sentiment", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code
    return 0


def test_each_command_has_a_script_a_config_and_a_line_of_help() -> None:
    scripts = {path.stem for path in (ROOT / "scripts").glob("[a-z]*.py")} - {"install"}
    assert set(COMMANDS) == set(cli._SUMMARIES) == scripts
    assert set(COMMANDS) == {path.stem for path in (ROOT / "conf").glob("*.yaml")}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_all_commands(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *arguments) == 0
    output = capsys.readouterr().out
    assert all(f"\n  {name} " in output for name in COMMANDS)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize(
    ("command", "expected"),
    [("init", "sentiment init <folder> "), ("completion", 'eval "$(sentiment completion bash)"')],
)
def test_commands_without_settings_have_help(
    command: str,
    option: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, command, option) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert expected in output.out


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--version") == 0
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out == f"sentiment {written}\n"


def test_a_mistyped_command_is_an_error_with_a_suggestion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "trian", "model=svm") == 2
    error = capsys.readouterr().err
    assert error.startswith("sentiment: 'trian' is not a command; expected one of train, ")
    assert error.endswith("Did you mean train?\n")


@pytest.mark.parametrize("arguments", [[], ["fish"], ["bash", "zsh"]])
def test_completion_expects_a_shell(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "completion", *arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.endswith("expected a shell: bash or zsh.\n")


def test_zsh_runs_the_completion_of_bash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts = []
    for shell in ("bash", "zsh"):
        assert run(monkeypatch, "completion", shell) == 0
        scripts.append(capsys.readouterr().out)
    assert scripts[1] == f"autoload -U +X bashcompinit && bashcompinit\n{scripts[0]}"


@pytest.mark.process
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("pr", ["predict", "promote"]),
        ("train model=s", ["model=self_training", "model=sgd", "model=stacking", "model=svm"]),
        ("train -m search=svm search.n_t", ["search.n_trials="]),
        ("predict deploy.th", ["deploy.threshold="]),
    ],
)
def test_the_tab_key_completes_commands_and_settings(typed: str, expected: list[str]) -> None:
    program = """
        sentiment() { "$PYTHON" -m sentiment "$@"; }
        eval "$(sentiment completion bash)"
        COMP_LINE="sentiment $TYPED"
        COMP_WORDS=($COMP_LINE)
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _sentiment
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", program],
        env=os.environ | {"PYTHON": sys.executable, "TYPED": typed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == expected


@pytest.mark.process
def test_messages_name_the_program(tmp_path: Path) -> None:
    """A real process, since the command changes the process that it runs in."""
    done = subprocess.run(
        [sys.executable, "-m", "sentiment", "predict", "input=absent.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sentiment predict: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_all_mistakes_are_listed_by_both_forms_of_a_command(tmp_path: Path) -> None:
    listed = []
    for form in (["-m", "sentiment", "best"], [str(ROOT / "scripts/best.py")]):
        done = subprocess.run(
            [sys.executable, *form, "typo=1", "overwrite=2"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        listed.append(done.stderr.split(": ", 1)[1])
    assert listed[0] == listed[1]
    assert listed[0].startswith("2 problems in the configuration:\n  - there is no setting 'typo'")


@pytest.mark.parametrize("program", [False, True])
def test_settings_are_read_from_both_forms_of_a_command(program: bool) -> None:
    if program:
        commands.remember_program()
    assert suggest_command("best") == ("sentiment best" if program else "python scripts/best.py")
    arguments = ["model=svm", "data.path=my file.csv", "features.token_pattern='(?u)\\w+'"]
    command = write_command("train", arguments)
    assert command.startswith("sentiment train" if program else "python scripts/train.py")
    assert read_overrides({"command": command}) == arguments
    tags = make_command_tags("train", arguments)
    assert tags["command"] == command
    assert read_overrides(tags) == arguments
    # A store may have cut the list.
    assert read_overrides(tags | {"overrides": tags["overrides"][:9]}) == arguments
    assert read_overrides({}) is None


def test_the_package_installs_the_command() -> None:
    (entry,) = entry_points(group="console_scripts", name="sentiment")
    assert entry.load() is cli.main
