"""Errors of runs, models, promotions and stores."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from sentiment.errors.base import ConfigError, SentimentError, make_clause, quote_list
from sentiment.errors.exit_codes import ExitCode


class RunNotFoundError(SentimentError, LookupError):
    """There is no tracked run, or no model of a run, with this name."""

    def __init__(self, missing: str, store: str, remedy: str) -> None:
        super().__init__(f"{missing} was not found in the tracking store '{store}'. {remedy}")


def _call_mlflow(store: str) -> str:
    return f"MLFLOW_TRACKING_URI={shlex.quote(store)} mlflow"


class RunDeletedError(RunNotFoundError):
    """A run was deleted in the tracking store; it can still be restored."""

    def __init__(self, run_id: str, store: str) -> None:
        SentimentError.__init__(
            self,
            f"run {run_id!r} is deleted in the tracking store '{store}'. Restore it, or its "
            f"experiment if that is deleted ({_call_mlflow(store)} runs restore --run-id {run_id})"
            ", or name another run.",
        )


class ExperimentDeletedError(RunNotFoundError):
    """An experiment was deleted in the tracking store; it can still be restored."""

    def __init__(self, name: str, experiment_id: str, store: str) -> None:
        SentimentError.__init__(
            self,
            f"experiment {name!r} is deleted in the tracking store '{store}'. Restore it "
            f"({_call_mlflow(store)} experiments restore --experiment-id {experiment_id}), or name "
            "another one with tracking.experiment=<name>.",
        )


class TrackingStoreError(SentimentError, ConnectionError):
    """The tracking store cannot be reached or opened.

    Parameters
    ----------
    uri : str
        Its address, without passwords.
    reason : str
        Why it cannot be used.
    exit_code : ExitCode
        `MISTAKE` if a retry cannot help, since there is no store at this address.
    remedy : str
        Advice to the user; default: check the address or the server.
    condition : str
        Condition under which the kept results can be recorded.
    """

    exit_code = ExitCode.UNAVAILABLE

    def __init__(
        self,
        uri: str,
        reason: str,
        exit_code: ExitCode = ExitCode.UNAVAILABLE,
        remedy: str = "",
        condition: str = "the store is back",
    ) -> None:
        self.uri, self.reason = uri, make_clause(reason)
        self.exit_code = exit_code
        self.condition = condition
        self.remedy = remedy or (
            "Correct tracking.uri, such as sqlite:///outputs/mlflow.db or http://127.0.0.1:5000"
            if exit_code is ExitCode.MISTAKE
            else "Check tracking.uri and its server, and give the same command again"
        )
        super().__init__(
            f"the tracking store '{uri}' cannot be used: {self.reason}. {self.remedy}. Only "
            "training runs without a store: tracking=off."
        )


class RunNotRecordedError(TrackingStoreError):
    """A run is complete and kept in its folder, but its tracking store has become unusable.

    Parameters
    ----------
    cause : TrackingStoreError
        Why the store cannot be used.
    folder : Path
        The folder of the kept run.
    command : str
        The command that records it later.
    content : str
        Description of the kept files.
    """

    def __init__(self, cause: TrackingStoreError, folder: Path, command: str, content: str) -> None:
        self.uri, self.reason, self.folder = cause.uri, cause.reason, folder
        self.exit_code, self.remedy, self.condition = cause.exit_code, cause.remedy, cause.condition
        verb = "are" if " and " in content else "is"
        SentimentError.__init__(
            self,
            f"the tracking store '{cause.uri}' cannot be used: {cause.reason}. Nothing is lost: "
            f"{content} {verb} in '{folder}'. When {cause.condition}, record the run with: "
            f"{command}",
        )


class RunNotKeptError(SentimentError, LookupError):
    """A folder holds no complete run that could be recorded."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"'{folder}' holds no run that can be recorded: {reason}. Expected the folder that a "
            "command named when its tracking store was away; otherwise, run that command again."
        )


class NoPredictionsError(SentimentError, KeyError):
    """A file to monitor is not an output of predict."""

    def __init__(self, path: Path, columns: Sequence[str], command: str) -> None:
        super().__init__(
            f"'{path}' has no columns 'prediction' and 'probability', which predict writes; its "
            f"columns are {quote_list(columns)}. Predict it first: {command}"
        )


