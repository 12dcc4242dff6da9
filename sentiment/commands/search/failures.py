"""When a sweep gives up."""

import re
from collections.abc import Sequence

from sentiment.commands.search.results import JobResult
from sentiment.errors import JobsFailedError, SweepStoppedError

# As many first jobs that all fail in the same way are no coincidence.
FIRST = 3


def check_failures(failed: Sequence[JobResult], total: int) -> None:
    """Raise a `JobsFailedError` if there is a failed job."""
    if failed:
        raise JobsFailedError([(one.number, one.error) for one in failed], total)


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
