"""Errors of model files and of models."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from sentiment.errors.base import SentimentError, make_clause, quote_list
from sentiment.errors.exit_codes import ExitCode
from sentiment.errors.system import explain_os_error
from sentiment.redaction.printable import make_printable


class UnsavableModelError(SentimentError, TypeError):
    """A fitted model holds an object that could not be loaded again."""

    def __init__(self, model: str, untrusted: Sequence[str]) -> None:
        super().__init__(
            f"the fitted {model} holds {quote_list(untrusted)}, which this project does not load "
            "from a file, so it was not saved. List a class that you trust in the pyproject.toml "
            "of this folder, [tool.sentiment] trusted = [...], define functions at the top level "
            "of a module, hold data in arrays, lists and dictionaries, or choose another model."
        )


class ModelKeptError(SentimentError, OSError):
    """A model is trained and saved, but the disk or the store failed before its run was complete.

    Parameters
    ----------
    cause : OSError
        The failure.
    path : Path
        The model file.
    is_scored : bool
        True if all results of the run are kept beside it.
    """

    def __init__(self, cause: OSError, path: Path, *, is_scored: bool) -> None:
        explained = explain_os_error(cause)
        self.exit_code = getattr(explained or cause, "exit_code", ExitCode.IO_ERROR)
        results = "with its results" if is_scored else "without scores, figures and card"
        super().__init__(
            f"{make_clause(str(explained or cause))}. The trained model is kept, {results}; "
            f"predict with it by deploy.run={shlex.quote(str(path))}. Its run has not finished: "
            "give the same command again to train a complete one."
        )


class UntrustedModelError(SentimentError, ValueError):
    """A model file holds an object that this project does not load.

    Attributes
    ----------
    reason : str
        What was found.
    """

    def __init__(self, path: Path, reason: str, *, is_own: bool = False) -> None:
        self.reason = make_printable(reason)
        expected = (
            "The file of a run of yours may hold classes of scikit-learn, LightGBM and XGBoost and "
            "those that the pyproject.toml of this folder trusts, [tool.sentiment] "
            "trusted = [...], and must predict any text: work in the folder of the project, list "
            "the class, add trusted=[...], or change the features or the model."
            if is_own
            else "A file from elsewhere may hold parts of scikit-learn that can be checked, and no "
            "others; if you trained it yourself, name its run or record its folder with own=true. "
            "Otherwise, train the model anew."
        )
        super().__init__(f"the model '{path}' is not loaded: {self.reason}. {expected}")


class ModelPackageError(SentimentError, ImportError):
    """A package that a model of the user's own run needs is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"the model was trained with {package}, which is not installed here. Install it: "
            f"pip install {package}. A package of your own may be in the working folder instead."
        )


class UnexplainableModelError(SentimentError, TypeError):
    """A model has no weights of terms, so its predictions cannot be explained."""

    def __init__(self, model: str, features: str = "") -> None:
        description = f"{model} on features of {features}" if features else model
        requirement = "features that are sums over terms" if features else "a linear model"
        super().__init__(
            f"the predictions of {description} cannot be explained by terms; that needs "
            f"{requirement}. Choose the run of such a model: deploy.run=<id>; or predict without "
            "explain=true."
        )