class ReferenceMissingError(SentimentError, LookupError):
    """A run has no reference to compare its predictions with."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"{owner} keeps no reference to monitor against; those trained before there was "
            "monitoring have none. Train the model again, or name another run with run=<id>."
        )


class DataChangedError(SentimentError, ValueError):
    """The data of a run have changed since the run read them.

    Parameters
    ----------
    run_id, data : str
        The run, and the name of its data.
    recorded, current : str
        Fingerprints of the data that the run read, and of the present data.
    rows : int
        Number of usable rows in the present data.
    command : str
        The command that trains the same settings on the present data.
    """

    def __init__(
        self, run_id: str, data: str, recorded: str, current: str, rows: int, command: str
    ) -> None:
        super().__init__(
            f"run {run_id} was scored on data {data} {recorded[:12]}, and what is read now is "
            f"{current[:12]} ({rows:,} rows): its rows or their split have changed. Train on the "
            f"data as they are: {command}"
        )


class AlreadyFinalError(SentimentError, ValueError):
    """The model of a run has already learned from all rows of the final fit."""

    def __init__(self, run_id: str, fitted_rows: int, final_rows: int, refit: str) -> None:
        super().__init__(
            f"the model of run {run_id} has learned from {fitted_rows:,} rows, and refit={refit} "
            f"would fit it on {final_rows:,}. Use this model as it is, or name a run whose model "
            "has learned from fewer rows."
        )


class IncomparableRunsError(SentimentError, ValueError):
    """Two runs were not scored on the same test rows, so no paired test is possible."""

    def __init__(self, first: str, second: str, differences: Sequence[str], remedy: str) -> None:
        super().__init__(
            f"run {first} cannot be compared with run {second}: {'; '.join(differences)}. {remedy}"
        )


class NothingToRollBackError(SentimentError, LookupError):
    """There is no champion, or no previous one."""

    def __init__(self, name: str, missing: str, store: str, command: str) -> None:
        super().__init__(
            f"the model {name!r} has no version with the alias {missing!r} in the tracking store "
            f"'{store}', so there is nothing to go back to. Promote a run: {command}"
        )


class UnusableVersionError(SentimentError, LookupError):
    """A version of a registered model cannot be loaded, so no alias is moved to it.

    Parameters
    ----------
    name, version : str
        The registered model and the number of the version.
    reason : str
        Why it cannot be loaded.
    champion : str or None
        The version number of the champion, which does not change.
    older : (str, str) or None
        The latest older version that can be loaded, and the command that promotes it.
    """

    def __init__(
        self,
        name: str,
        version: str,
        reason: str,
        champion: str | None,
        older: tuple[str, str] | None,
    ) -> None:
        status = (
            f"The champion is still version {champion}." if champion else "There is no champion."
        )
        remedy = "No older version that was the champion can be loaded; promote another run."
        if older:
            remedy = f"The next older version that can be loaded is {older[0]}: {older[1]}"
        super().__init__(
            f"version {version} of {name} cannot be loaded: {make_clause(reason)}. {status} "
            f"{remedy}"
        )


class PromotionBusyError(SentimentError, BlockingIOError):
    """Another process has been changing the same registered model for minutes."""

    exit_code = ExitCode.BUSY

    def __init__(self, name: str, owner: str) -> None:
        super().__init__(
            f"another process ({owner}) is changing the registered model {name!r}. Run the same "
            "command again when it is done."
        )


class GoalOutOfReachError(ConfigError):
    """No threshold is certain to reach a goal for precision or recall.

    Parameters
    ----------
    goal : str
        The setting.
    metric : str
        The metric, such as ``precision of 'positive'``.
    rows, positive : int
        Number of validation rows, and of those of the second class.
    best, bound : float
        The best value on these rows, and the best lower bound.
    confidence : float
        Confidence of the bound.
    """

    def __init__(
        self,
        goal: str,
        metric: str,
        rows: int,
        positive: int,
        *,
        best: float,
        bound: float,
        confidence: float,
    ) -> None:
        # Rounded down, so that the suggested goal can be reached.
        possible = int(bound * 1000) / 1000
        name = metric.partition(" ")[0]
        super().__init__(
            [
                f"deploy.threshold is {goal!r}, but {rows:,} scored rows ({positive:,} of that "
                f"class) do not show it: the {metric} is {best:.4f} at best, and with a confidence "
                f"of {100 * confidence:g} % not less than {bound:.4f}. Ask for "
                f"{name}>={possible:.3f} or less, or train with more of them: "
                "cv=5, or a larger data.validation_size."
            ]
        )


class StepFailedError(SentimentError, RuntimeError):
    """A step of a flow failed.

    Parameters
    ----------
    step : str
        Name of the step.
    reason : str
        Why it failed.
    exit_code : int
        Exit code of the step if it runs in its own process.
    """

    def __init__(self, step: str, reason: str, exit_code: int = ExitCode.MISTAKE) -> None:
        is_known = exit_code in set(ExitCode)
        self.exit_code = ExitCode(exit_code) if is_known and exit_code else ExitCode.FAILED
        super().__init__(f"the step {step!r} of the flow failed: {make_clause(reason)}.")


class NoChampionError(SentimentError, LookupError):
    """The run of a flow was not promoted, and there is no champion to predict the input.

    Parameters
    ----------
    name : str
        Name of the registered model.
    sentence : str
        A sentence on the run that was not promoted, with the reason.
    command : str
        The command that promotes it nevertheless.
    """

    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, sentence: str, command: str) -> None:
        super().__init__(
            f"{sentence}. So {name} has no champion that could predict the input. Train on all "
            "rows if it was a sample, leave out input=, or promote it all the same, give a reason, "
            f"and run the flow again: {command}"
        )
