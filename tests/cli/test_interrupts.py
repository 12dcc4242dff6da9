"""Ctrl-C while a command starts."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

# Runs a script or a module, and presses Ctrl-C when it imports a module.
PROGRAM = """
import os, runpy, signal, sys
moment, handler, sys.argv = sys.argv[1], sys.argv[2], sys.argv[3:]
signal.signal(signal.SIGINT, getattr(signal, handler))

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == moment:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
if sys.argv[0].endswith(".py"):
    sys.path.insert(0, os.path.dirname(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
SCRIPT = (str(ROOT / "scripts" / "train.py"),)
MODULE = ("sentiment", "train")


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "moment", "handler", "code", "error"),
    [
        # A shell shows it as 130.
        (SCRIPT, "hydra", "default_int_handler", -signal.SIGINT, ""),
        (MODULE, "hydra", "default_int_handler", -signal.SIGINT, ""),
        (SCRIPT, "sentiment.commands.train.job", "default_int_handler", 130, "\nstopped\n"),
        (MODULE, "sentiment.commands.train.job", "default_int_handler", 130, "\nstopped\n"),
        (SCRIPT, "hydra", "SIG_IGN", 2, "train.py: data.path is 'nope.csv'"),  # as by nohup
    ],
)
def test_ctrl_c_at_an_import_prints_no_traceback(
    command: tuple[str, ...], moment: str, handler: str, code: int, error: str, tmp_path: Path
) -> None:
    arguments = [*command, "data=csv", "data.path=nope.csv"]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, moment, handler, *arguments],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == code
    assert done.stderr.startswith(error)
    assert done.stderr or not error
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
