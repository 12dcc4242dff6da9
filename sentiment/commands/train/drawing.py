"""Drawing of figures in a process beside that of the training."""

import contextlib
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# A function of `sentiment.commands.train.figures`, its data, and the file that it writes.
Drawing = tuple[str, Any, Path]

_PROGRAM = """
import pickle, sys
sys.path[:] = {path}
import sentiment.commands.train.figures
from sentiment.commands.train.drawing import draw_all
while drawings := pickle.load(sys.stdin.buffer):
    draw_all(drawings)
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
        """Wait until all is drawn.

        Raises
        ------
        OSError
            A file cannot be written.
        """
        self._send([])  # no more
        if self._process is None or self._process.wait() != 0:
            draw_all(self._drawings)

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


def draw_all(drawings: Sequence[Drawing]) -> None:
    """Draw figures in this process."""
    from sentiment.commands.train import figures

    for name, data, path in drawings:
        getattr(figures, name)(data, path)


def _start() -> "subprocess.Popen[bytes] | None":
    with contextlib.suppress(OSError):
        return subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return None
