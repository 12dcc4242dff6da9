"""What is wrong with models and with files of them."""

from collections.abc import Sequence
from pathlib import Path

from sentiment.errors.base import SentimentError, make_printable, quote_list


class FitError(SentimentError, ValueError):
    """scikit-learn refused the data or the settings while fitting."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"scikit-learn could not fit the pipeline: {reason.strip().rstrip('.')}. "
            "Change the features or model settings named there, or look at the data they meet."
        )


class UnexplainableModelError(SentimentError, TypeError):
    """A model has no weights by which its answers could be explained."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"the answers of {model} cannot be explained by terms, which takes a linear model. "
            "Leave explain at false, or choose the run of such a model: deploy.run=<id>."
        )


class UnsavableModelError(SentimentError, TypeError):
    """A fitted model holds something that would not be loaded again."""

    def __init__(self, model: str, strangers: Sequence[str]) -> None:
        super().__init__(
            f"the fitted {model} holds {quote_list(strangers)}, which this project does not load "
            "from a file, so it was not saved. Choose another model or another setting of it."
        )


class UntrustedModelError(SentimentError, ValueError):
    """A model file holds something that this project does not load."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"the model '{path}' is not loaded: {make_printable(reason)}. Only skops files made of "
            "scikit-learn parts that this project itself writes are trusted; train the model anew."
        )
