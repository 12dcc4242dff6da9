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
from sentiment.errors import ExitCode, NoChampionError, StepFailedError, explain_os_error
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
        The run that was trained.
    promotion : dict
        ``outcome`` and ``sentence``, the outcome in words.
    predictions, monitoring : list of dict
        Summary of each output, and of its comparison with training.
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
        return any(one["drifted"] for one in self.monitoring)


def run_steps(cfg: DictConfig, observer: StageObserver | None = None) -> FlowResult:
    """Run all steps as tasks of the running flow."""
    with hiding_secrets("flow"):
        return _Tasks(Steps(cfg), cfg, observer or SilentObserver()).run()


@contextmanager
def hiding_secrets(step: str) -> Iterator[None]:
    """Redact the errors of the ``with`` block, which Prefect logs, stores and sends.

    Raises
    ------
    SentimentError
        Replaces every other error, without a cause: Prefect would show both, and an error of a
        database, for instance, may quote a password. The traceback is logged, redacted.
    """
    try:
        yield
    except Exception as error:
        known = explain_error(error) or explain_os_error(error)
        if known is None:
            log.error("the step %r failed:\n%s", step, format_error(error))
            reason = redact(f"{type(error).__name__}: {error}")
            known = StepFailedError(step, reason, ExitCode.FAILED)
        raise known from None


class _Tasks:
    """The steps as Prefect tasks, and their order."""

    def __init__(self, steps: Steps, cfg: DictConfig, observer: StageObserver) -> None:
        self._steps, self._cfg = steps, cfg
        self._stages = Stages(observer)

    def run(self) -> FlowResult:
        """Run all steps."""
        steps, cfg = self._steps, self._cfg
        self._do("check input", steps.check_input)
        data = self._do("check data", steps.check_data)
        _show_table("data", [data])
        words = steps.list_words("train")
        run = self._train("train", words, data["digests"])
        champion = self._do("find champion", steps.find_champion)
        before = champion["version"] if champion else None
        promotion = self._decide(champion, run, words, data)
        _show_table("promotion", [promotion])
        if cfg.input and promotion["champion"] is None:
            name, found = cfg.name, promotion["sentence"]
            promoting = suggest_command("promote", f"name={name}", f"run={run}", "force=<reason>")
            raise NoChampionError(name, found, promoting)
        try:
            predictions = self._do("predict", steps.predict) if cfg.input else []
            _show_table("predictions", predictions)
            monitoring = [self._do("monitor", steps.monitor, one["output"]) for one in predictions]
            _show_table("monitoring", monitoring)
        except BaseException:
            # The model that was just promoted may be the cause.
            if before is not None and promotion["outcome"] == "promoted":
                self._do("roll back", steps.roll_back)
            raise
        return FlowResult(data, run, promotion, predictions, monitoring, self._stages.done)

    def _decide(self, champion: Facts | None, run: str, words: list[str], data: Facts) -> Facts:
        """Promote the run, or a new run with the settings of the champion if that is better."""
        steps, fingerprint = self._steps, data["fingerprint"]
        if champion is None or champion["fingerprint"] == fingerprint:
            return self._promote(run)
        # The champion was scored on other rows, so its settings are trained on these data, too.
        newer = f"trained on newer data ({fingerprint[:12]})"
        defence = steps.list_defence(champion)
        if sorted(defence) == sorted(words):
            reason = f"the settings of the champion, {newer}"
            return self._promote(run, reason)
        defender = self._train("train the champion's settings", defence, data["digests"])
        found = self._do("compare", steps.compare, defender, run)
        _show_table("comparison", found["pairs"])
        verdict = found["pairs"][0]["verdict"]
        if found["reasons"]:
            reason = f"the settings of the champion, {newer}, are better: {verdict}"
            return self._promote(defender, reason)
        reason = f"{newer}; against the settings of the champion on the same: {verdict}"
        return self._promote(run, reason)

    def _promote(self, run: str, new_data: str | None = None) -> Facts:
        promotion: Facts = self._do("promote", self._steps.promote, run, new_data)
        return promotion

    def _train(self, name: str, words: list[str], digests: str) -> str:
        """Train, unless the cache has a run with the same settings and data."""
        cfg = self._cfg
        key = [words, digests, provenance.read_commit(), cfg.outputs]
        key.append(OmegaConf.to_container(cfg.tracking, resolve=True))
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        run: str = self._do(name, self._steps.train, words, cache_key=digest)
        if not self._do("check run", self._steps.has_model, run):  # deleted since
            run = self._do(name, self._steps.train, words, cache_key=digest, refresh=True)
        return run

    def _do(
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
        cached: dict[str, Any] = {}
        if cache_key and settings.cache_hours:
            cached = {
                "cache_key_fn": lambda *_: cache_key,
                "cache_expiration": timedelta(hours=settings.cache_hours),
                "persist_result": True,
                "refresh_cache": refresh,
                # As JSON: no file is ever unpickled.
                "result_serializer": "json",
            }

        def run(*given: Any) -> Any:
            with hiding_secrets(name):
                return step(*given)

        made = make_task(
            run, name=name, retries=settings.retries, retry_delay_seconds=settings.retry_delay,
            retry_condition_fn=_may_pass, **cached,
        )  # fmt: skip
        with self._stages(name):
            return made(*arguments)


def _may_pass(task: Any, run: Any, state: Any) -> bool:
    """Return whether a retry may help: a server may come back, a mistake stays a mistake."""
    error = explain_error(state.result(raise_on_failure=False))
    return error is None or error.exit_code.is_transient


def _show_table(key: str, rows: list[Facts]) -> None:
    """Store a table as an artifact of the flow."""
    from prefect.artifacts import create_table_artifact

    if rows:
        flat = [{name: _flatten(value) for name, value in row.items()} for row in rows]
        create_table_artifact(flat, key=key)


def _flatten(value: Any) -> Any:
    """Return a value as a cell of a table, without secrets and markup."""
    text = json.dumps(value) if isinstance(value, list | dict) else value
    return escape_markdown(redact(text)) if isinstance(text, str) else text
