"""Runs of the flow: once, or on a schedule."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sentiment.commands.flow.steps import Steps
from sentiment.commands.flow.tasks import FlowResult, run_steps
from sentiment.errors import ConfigError, ExitCode, FlowServerError, MissingPackageError
from sentiment.redaction import MASK, redact
from sentiment.tracking.stages import StageObserver


def run_flow(cfg: DictConfig, observer: StageObserver | None = None) -> FlowResult:
    """Run the flow once: on the server of ``PREFECT_API_URL``, or on a temporary server.

    A failed step is retried ``cfg.flow.retries`` times, unless the settings are wrong. If it still
    fails, the flow fails, and the champion is the same as before.

    Parameters
    ----------
    cfg : DictConfig
        The checked config of ``conf/flow.yaml``.
    observer : StageObserver, optional
        Receives progress.

    Raises
    ------
    SentimentError
        A step failed.
    """
    _check_settings(cfg)
    Steps(cfg).check_scripts()
    _prepare_prefect()
    from prefect import flow
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_CLIENT_MAX_RETRIES,
        temporary_settings,
    )

    make_flow: Any = flow(name=f"{cfg.name}-flow", validate_parameters=False)
    try:
        # A temporary server is unreachable only if it was stopped; five retries take a minute.
        retries = {} if PREFECT_API_URL.value() else {PREFECT_CLIENT_MAX_RETRIES: 2}
        with temporary_settings(set_defaults=retries):
            result: FlowResult = make_flow(lambda: run_steps(cfg, observer))()
    except Exception as error:
        termination = _find_termination(error)
        if termination is None:
            raise
        raise termination from error
    return result


def _find_termination(error: BaseException | None) -> BaseException | None:
    """Return the exception that ends the command if a signal caused `error`, otherwise None.

    Ctrl-C, or a signal to all processes, also ends the server that Prefect has started. The flow
    then fails when it reports its end to that server.
    """
    from prefect.exceptions import TerminationSignal

    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return KeyboardInterrupt()
        if isinstance(error, TerminationSignal):
            return SystemExit(ExitCode.TERMINATED)
        error = error.__cause__ or error.__context__
    return None


def serve_flow(cfg: DictConfig, overrides: list[str]) -> None:
    """Run the flow on the schedule ``cfg.flow.cron`` until the process is stopped.

    Parameters
    ----------
    cfg : DictConfig
        As in `run_flow`.
    overrides : list of str
        The settings of each run, as typed.

    Raises
    ------
    SentimentError
        The config cannot be used.
    """
    _check_settings(cfg)
    if any(MASK in override for override in overrides):
        raise ConfigError(
            [
                "the settings of a scheduled flow, which Prefect stores, have a password. Name an "
                "environment variable instead, such as train='data.path=${oc.env:REVIEWS_DB}'."
            ]
        )
    Steps(cfg).check_scripts()
    _prepare_prefect()
    from sentiment.commands.flow.scheduled import run_scheduled

    serve: Any = run_scheduled.serve
    serve(
        name=cfg.name,
        cron=cfg.flow.cron,
        parameters={"words": overrides},
        pause_on_shutdown=False,
    )


def _check_settings(cfg: DictConfig) -> None:
    if find_spec("prefect") is None:
        raise MissingPackageError("prefect", "a flow", "flow")
    choose_prefect_home(Path(cfg.outputs))
    if cfg.flow.cron is not None:
        from prefect.client.schemas.schedules import CronSchedule

        try:
            CronSchedule(cron=cfg.flow.cron)
        except ValueError as error:
            problem = (
                f'flow.cron is {cfg.flow.cron!r}; expected five fields: flow.cron="0 3 * * *".'
            )
            raise ConfigError([problem]) from error


def choose_prefect_home(outputs: Path) -> None:
    """Let Prefect use a folder under `outputs` if the home of the user is read-only.

    Call this before Prefect is imported. Without a writable folder, Prefect waits for a server that
    cannot start.

    Raises
    ------
    ConfigError
        The folder of PREFECT_HOME cannot be written.
    """
    setting = os.environ.get("PREFECT_HOME")
    try:
        home = Path(setting).expanduser() if setting else Path.home() / ".prefect"
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            return
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without an entry has no home
        if setting:
            problem = f"PREFECT_HOME is {setting!r}, which cannot be written"
            raise ConfigError([f"{problem}; name a folder that can, or unset it."]) from error
    folder = outputs.resolve() / "prefect"
    folder.mkdir(parents=True, exist_ok=True)  # Prefect makes no parent
    os.environ["PREFECT_HOME"] = str(folder)


def _prepare_prefect() -> None:
    # Prefect sends no usage data, and only the caller reports errors.
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
    # A temporary server takes longer to start than Prefect's 20 seconds on a busy machine.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    address = PREFECT_API_URL.value()
    try:
        # Without an address, this process starts a temporary server.
        with get_client(sync_client=True) as client:
            problem = client.api_healthcheck()
    except RuntimeError as error:
        raise FlowServerError("of this command", str(error)) from error
    if problem is not None:
        raise FlowServerError(redact(str(address)), str(problem))
