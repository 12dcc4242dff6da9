"""Steps of the flow as tasks of Prefect, with retries, caching and artifacts."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sentiment.commands.flow.steps import Facts, Steps
from sentiment.config import explain_error, suggest_command
from sentiment.errors import (
    ExitCode,
    NoChampionError,
    StepFailedError,
    UnusablePathError,
    explain_os_error,
)
from sentiment.redaction import format_error, redact
from sentiment.redaction.printable import escape_markdown
from sentiment.tracking import provenance
from sentiment.tracking.stages import SilentObserver, Stage, StageObserver, Stages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FlowResult:
    """Result of one run of the flow.

    Attributes
    ----------
    data : dict
        Name, fingerprint and size of the data.
    run : str
        Id of the trained run.
    promotion : dict
        ``outcome`` and ``sentence``, the outcome in words.
    predictions, monitoring : list of dict
        Summary of each output, and of the comparison of each output with training.
    stages : list of Stage
        Time and peak memory of each step.
    """

    data: Facts
    run: str
    promotion: Facts
    predictions: list[Facts]
    monitoring: list[Facts]
    stages: list[Stage]

    @property
    def drifted(self) -> bool:
        """True if monitoring found drift in an output."""
        return any(report["drifted"] for report in self.monitoring)


def run_steps(cfg: DictConfig, observer: StageObserver | None = None) -> FlowResult:
    """Run all steps as tasks of the running flow."""
    with hiding_secrets("flow"):
        return _Tasks(Steps(cfg), cfg, observer or SilentObserver()).run()


@contextmanager
def hiding_secrets(step: str) -> Iterator[None]:
    """Redact the errors of the ``with`` block, since Prefect logs, stores and sends them.

    Raises
    ------
    SentimentError
        Replaces every other error, without a cause, since Prefect would show the cause, too, and an
        error of a database, for instance, may quote a password. The redacted traceback is logged.
    """
    try:
        yield
    except Exception as error:
        explained = explain_error(error) or explain_os_error(error)
        if isinstance(explained, UnusablePathError) and explained.exit_code is ExitCode.IO_ERROR:
            reason = (
                f"{explained} What the steps before it made is kept: run the same command again"
            )
            explained = StepFailedError(step, reason, explained.exit_code)
        if explained is None:
            log.error("the step %r failed:\n%s", step, format_error(error))
            reason = redact(f"{type(error).__name__}: {error}")
            explained = StepFailedError(step, reason, ExitCode.FAILED)
        raise explained from None


class _Tasks:
    """The steps as Prefect tasks, and their order."""

    def __init__(self, steps: Steps, cfg: DictConfig, observer: StageObserver) -> None:
        self._steps, self._cfg = steps, cfg
        self._stages = Stages(observer)

    def run(self) -> FlowResult:
        """Run all steps."""
        steps, cfg = self._steps, self._cfg
        self._run_task("check input", steps.check_input)
        data = self._run_task("check data", steps.check_data)
        _store_table("data", [data])
        overrides = steps.list_overrides("train")
        run = self._train("train", overrides, data["digests"])
        champion = self._run_task("find champion", steps.find_champion)
        champion_version = champion["version"] if champion else None
        promotion = self._promote_best(champion, run, overrides, data)
        _store_table("promotion", [promotion])
        if cfg.input and promotion["champion"] is None:
            arguments = f"name={cfg.name}", f"run={run}", "force=<reason>"
            command = suggest_command("promote", *arguments)
            raise NoChampionError(cfg.name, promotion["sentence"], command)
        try:
            predictions = self._run_task("predict", steps.predict) if cfg.input else []
            _store_table("predictions", predictions)
            monitoring = [
                self._run_task("monitor", steps.monitor, job["output"]) for job in predictions
            ]
            _store_table("monitoring", monitoring)
        except BaseException:
            # The new champion may be the cause.
            if champion_version is not None and promotion["outcome"] == "promoted":
                self._run_task("roll back", steps.roll_back)
            raise
        return FlowResult(data, run, promotion, predictions, monitoring, self._stages.done)

    def _promote_best(
        self, champion: Facts | None, run: str, overrides: list[str], data: Facts
    ) -> Facts:
        """Promote the run, or a new run with the champion's settings if that one is better."""
        steps, fingerprint = self._steps, data["fingerprint"]
        if champion is None or champion["fingerprint"] == fingerprint:
            return self._promote(run)
        # The champion was scored on other rows, so its settings are trained on the new data, too.
        newer = f"trained on newer data ({fingerprint[:12]})"
        champion_overrides = steps.list_champion_overrides(champion)
        if sorted(champion_overrides) == sorted(overrides):
            reason = f"the settings of the champion, {newer}"
            return self._promote(run, reason)
        retrained = self._train(
            "train the champion's settings", champion_overrides, data["digests"]
        )
        comparison = self._run_task("compare", steps.compare, retrained, run)
        _store_table("comparison", comparison["pairs"])
        verdict = comparison["pairs"][0]["verdict"]
        if comparison["reasons"]:
            reason = f"the settings of the champion, {newer}, are better: {verdict}"
            return self._promote(retrained, reason)
        reason = f"{newer}; against the settings of the champion on the same data: {verdict}"
        return self._promote(run, reason)

    def _promote(self, run: str, new_data: str | None = None) -> Facts:
        promotion: Facts = self._run_task("promote", self._steps.promote, run, new_data)
        return promotion

    def _train(self, name: str, overrides: list[str], digests: str) -> str:
        """Return a new run, or the cached run with the same settings and data."""
        cfg = self._cfg
        key = [overrides, digests, provenance.read_commit(), cfg.outputs]
        key.append(OmegaConf.to_container(cfg.tracking, resolve=True))
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        run: str = self._run_task(name, self._steps.train, overrides, cache_key=digest)
        if not self._run_task(
            "check run", self._steps.has_model, run
        ):  # the cached run was deleted
            run = self._run_task(name, self._steps.train, overrides, cache_key=digest, refresh=True)
        return run

    def _run_task(
        self,
        name: str,
        step: Callable[..., Any],
        *arguments: Any,
        cache_key: str | None = None,
        refresh: bool = False,
    ) -> Any:
        """Run a step as a task; with `refresh`, ignore the cache."""
        from prefect import task

        settings = self._cfg.flow
        make_task: Any = task
        cache_options: dict[str, Any] = {}
        if cache_key and settings.cache_hours:
            cache_options = {
                "cache_key_fn": lambda *_: cache_key,
                "cache_expiration": timedelta(hours=settings.cache_hours),
                "persist_result": True,
                "refresh_cache": refresh,
                # As JSON, so that no file is ever unpickled.
                "result_serializer": "json",
            }

        def run(*step_arguments: Any) -> Any:
            with hiding_secrets(name):
                return step(*step_arguments)

        task_function = make_task(
            run, name=name, retries=settings.retries, retry_delay_seconds=settings.retry_delay,
            retry_condition_fn=_is_retryable, **cache_options,
        )  # fmt: skip
        with self._stages(name):
            return task_function(*arguments)


def _is_retryable(task: Any, run: Any, state: Any) -> bool:
    """Return whether a retry may help, as after an outage, but not after a mistake."""
    error = explain_error(state.result(raise_on_failure=False))
    return error is None or error.exit_code.is_transient


def _store_table(key: str, rows: list[Facts]) -> None:
    """Store a table as an artifact of the flow."""
    from prefect.artifacts import create_table_artifact

    if rows:
        cells = [{name: _format_cell(value) for name, value in row.items()} for row in rows]
        create_table_artifact(cells, key=key)


def _format_cell(value: Any) -> Any:
    """Return a value as a cell of a table, without secrets and markup."""
    text = json.dumps(value) if isinstance(value, list | dict) else value
    return escape_markdown(redact(text)) if isinstance(text, str) else text
