"""What may be wrong with runs, their models and what is done with them."""

from collections.abc import Sequence
from pathlib import Path

from sentiment.errors.base import SentimentError, quote_list
from sentiment.errors.exit_codes import ExitCode
from sentiment.printable import make_printable


class RunNotFoundError(SentimentError, LookupError):
    """No tracked run, or no model of one, answers to what was asked for."""

    def __init__(self, wanted: str, store: str, remedy: str) -> None:
        super().__init__(f"{wanted} was not found in the tracking store '{store}'. {remedy}")


class TrackingStoreError(SentimentError, ConnectionError):
    """The tracking store cannot be reached or opened."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(
            f"the tracking store '{uri}' cannot be used: {reason.strip().rstrip('.')}. "
            "Check tracking.uri, or train without tracking: tracking=off."
        )


class UntrustedModelError(SentimentError, ValueError):
    """A model file holds something that this project does not load."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the model '{path}' is not loaded: {make_printable(reason)}. Only skops files made of "
            "scikit-learn parts that this project itself writes are trusted; train the model anew."
        )


class UnexplainableModelError(SentimentError, TypeError):
    """A model has no weights by which its answers could be explained."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"the answers of {model} cannot be explained by terms, which takes a linear model. "
            "Leave explain at false, or choose the run of such a model: deploy.run=<id>."
        )


class NoPredictionsError(SentimentError, KeyError):
    """A file to monitor is none that predict has written."""

    def __init__(self, path: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"'{path}' has no columns 'prediction' and 'probability', which predict writes; its "
            f"columns are {quote_list(found)}. Predict it first: "
            f"python scripts/predict.py 'input={path}'."
        )


class ReferenceMissingError(SentimentError, LookupError):
    """A run keeps nothing that its predictions could be compared with."""

    def __init__(self, owner: str) -> None:
        super().__init__(
            f"{owner} keeps no reference to monitor against; those trained before there was "
            "monitoring have none. Train the model again, or name another run with run=<id>."
        )


class IncomparableRunsError(SentimentError, ValueError):
    """Two runs were not scored on the same test rows, so that no test can be paired."""

    def __init__(self, first: str, second: str, differences: Sequence[str], remedy: str) -> None:
        super().__init__(
            f"run {second} cannot be compared with run {first}: {'; '.join(differences)}. {remedy}"
        )


class NothingToRollBackError(SentimentError, LookupError):
    """There is no champion, or none before it."""

    def __init__(self, name: str, missing: str, store: str) -> None:
        super().__init__(
            f"the model {name!r} has no {missing} in the tracking store '{store}', so there is "
            "nothing to go back to. Promote one: python scripts/promote.py run=<id>."
        )


class ClusterError(SentimentError, ConnectionError):
    """A cluster cannot be reached, or does not do its work."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Dask cluster {address} failed: {reason.strip().rstrip('.')}. Check "
            "deploy.address and the logs of its workers, or use this process: deploy=batch."
        )


class FlowServerError(SentimentError, ConnectionError):
    """A Prefect server cannot be reached."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the Prefect server '{address}' does not answer: {reason.strip().rstrip('.')}. Start "
            "it (make prefect-up), correct PREFECT_API_URL, or unset it to run the flow without a "
            "server."
        )


class StepFailedError(SentimentError, RuntimeError):
    """A step of a flow did not do its work.

    Parameters
    ----------
    step : str
        Name of the step.
    reason : str
        Why it failed.
    exit_code : int
        Exit code of the step where it is a process of its own.
    """

    def __init__(self, step: str, reason: str, exit_code: int = ExitCode.MISTAKE) -> None:
        known = exit_code in set(ExitCode)
        self.exit_code = ExitCode(exit_code) if known and exit_code else ExitCode.FAILED
        super().__init__(f"the step {step!r} of the flow failed: {reason.strip().rstrip('.')}.")


class StudyStorageError(SentimentError, ConnectionError):
    """The database of a study cannot be reached or written."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"search.storage is {address!r}, which cannot be used: {reason.strip().rstrip('.')}. "
            "Expected the address of a database that runs, such as "
            "postgresql://user@host/name, or null for a file under outputs/. What is "
            "done is kept; the same command resumes the search."
        )
