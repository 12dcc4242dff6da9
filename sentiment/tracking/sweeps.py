"""The runs of a sweep and its jobs in an MLflow store."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sentiment.config import name_source
from sentiment.redaction import redact, redact_values
from sentiment.tracking import provenance
from sentiment.tracking.limits import CALL_ITEMS, NAME_LENGTH, PARAM_LENGTH, TAG_LENGTH
from sentiment.tracking.processes import ProcessMark
from sentiment.tracking.records import SweepRecord
from sentiment.tracking.retries import store_failures
from sentiment.tracking.runs import log_files

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_JOB_TAG = "sweep.job"
_ERROR_LENGTH = 500  # characters of an error in a tag; a file has the whole error


def search_all(client: "MlflowClient", experiment: str, query: str) -> "list[Run]":
    """Return all runs that match the filter `query` in an experiment, given by its id."""
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment], query, max_results=1000, page_token=token)
        runs += list(page)
        token = page.token
        if not token:
            return runs


class MlflowSweep(SweepRecord):
    """The run of a sweep.

    One process records all jobs of a sweep, each in a few calls when it has ended: jobs need not
    load MLflow, and none waits for the store.

    Parameters
    ----------
    client : MlflowClient
        Of a store that is ready.
    store : str
        Its address, without passwords.
    experiment : str
        Id of the experiment.
    run_id : str
        The run of the sweep.
    """

    def __init__(self, client: "MlflowClient", store: str, experiment: str, run_id: str) -> None:
        self._client = client
        self._store = store
        self._experiment = experiment
        self._commit = provenance.read_commit()
        self._earlier: dict[int, list[str]] = {}
        self.id = run_id

    def find_jobs(self) -> dict[int, float]:
        """Return the end times of the recorded jobs, in seconds since the epoch, by number."""
        with store_failures(self._store):
            runs = search_all(
                self._client,
                self._experiment,
                f"tags.mlflow.parentRunId = '{self.id}' AND tags.kind = 'trial'",
            )
        self._earlier = {}
        end_times = {}
        for run in runs:
            number = int(run.data.tags[_JOB_TAG])
            self._earlier.setdefault(number, []).append(run.info.run_id)
            # A process that was killed while recording left the run of the job running; another
            # process may have ended it since.
            if run.info.status in ("FINISHED", "FAILED"):
                end_times[number] = run.info.end_time / 1000
        return end_times

    def add_job(
        self,
        number: int,
        name: str,
        period: tuple[float, float],
        tags: dict[str, str],
        params: dict[str, str],
        metrics: dict[str, float],
        error: str,
    ) -> None:
        """Record an ended job, replacing an earlier record of it."""
        from mlflow.entities import Metric, Param

        start, end = (round(1000 * seconds) for seconds in period)
        run_tags = {
            "mlflow.parentRunId": str(self.id),
            "mlflow.source.name": name_source(tags),
            "mlflow.source.type": "LOCAL",
            "kind": "trial",
            _JOB_TAG: str(number),
            **ProcessMark.of_this_process().tags,
        }
        if error:
            run_tags["error"] = redact(error.splitlines()[0])[:_ERROR_LENGTH]
        items = [Param(k, v[:PARAM_LENGTH]) for k, v in redact_values(params).items()]
        with store_failures(self._store):
            for earlier in self._earlier.pop(number, []):
                self._client.delete_run(earlier)
            run = self._client.create_run(
                self._experiment,
                start_time=start,
                run_name=redact(f"#{number} {name}")[:NAME_LENGTH],
                tags=redact_values(tags | run_tags | self._commit),
            )
            run_id = run.info.run_id
            self._client.log_batch(
                run_id, [Metric(k, v, end, 0) for k, v in metrics.items()], items[:CALL_ITEMS]
            )
            for offset in range(CALL_ITEMS, len(items), CALL_ITEMS):
                self._client.log_batch(run_id, params=items[offset : offset + CALL_ITEMS])
            if error:
                self._client.log_text(run_id, redact(error), "error.txt")
            self._client.set_terminated(run_id, "FAILED" if error else "FINISHED", end)

    def update(self, tags: dict[str, str], metrics: dict[str, float]) -> None:
        """Record the progress of the sweep."""
        from mlflow.entities import Metric, RunTag

        timestamp = round(1000 * time.time())
        with store_failures(self._store):
            self._client.log_batch(
                str(self.id),
                metrics=[Metric(key, value, timestamp, 0) for key, value in metrics.items()],
                tags=[RunTag(k, v[:TAG_LENGTH]) for k, v in redact_values(tags).items()],
            )

    def log_files(self, folder: Path, names: Sequence[str]) -> None:
        """Keep the files `names`, paths relative to `folder`, under the same paths."""
        with store_failures(self._store):
            log_files(self._client, str(self.id), folder, names)

    def end(self, *, complete: bool) -> None:
        """End the run; a sweep that is not complete can be resumed."""
        with store_failures(self._store):
            self._client.set_terminated(str(self.id), "FINISHED" if complete else "KILLED")


def is_active(client: "MlflowClient", run_id: str) -> bool:
    """Return whether a run exists and was not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run_id).info.lifecycle_stage) == "active"
    except MlflowException:
        return False
