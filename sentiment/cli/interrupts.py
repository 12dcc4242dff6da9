"""Ctrl-C at any moment, that of the imports included, and an orderly end at SIGTERM."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


def end_at_interrupt() -> None:
    """Let Ctrl-C end the process without a traceback, until `raise_interrupts` is called.

    Imports take most of the time of a short command, and nothing is begun that would be lost.
    """
    # Programs that were started to ignore it, such as by nohup, still do.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, so that the command can stop in order."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def keeping_interrupts() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the end of the ``with`` block if a Ctrl-C in it was lost.

    Python drops exceptions in callbacks of the garbage collector and of compiled code.
    """
    before, report = signal.getsignal(signal.SIGINT), sys.unraisablehook
    noticed = False

    def notice(number: int, frame: Any) -> None:
        nonlocal noticed
        noticed = True
        if callable(before):
            before(number, frame)

    def report_others(lost: "sys.UnraisableHookArgs") -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):  # that was noticed
            report(lost)

    if before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, notice)
    sys.unraisablehook = report_others
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        sys.unraisablehook = report
    if noticed:
        raise KeyboardInterrupt


def exit_at_termination() -> None:
    """Let SIGTERM end the interpreter in order, so that processes it has started end as well."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    from sentiment.errors import ExitCode

    sys.exit(ExitCode.TERMINATED)
