"""When a sweep gives up."""

import re
from collections.abc import Sequence

from sentiment.commands.search.results import JobResult
from sentiment.errors import ExitCode, SentimentError

# As many first jobs that all fail in the same way are no coincidence.
FIRST = 3


class SweepStoppedError(SentimentError, RuntimeError):
    """Too many jobs failed for a sweep to go on."""

    exit_code = ExitCode.FAILED

    def __init__(self, why: str, error: str) -> None:
        super().__init__(
            f"the sweep stopped: {why}. The last one said: {error} What is done is kept. Fix the "
            "cause and give the same command again, or let more fail: search.max_failures=<number>."
        )


class JobsFailedError(SentimentError, RuntimeError):
    """Some jobs of a sweep failed; the others are done."""

    exit_code = ExitCode.FAILED

    def __init__(self, failed: Sequence[JobResult], total: int) -> None:
        shown = "\n".join(f"  #{result.number}  {result.error}" for result in failed[:5])
        more = f"\n  and {len(failed) - 5} more" if len(failed) > 5 else ""
        super().__init__(f"{len(failed)} of {total} jobs failed:\n{shown}{more}")


def check_failures(failed: Sequence[JobResult], total: int) -> None:
    """Raise a `JobsFailedError` if there is a failed job."""
    if failed:
        raise JobsFailedError(failed, total)


class FailurePolicy:
    """Stops a sweep whose jobs only fail.

    Parameters
    ----------
    most_in_a_row : int
        How many jobs may fail one after another.
    fresh : bool
        Whether no job has ended before.
    """

    def __init__(self, most_in_a_row: int, *, fresh: bool) -> None:
        self._most = most_in_a_row
        self._in_a_row = 0
        self._first: list[str] | None = [] if fresh else None

    def add(self, result: JobResult) -> None:
        """Count a job that has ended.

        Raises
        ------
        SweepStoppedError
            This was one failure too many.
        """
        self._in_a_row = self._in_a_row + 1 if result.error else 0
        if self._first is not None:
            # Numbers in messages are often the values that were tried.
            self._first.append(re.sub(r"\d[\d.e+-]*", "#", result.error))
            if len(self._first) == FIRST:
                errors, self._first = set(self._first), None
                if len(errors) == 1 and result.error:
                    why = f"the first {FIRST} jobs failed in the same way"
                    raise SweepStoppedError(why, result.error)
        if self._in_a_row > self._most:
            raise SweepStoppedError(f"{self._in_a_row} jobs in a row failed", result.error)
