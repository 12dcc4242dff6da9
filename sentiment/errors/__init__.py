"""Errors a person can mend.

Each constructor takes facts and composes the message: what was found, what was expected and
what to do about it. Where a caller would naturally catch a builtin exception, the class is one.
"""

from sentiment.errors.base import (
    ConfigError,
    MissingPackageError,
    SentimentError,
    quote_list,
    suggest,
)
from sentiment.errors.exit_codes import ExitCode, find_os_exit_code
from sentiment.errors.inputs import (
    AmbiguousColumnError,
    ChangedInputError,
    DatabaseError,
    DatabaseUnavailableError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
    UnreadableFileError,
)
from sentiment.errors.runs import (
    ClusterError,
    FlowServerError,
    IncomparableRunsError,
    NoPredictionsError,
    NothingToRollBackError,
    ReferenceMissingError,
    RunNotFoundError,
    StepFailedError,
    StudyStorageError,
    TrackingStoreError,
    UnexplainableModelError,
    UntrustedModelError,
)
from sentiment.errors.training import (
    BadRowsError,
    FitError,
    TooFewClassesError,
    TooFewRowsError,
    UnsavableModelError,
)

__all__ = [
    "AmbiguousColumnError",
    "BadRowsError",
    "ChangedInputError",
    "ClusterError",
    "ConfigError",
    "DatabaseError",
    "DatabaseUnavailableError",
    "EmptyDataError",
    "ExitCode",
    "FitError",
    "FlowServerError",
    "IncomparableRunsError",
    "InputNotFoundError",
    "MissingColumnError",
    "MissingPackageError",
    "NoPredictionsError",
    "NothingToRollBackError",
    "OutputBusyError",
    "OutputExistsError",
    "ReferenceMissingError",
    "RunNotFoundError",
    "SentimentError",
    "StepFailedError",
    "StudyStorageError",
    "TooFewClassesError",
    "TooFewRowsError",
    "TrackingStoreError",
    "UnexplainableModelError",
    "UnfinishedOutputError",
    "UnreadableFileError",
    "UnsavableModelError",
    "UntrustedModelError",
    "find_os_exit_code",
    "quote_list",
    "suggest",
]
