"""The command `sentiment` has a subcommand for each script, and names itself in messages."""

import os
import pty
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from threading import Thread

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


@pytest.fixture(scope="module")
def press_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function that types into an interactive bash and returns the line after a tab."""
    folder = tmp_path_factory.mktemp("shell")
    (folder / "reviews.csv").touch()
    (folder / "revised texts").mkdir()
    (folder / "out").touch()
    setup = folder / "setup"
    setup.write_text(
        "before=$COMP_WORDBREAKS\n"
        'eval "$(sentiment completion bash)"\n'
        '[ "$COMP_WORDBREAKS" = "$before" ] || exit 1\n'
        """bind -x '"\\C-t": printf "%s|" "$READLINE_LINE" > out; READLINE_LINE='\n"""
        "bind 'set bell-style none'\n"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    terminal, end = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", str(setup), "-i"],
        cwd=folder,
        env=os.environ | {"PATH": path, "TERM": "dumb", "HISTFILE": ""},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )
    os.close(end)
    Thread(target=drain, args=[terminal], daemon=True).start()

    def press(typed: str) -> str:
        (folder / "out").write_text("")
        os.write(terminal, f"{typed}\t\x14".encode())
        deadline = time.monotonic() + 60
        while not (line := (folder / "out").read_text()).endswith("|"):
            assert shell.poll() is None, "the shell ended: COMP_WORDBREAKS is changed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return line[:-1]

    yield press
    os.write(terminal, b"exit\n")
    shell.wait(timeout=60)


def drain(terminal: int) -> None:
    """Read what a shell prints, until it ends."""
    with suppress(OSError):
        while os.read(terminal, 4096):
            pass


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("sentiment tr", "sentiment train "),
        ("sentiment completion b", "sentiment completion bash "),
        ("sentiment train model=sv", "sentiment train model=svm "),
        ("sentiment train -m features=tfidf_un", "sentiment train -m features=tfidf_unigram "),
        ("sentiment train search=svm search.n_t", "sentiment train search=svm search.n_trials="),
        ("sentiment predict deploy.th", "sentiment predict deploy.threshold="),
        ("sentiment predict input=revie", "sentiment predict input=reviews.csv "),
        ("sentiment predict input=./revie", "sentiment predict input=./reviews.csv "),
        ("sentiment train data=csv data.path=revi", "sentiment train data=csv data.path=revi"),
        ("sentiment train data.path=revis", r"sentiment train data.path=revised\ texts/"),
        ("sentiment train comm", "sentiment train comm"),
        ("sentiment train hyd", "sentiment train hydra."),
        ("sentiment init revis", r"sentiment init revised\ texts/"),
        # Another program completes as before.
        ("dd if=revie", "dd if=reviews.csv "),
    ],
)  # fmt: skip
def test_the_tab_key_completes_commands_settings_and_files(
    press_tab: Callable[[str], str], typed: str, expected: str
) -> None:
    assert press_tab(typed) == expected


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
