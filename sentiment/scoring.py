"""How a trained model is put to work on a table."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sentiment.data import tables
from sentiment.errors import ConfigError, suggest
from sentiment.evaluation import METRICS
from sentiment.pipeline import TextClassifier, predict


@dataclass(frozen=True, kw_only=True)
class BatchScorer:
    """One process that scores a table chunk by chunk.

    Parameters
    ----------
    run : str
        The run whose model it uses: ``"best"``, a run id, or ``models:/name@alias``; or the path
        of a model file that ends with ``.skops``.
    metric : str
        The validation metric that makes a run the best.
    chunk_size : int
        Rows that are read, scored and written at a time.
    format : {"csv", "parquet", "jsonl"}, optional
        Format of the output; that of the input without it.
    """

    run: str = "best"
    metric: str = "accuracy"
    chunk_size: int = 5000
    format: str | None = None

    def __post_init__(self) -> None:
        problems = []
        if self.metric not in METRICS:
            problems.append(
                f"deploy.metric is {self.metric!r}.{suggest(str(self.metric), METRICS)} "
                f"Expected one of {', '.join(METRICS)}."
            )
        if not isinstance(self.chunk_size, int) or self.chunk_size < 1:
            problems.append(
                f"deploy.chunk_size is {self.chunk_size!r}; "
                "expected a whole number of rows above 0."
            )
        if self.format is not None and self.format not in tables.SUFFIXES:
            problems.append(
                f"deploy.format is {self.format!r}; expected one of {', '.join(tables.SUFFIXES)}."
            )
        if problems:
            raise ConfigError(problems)

    def cut(self, frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
        """Yield `frame` in chunks."""
        for start in range(0, len(frame), self.chunk_size):
            yield frame.iloc[start : start + self.chunk_size]

    def score(self, pipeline: TextClassifier, frame: pd.DataFrame) -> pd.DataFrame:
        """Return ``prediction`` and its ``probability`` for each row of `frame`.

        Both are missing where ``text`` is missing or empty.
        """
        texts = tables.as_strings(frame["text"])
        present = texts.notna().to_numpy()
        prediction = pd.Series(pd.NA, index=frame.index, dtype="str")
        probability = pd.Series(np.nan, index=frame.index, dtype="float64")
        if present.any():
            labels, probabilities = predict(pipeline, pd.DataFrame({"text": texts[present]}))
            prediction[present] = labels.astype(str)
            probability[present] = probabilities.max(axis=1)
        return pd.DataFrame({"prediction": prediction, "probability": probability})
