"""Handling of Ctrl-C at any time, imports included, and of SIGTERM."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn


def end_at_interrupt() -> None:
    """Let Ctrl-C end the process without a traceback, until `raise_interrupts` is called.

    Imports take most of the time of a short command, and there is no work yet that could be lost.
    """
    # A process that was started to ignore SIGINT, as by nohup, continues to do so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_interrupts() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, so that the command can shut down cleanly."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def keeping_interrupts() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the end of the ``with`` block if a Ctrl-C in it was lost.

    Python drops exceptions in callbacks of the garbage collector and of compiled code.
    """
    handler, default_hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    is_interrupted = False

    def notice(number: int, frame: Any) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        if callable(handler):
            handler(number, frame)

    def report_others(unraisable: "sys.UnraisableHookArgs") -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):  # which `notice` has seen
            default_hook(unraisable)

    if handler is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, notice)
    sys.unraisablehook = report_others
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        sys.unraisablehook = default_hook
    if is_interrupted:
        raise KeyboardInterrupt


def exit_at_termination() -> None:
    """Let SIGTERM shut down the interpreter, so that the processes it has started end, too."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    from sentiment.errors import ExitCode

    sys.exit(ExitCode.TERMINATED)
