"""Errors of sweeps, studies and experiments that are written from trials."""

from collections.abc import Sequence
from pathlib import Path

from sentiment.errors.base import SentimentError, make_clause, quote_list, suggest
from sentiment.errors.exit_codes import ExitCode
from sentiment.errors.runs import TrackingStoreError
from sentiment.errors.system import explain_os_error


class StudyMismatchError(SentimentError, ValueError):
    """A study of this name exists, but was started with other settings."""

    def __init__(self, name: str, differences: Sequence[str]) -> None:
        lines = "\n".join(f"  - {line}" for line in differences[:8])
        rest = f"\n  and {len(differences) - 8} more" if len(differences) > 8 else ""
        super().__init__(
            f"the study {name!r} was started with other settings, so its trials cannot be "
            f"compared with new ones:\n{lines}{rest}\nResume it with those settings, start a new "
            "one beside it with search.fresh=true, or name another: search.name=<name>."
        )


class SweepBusyError(SentimentError, BlockingIOError):
    """Another process runs the same grid."""

    exit_code = ExitCode.BUSY

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"another process runs this sweep in '{folder}'. Wait for it, or start another one "
            "beside it with search.fresh=true."
        )


class SweepStoppedError(SentimentError, RuntimeError):
    """Too many jobs of a sweep failed."""

    exit_code = ExitCode.FAILED

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(
            f"the sweep stopped: {reason}. Last error: {error} Finished jobs are kept. Fix the "
            "cause and repeat the command, or allow more failures: search.max_failures=<number>."
        )


class JobsFailedError(SentimentError, RuntimeError):
    """Some jobs of a sweep failed; the others are done."""

    exit_code = ExitCode.FAILED

    def __init__(self, failed: Sequence[tuple[int, str]], total: int) -> None:
        lines = "\n".join(f"  #{number}  {error}" for number, error in failed[:5])
        rest = f"\n  and {len(failed) - 5} more" if len(failed) > 5 else ""
        super().__init__(f"{len(failed)} of {total} jobs failed:\n{lines}{rest}")


class StudyNotFoundError(SentimentError, LookupError):
    """There is no study of that name."""

    def __init__(self, name: str, storage: str, names: Sequence[str], command: str) -> None:
        existing = f"there {'are' if len(names) > 1 else 'is'} {quote_list(names)}"
        super().__init__(
            f"no study {name!r} in {storage}; {existing if names else 'there is none yet'}."
            f"{suggest(name, names)} A search makes one: {command}"
        )


class StudyLostError(SentimentError, LookupError):
    """The journal lacks a study whose folder still has its trials."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"'{folder.parent / 'studies.journal'}' has lost the study whose trials are in "
            f"'{folder}'. Repeat the command of the search: it recovers what they have found."
        )


class NoTrialError(SentimentError, LookupError):
    """A study has no complete trial."""

    def __init__(self, name: str, failed: int, running: int) -> None:
        super().__init__(
            f"no trial of the study {name!r} has ended well yet: {failed} failed and {running} "
            "were begun. Resume the search, or fix what its failures name."
        )


class ExperimentExistsError(SentimentError, FileExistsError):
    """An experiment of this name exists already."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"'{path}' exists already. Choose another name with write=<name>, or replace it with "
            "overwrite=true."
        )


class RecipeError(SentimentError, ValueError):
    """A trial cannot be written as an experiment."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no experiment was written: {reason}")


class NoBestJobError(SentimentError, LookupError):
    """A grid has no best job."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the grid {name!r} has no best job: {reason}.")


class StudyFolderError(SentimentError, FileExistsError):
    """The folder of a study holds trials of another study of the same name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"'{folder}' holds trials of another study, which has the same name and is stored "
            "elsewhere. Choose another folder for this one: outputs=<folder>, or start a new study "
            "beside it: search.fresh=true."
        )


class DamagedJournalError(SentimentError, ValueError):
    """The journal of all studies is damaged."""

    exit_code = ExitCode.FAILED

    def __init__(self, path: Path, reason: str, remedy: str = "Repeat the command.") -> None:
        self.path, self.reason = path, reason
        self.found = f"'{path}' is damaged ({reason})"
        super().__init__(f"{self.found}. {remedy}")

    def advise(self, remedy: str) -> "DamagedJournalError":
        """Return the same error with another remedy."""
        return DamagedJournalError(self.path, self.reason, remedy)


class StudyStorageError(SentimentError, ConnectionError):
    """The database of a study cannot be reached or written."""

    exit_code = ExitCode.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"search.storage is {address!r}, which cannot be used: {make_clause(reason)}. "
            "Check its address, that it runs, and which other processes use it, or choose "
            "search.storage=null, a file under outputs/. Finished trials are kept; the same "
            "command resumes the search."
        )


class SweepNotRecordedError(TrackingStoreError):
    """The jobs of a sweep are done, but its tracking store is away.

    Parameters
    ----------
    cause : TrackingStoreError
        Why the store cannot be used.
    folder : Path
        The folder of the sweep.
    jobs : (int, int)
        Number of jobs with results, and number of all jobs.
    command : str
        The command that resumes the sweep.
    trained : bool
        True if the best job was trained in full.
    """

    def __init__(
        self,
        cause: TrackingStoreError,
        folder: Path,
        jobs: tuple[int, int],
        command: str,
        *,
        trained: bool,
    ) -> None:
        self.uri, self.reason, self.folder = cause.uri, cause.reason, folder
        self.exit_code, self.remedy, self.condition = cause.exit_code, cause.remedy, cause.condition
        results = f"the results of {jobs[0]:,} of {jobs[1]:,} jobs"
        contents = f"{results} and the trained model of the best" if trained else results
        outcome = "records them" if trained else "records them and trains the best"
        SentimentError.__init__(
            self,
            f"the tracking store '{cause.uri}' cannot be used: {cause.reason}. Nothing is lost: "
            f"{contents} are in '{folder}'. When {cause.condition}, the same command {outcome}: "
            f"{command}",
        )


class SweepUnfinishedError(SentimentError, OSError):
    """The disk failed before a sweep, its figures or its records were complete.

    Parameters
    ----------
    cause : OSError
        The failure.
    folder : Path
        The folder of the sweep.
    jobs : (int, int)
        Number of jobs with results, and number of all jobs.
    command : str
        The command that resumes the sweep.
    """

    exit_code = ExitCode.IO_ERROR

    def __init__(self, cause: OSError, folder: Path, jobs: tuple[int, int], command: str) -> None:
        super().__init__(
            f"{make_clause(str(explain_os_error(cause) or cause))}. The results of {jobs[0]:,} of "
            f"{jobs[1]:,} jobs are in '{folder}'. Make space on the disk; then the same command "
            f"completes the sweep: {command}"
        )
