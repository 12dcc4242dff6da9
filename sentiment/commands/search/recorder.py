"""Recording of the jobs of a sweep, which catches up after an outage of the tracking store."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sentiment.commands.search.results import JobResult
from sentiment.errors import TrackingStoreError
from sentiment.tracking import SweepRecord

# A store that is away costs a sweep no more than a tenth of its time: after an attempt, which may
# take 40 s, there is none for at least a minute and for nine times as long as it took.
_SHORTEST_PAUSE, _PAUSE_FACTOR = 60.0, 9.0


@dataclass(frozen=True)
class Progress:
    """Tags and metrics of the run of a sweep: its best job so far."""

    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Recorder:
    """Records the jobs of a sweep in its tracked run, later if the store is away.

    Parameters
    ----------
    record : SweepRecord
        The run of the sweep.
    note : callable
        Shows a line to the user.

    Attributes
    ----------
    outage : TrackingStoreError or None
        Why the last attempt failed.
    """

    def __init__(self, record: SweepRecord, note: Callable[[str], None]) -> None:
        self.outage: TrackingStoreError | None = None
        self._record, self._note = record, note
        self._pending: dict[int, JobResult] = {}
        self._progress = Progress()
        self._next_attempt = 0.0
        # Whether an earlier attempt, here or elsewhere, may have been cut off at any point.
        self._is_unsure = False

    def begin(self, results: Mapping[int, JobResult], progress: Progress) -> None:
        """Record those jobs of earlier processes that the store does not hold."""
        self._is_unsure = True
        self._take(results, progress)

    def add(self, result: JobResult, progress: Progress) -> None:
        """Record a job that has just ended; keep it in mind if the store is away."""
        self._take({result.number: result}, progress)

    def flush(self) -> None:
        """Record what is pending.

        Raises
        ------
        TrackingStoreError
            The store is away.
        """
        start, count = time.monotonic(), len(self._pending)
        try:
            self._record_pending()
        except TrackingStoreError as error:
            now = time.monotonic()
            self._next_attempt = now + max(_SHORTEST_PAUSE, _PAUSE_FACTOR * (now - start))
            self._is_unsure = True
            if self.outage is None:
                self._note(
                    f"the tracking store is away ({error.reason}); the sweep continues, and its "
                    "jobs are recorded later"
                )
            self.outage = error
            raise
        if self.outage is not None:
            self._note(f"the tracking store is back: {count} jobs are recorded")
            self.outage, self._next_attempt = None, 0.0

    def abandon(self) -> None:
        """End the run of a sweep that is not complete, as far as the store allows."""
        if self.outage is None:
            with contextlib.suppress(TrackingStoreError):
                self._record.end(complete=False)

    def _take(self, results: Mapping[int, JobResult], progress: Progress) -> None:
        self._pending |= results
        self._progress = progress
        if time.monotonic() >= self._next_attempt:
            with contextlib.suppress(TrackingStoreError):  # it is in `outage`
                self.flush()

    def _record_pending(self) -> None:
        if not self._pending and not self._is_unsure:
            return
        if self._is_unsure:
            recorded = self._record.find_jobs()
            for number, result in list(self._pending.items()):
                # One that was run again has ended later; a store keeps milliseconds.
                if recorded.get(number, 0) >= result.ended - 0.001:
                    del self._pending[number]
        for number, result in list(self._pending.items()):
            self._record.add_job(
                number,
                result.name,
                (result.started, result.ended),
                result.tags,
                result.settings,
                result.metrics,
                "\n\n".join(part for part in (result.error, result.trace) if part),
            )
            del self._pending[number]
        self._record.update(self._progress.tags, self._progress.metrics)
        self._is_unsure = False
