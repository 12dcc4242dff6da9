"""Policy on failed jobs of a sweep: how many may fail before it stops, and its error at the end."""

from collections.abc import Sequence

from sentiment.commands.search.results import JobResult
from sentiment.errors import JobsFailedError, SweepStoppedError, count_of, mask_numbers

# If as many first jobs fail in the same way, the fault is not in their settings.
FIRST = 3


class FailurePolicy:
    """Stops a sweep whose jobs keep failing.

    Parameters
    ----------
    max_in_a_row : int
        How many jobs may fail one after another.
    fresh : bool
        True if no job has ended before.
    """

    def __init__(self, max_in_a_row: int, *, fresh: bool) -> None:
        self._max_in_a_row = max_in_a_row
        self._in_a_row = 0
        self._first_errors: list[str] | None = [] if fresh else None

    def add(self, result: JobResult) -> None:
        """Count a job that has ended.

        Raises
        ------
        SweepStoppedError
            Too many jobs have failed.
        """
        self._in_a_row = self._in_a_row + 1 if result.error else 0
        if self._first_errors is not None:
            # Messages often hold values that differ from job to job.
            self._first_errors.append(mask_numbers(result.error))
            if len(self._first_errors) == FIRST:
                errors, self._first_errors = set(self._first_errors), None
                if len(errors) == 1 and result.error:
                    reason = f"the first {FIRST} jobs failed in the same way"
                    raise SweepStoppedError(reason, result.error)
        if self._in_a_row > self._max_in_a_row:
            in_a_row = " in a row" * (self._in_a_row > 1)
            reason = f"{count_of(self._in_a_row, 'job')}{in_a_row} failed"
            raise SweepStoppedError(reason, result.error)


def check_failures(failed: Sequence[JobResult], total: int) -> None:
    """Raise `JobsFailedError` if any of the `total` jobs failed."""
    if failed:
        raise JobsFailedError([(result.number, result.error) for result in failed], total)
