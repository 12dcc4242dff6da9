"""Terminal: progress, tables, and errors as a message and an exit code."""

import gc
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sentiment.cli.allocation import share_arena
from sentiment.cli.cache_folders import prepare_home
from sentiment.cli.interrupts import raise_interrupts
from sentiment.cli.startup import defer_imports
from sentiment.config import (
    Job,
    check_options,
    explain_command,
    quote_free_text,
    remember_arguments,
    remember_config_dir,
)
from sentiment.errors import ExitCode, explain_os_error
from sentiment.redaction import format_error, learn_secrets, protect_process, redact
from sentiment.redaction.printable import make_printable

if TYPE_CHECKING:
    from rich.table import Table

    from sentiment.modeling.score_tables import ScoreTable
    from sentiment.tracking.stages import Stage

_WANTS_TRACEBACK = "SENTIMENT_FULL_ERROR"
_STARTED = datetime.now()
# Allocations between two garbage collections, more than imports make. There are few cycles among
# many objects: with Python's 700, collections took a seventh of the time of a short command.
_GC_THRESHOLD = 600_000
# Columns of tables of scores.
_TITLES = {"cv": "cross-validation"}


def run_script(main: Callable[[], Any], interrupt_message: str = "stopped") -> None:
    """Run a Hydra `main`; end a known error with one message and its `ExitCode`.

    After Ctrl-C, print the message of the interrupt or, if it has none, `interrupt_message`.
    """
    full_error = os.environ.get("HYDRA_FULL_ERROR", "0")
    _open_closed_streams()
    protect_process()
    prepare_home()
    share_arena()
    learn_secrets(sys.argv[1:])
    # Hydra would print a traceback and exit; with this variable, it passes on the error.
    os.environ |= {"HYDRA_FULL_ERROR": "1", _WANTS_TRACEBACK: full_error}
    logging.captureWarnings(capture=True)
    warnings.formatwarning = _format_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # On a terminal without Unicode, characters are escaped instead of raising an error.
            stream.reconfigure(errors="backslashreplace")
    remember_arguments(sys.argv[1:], sys.argv[0])
    remember_config_dir(sys.argv[1:])
    sys.argv[1:] = quote_free_text(sys.argv[1:])
    gc.set_threshold(_GC_THRESHOLD)
    defer_imports()
    try:
        raise_interrupts()
        check_options(sys.argv[1:])
        main()
        sys.stdout.flush()  # so that a full disk raises here, not when the interpreter exits
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"\n{str(interrupt) or interrupt_message}\n")
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        exit_if_user_error(error)
        sys.stderr.write(format_error(error))
        sys.exit(1)
    finally:
        gc.freeze()  # skips the garbage collection at the end of the interpreter


def _open_closed_streams() -> None:
    """Open the null device for standard streams that the caller has closed.

    Otherwise the next file that is opened gets the number of such a stream, and its output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
        if getattr(sys, name) is None:
            # By the name of the stream, predict sees that there is no standard output for its rows.
            mode = "w" if number else "r"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: Any = None
) -> str:
    """Return a warning as one line of the log, without the line of code that raised it."""
    return f"{filename}:{lineno}: {category.__name__}: {' '.join(str(message).split())}"


def exit_if_user_error(error: BaseException) -> None:
    """Print an error that the user can fix, and exit; for any other error, return."""
    if isinstance(error, BrokenPipeError):
        _discard_output()  # the reader has closed the pipe
        sys.exit(128 + signal.SIGPIPE)
    # The name is train.py or sentiment train.
    primary = Path(sys.argv[0]).stem.rpartition(" ")[2]
    explained = explain_command(error, primary, sys.argv[1:])
    explained = explained or explain_os_error(error)
    if explained is None:
        return
    if os.environ.get(_WANTS_TRACEBACK) == "1":
        sys.stderr.write(format_error(error))
    message = redact(f"{name_program()}: {explained}\n")
    sys.stderr.write(make_printable(message, None, keep="\n"))
    try:
        sys.stdout.flush()
    except OSError:  # such as the one that has been reported
        _discard_output()
    sys.exit(explained.exit_code)


def _discard_output() -> None:
    """Discard standard output: otherwise Python raises again when it flushes the stream at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressDisplay:
    """Shows the stages of a job while they run, on a terminal.

    Parameters
    ----------
    title : str
        Description of the job.
    job : Job
        The job; the stages of a job in a sweep are not shown.
    """

    def __init__(self, title: str, job: Job) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from sentiment.cli.console import PlainConsole

        self._title = title.strip()
        console = PlainConsole(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            # Jobs of a sweep may run in parallel, and the sweep prints a line for each.
            disable=not console.is_terminal or job.sweep is not None,
        )
        self._task = self._progress.add_task(self._title)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_start(self, name: str) -> None:
        """Show the stage that begins."""
        self._progress.update(self._task, description=f"{self._title}: {name}")

    def on_progress(self, done: int, total: int | None, unit: str) -> None:
        """Show the progress of a stage."""
        of_total = f" of {total:,}" if total else ""
        self._progress.update(self._task, description=f"{self._title}: {done:,}{of_total} {unit}")

    def on_end(self, stage: "Stage") -> None:
        """Show a stage that has ended."""
        if not self._progress.disable:
            line = f"  {stage.name:<20} {stage.seconds:6.1f} s {stage.peak_mb:7,.0f} MB"
            self._progress.console.print(line, style="dim")


def describe_time(seconds: float) -> str:
    """Return the duration of the work and of the whole command, including its startup."""
    return f"{seconds:.1f} s (whole command {_count_seconds():.1f} s)"


def describe_size(megabytes: float) -> str:
    """Return a size in MB, or in kB if it is small.

    Examples
    --------
    >>> describe_size(0.0357), describe_size(12.34)
    ('36 kB', '12.3 MB')
    """
    return f"{megabytes:.1f} MB" if megabytes >= 0.1 else f"{1000 * megabytes:.0f} kB"


def _count_seconds() -> float:
    """Return the seconds since the start of this process."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError):  # not on Linux
        return time.time() - _STARTED.timestamp()


def make_score_table(scores: "ScoreTable") -> "Table":
    """Return the main scores of a run as a table, with a column for each split."""
    from rich.table import Table

    table = Table("metric", header_style="bold")
    for split in scores.splits:
        table.add_column(_TITLES.get(split, split))
    for name, cells in scores.rows.items():
        table.add_row(name, *cells)
    return table


def name_program() -> str:
    """Return the name by which this program was called, without its folder: ``train.py``."""
    return Path(sys.argv[0]).name


def relate_path(path: Path) -> Path:
    """Return `path` relative to the working directory if it lies inside."""
    working_folder = Path.cwd()
    return path.relative_to(working_folder) if path.is_relative_to(working_folder) else path
