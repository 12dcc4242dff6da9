"""Errors a person can mend.

Each constructor takes facts and composes the message: what was found, what was expected and
what to do about it. Where a caller would naturally catch a builtin exception, the class is one.
"""

from sentiment.errors.base import (
    ConfigError,
    SentimentError,
    quote_list,
    suggest,
)
from sentiment.errors.inputs import (
    BadRowsError,
    ChangedInputError,
    DatabaseError,
    EmptyDataError,
    InputNotFoundError,
    MissingColumnError,
    NoPredictionsError,
    TooFewClassesError,
    TooFewRowsError,
    UnreadableFileError,
)
from sentiment.errors.models import (
    FitError,
    UnexplainableModelError,
    UnsavableModelError,
    UntrustedModelError,
)
from sentiment.errors.outputs import (
    OutputBusyError,
    OutputExistsError,
    UnfinishedOutputError,
)
from sentiment.errors.runs import (
    ClusterError,
    IncomparableRunsError,
    MissingPackageError,
    NothingToRollBackError,
    ReferenceMissingError,
    RunNotFoundError,
    TrackingStoreError,
)

__all__ = [
    "BadRowsError",
    "ChangedInputError",
    "ClusterError",
    "ConfigError",
    "DatabaseError",
    "EmptyDataError",
    "FitError",
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
    "TooFewClassesError",
    "TooFewRowsError",
    "TrackingStoreError",
    "UnexplainableModelError",
    "UnfinishedOutputError",
    "UnreadableFileError",
    "UnsavableModelError",
    "UntrustedModelError",
    "quote_list",
    "suggest",
]
