"""Drawing of figures in a process beside that of the training."""

import contextlib
import json
import logging
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentiment.errors import count_of

# A function of `sentiment.commands.train.figures`, its data, and the file that it writes.
Drawing = tuple[str, Any, Path]
# Bytes that wait for the process, so that the training does not: the figures of two classes take
# 0.14 MB.
_PIPE = 1 << 18

log = logging.getLogger(__name__)

_PROGRAM = """
import json, pickle, sys
sys.path[:] = {path}
import sentiment.commands.train.figures
from sentiment.commands.train.drawing import draw_all
missing = set()
while drawings := pickle.load(sys.stdin.buffer):
    missing |= draw_all(drawings)
print(json.dumps([*missing]))
"""


class Drawer:
    """Draws figures in another process, which imports matplotlib while a model is fitted.

    If that process fails, this one draws the figures.

    Parameters
    ----------
    alone : bool
        Draw in this process, which takes less time if it has imported matplotlib.

    Examples
    --------
    >>> from contextlib import closing
    >>> with closing(Drawer()) as drawer:
    ...     drawer.draw([])
    ...     drawer.finish()
    """

    def __init__(self, *, alone: bool = False) -> None:
        self._drawings: list[Drawing] = []
        self._process = None if alone else _start()

    def draw(self, drawings: Sequence[Drawing]) -> None:
        """Start to draw; `finish` waits for the files."""
        self._drawings += drawings
        if drawings:
            self._send(drawings)

    def finish(self) -> None:
        """Wait until all is drawn, and warn of characters that no font of this machine has.

        Raises
        ------
        OSError
            A file cannot be written.
        """
        self._send([])  # no more
        missing = self._receive()
        if missing is None:
            missing = draw_all(self._drawings)
        if missing:
            example = min(missing)
            log.warning(
                "no font of this machine has %s of the labels and terms in the figures, such as "
                "%r, so they are drawn as %s and the like. Fonts of Google's Noto have all of them",
                count_of(len(missing), "character"), example, ascii(example)[1:-1],
            )  # fmt: skip

    def close(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(OSError):
                self._process.communicate()

    def _send(self, drawings: Sequence[Drawing]) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # the process has ended, so `finish` draws
                pickle.dump(drawings, self._process.stdin)
                self._process.stdin.flush()

    def _receive(self) -> set[str] | None:
        """Wait for the process, and return what `draw_all` returned; None if it has failed."""
        if self._process is None or self._process.stdout is None:
            return None
        with contextlib.suppress(OSError):
            printed = self._process.stdout.read()
            if self._process.wait() == 0:
                return {*json.loads(printed)}
        return None


def draw_all(drawings: Sequence[Drawing]) -> set[str]:
    """Draw figures in this process, and return the characters that no font has."""
    from sentiment.commands.train import figures

    missing: set[str] = set()
    for name, data, path in drawings:
        missing |= getattr(figures, name)(data, path)
    return missing


def _start() -> "subprocess.Popen[bytes] | None":
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pipesize=_PIPE,
        )
    return None
