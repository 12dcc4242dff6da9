"""How a trained model is put to work on texts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sentiment.errors import ConfigError, suggest
from sentiment.evaluation import METRICS
from sentiment.pipeline import TextClassifier

FORMATS = ("csv", "parquet", "jsonl")


@dataclass(frozen=True, kw_only=True)
class BatchScorer:
    """One process that scores a file batch by batch.

    Parameters
    ----------
    run : str
        The run whose model it uses: ``"best"``, a run id, or ``models:/name@alias``; or the path
        of a model file that ends with ``.skops``.
    metric : str
        The validation metric that makes a run the best.
    max_chars : int
        Characters of the longest text that is answered; longer ones are rejected.
    empty : {"score", "reject"}
        What becomes of a text of nothing but white space: the model says what it says of a text
        without a word that it knows, or the row is rejected.
    format : {"csv", "parquet", "jsonl"}, optional
        Format of the output; that of the input without it.
    """

    run: str = "best"
    metric: str = "accuracy"
    max_chars: int = 1_000_000
    empty: str = "score"
    format: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.metric not in METRICS:
            problems.append(
                f"deploy.metric is {self.metric!r}.{suggest(str(self.metric), METRICS)} "
                f"Expected one of {', '.join(METRICS)}."
            )
        if not isinstance(self.max_chars, int) or self.max_chars < 1:
            problems.append(
                f"deploy.max_chars is {self.max_chars!r}; "
                "expected a whole number of characters above 0."
            )
        if self.empty not in ("score", "reject"):
            problems.append(f"deploy.empty is {self.empty!r}; expected score or reject.")
        if self.format is not None and self.format not in FORMATS:
            problems.append(
                f"deploy.format is {self.format!r}; expected one of {', '.join(FORMATS)}."
            )
        if problems:
            raise ConfigError(problems)

    def score(self, classifier: TextClassifier, texts: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Return what `classifier` says of `texts`.

        Parameters
        ----------
        classifier : TextClassifier
            Fitted.
        texts : Series of str, of shape (n,)
            None is missing.

        Returns
        -------
        codes : ndarray of int64, of shape (n,)
            The most probable class, as its place in ``classifier.classes_``.
        probabilities : ndarray of float64, of shape (n,)
            Its probability.
        """
        if not len(texts):
            return np.empty(0, np.int64), np.empty(0)
        found = classifier.predict_proba(pd.DataFrame({"text": texts}))
        codes = np.argmax(found, axis=1)
        return codes, found[np.arange(len(codes)), codes]
