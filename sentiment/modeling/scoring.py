"""Scoring of texts with a trained model."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from sentiment.config.schemas import ScorerSettings
from sentiment.files.batches import Batch
from sentiment.modeling.decision_rules import UNSURE, DecisionRule
from sentiment.modeling.explanation import RowExplainer
from sentiment.modeling.linear import make_fast
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import TEXT_COLUMN

_ANSWERS = pa.schema({"prediction": pa.string(), "probability": pa.float64()})
_REASONS = pa.schema({"speaks_for": pa.string(), "speaks_against": pa.string()})


def list_answers(*, explain: bool) -> pa.Schema:
    """Return names and types of the columns of an answer."""
    return pa.schema([*_ANSWERS, *(_REASONS if explain else ())])


class Predictor:
    """Predictions of a model for texts, with reasons if they are wanted.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    rule : DecisionRule, optional
        How answers are made of probabilities; the most probable class without it.
    explain : bool
        Whether the terms that spoke most for and against an answer are added to it.
    path : Path, optional
        The file that `pipeline` was loaded from, for those who load it elsewhere.

    Attributes
    ----------
    rule, explains : DecisionRule, bool
        As above.
    labels : list of str
        What can be answered.
    schema : Schema
        Names and types of the columns of an answer.

    Raises
    ------
    UnexplainableModelError
        The model is not linear, and has to explain.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rule: DecisionRule | None = None,
        *,
        explain: bool = False,
        path: Path | None = None,
    ) -> None:
        self._classifier = make_fast(pipeline)
        self._path = path
        self.rule = rule = rule or DecisionRule()
        self.explains = explain
        self._explainer = RowExplainer(pipeline) if explain else None
        self.labels = [str(label) for label in pipeline.classes_]
        if rule.least_confidence > 0:
            self.labels.append(UNSURE)
        self.schema = list_answers(explain=explain)

    @classmethod
    def load(cls, path: Path, rule: DecisionRule | None = None, *, explain: bool = False) -> Self:
        """Return a predictor with the model in the skops file `path`; see `load_model`."""
        return cls(load_model(path), rule, explain=explain, path=path)

    def read_file(self) -> bytes:
        """Return the file of the model.

        Raises
        ------
        ValueError
            It is not known.
        """
        if self._path is None:
            raise ValueError("the model was not loaded from a file")
        return self._path.read_bytes()

    def predict(self, texts: pa.Array | pd.Series) -> pa.RecordBatch:
        """Return the predictions for `texts`.

        Parameters
        ----------
        texts : array of str, of shape (n,)
            None is missing.

        Returns
        -------
        RecordBatch of `n` rows
            The columns of `schema`: ``prediction``, as a dictionary of `labels`, and
            ``probability``, that of the class which is predicted or, for a row that is left open,
            would have been; then the reasons.
        """
        frame = pd.DataFrame(
            {TEXT_COLUMN: texts if isinstance(texts, pd.Series) else texts.to_pandas()}
        )
        if frame.empty:
            return pa.RecordBatch.from_pylist([], self.schema)
        probabilities = self._classifier.predict_proba(frame)
        codes, confidence = self.rule.decide(probabilities)
        answered = np.where(self.rule.is_sure(confidence), codes, len(self.labels) - 1)
        columns = [
            pa.DictionaryArray.from_arrays(pa.array(answered, pa.int32()), self.labels),
            pa.array(probabilities[np.arange(len(codes)), codes]),
        ]
        if self._explainer:
            columns += self._explainer.explain(frame, codes)
        return pa.RecordBatch.from_arrays(columns, names=self.schema.names)


class BatchScorer(ScorerSettings):
    """One process that scores a file batch by batch; see `ScorerSettings`."""

    def score(
        self, predictor: Predictor, batches: Iterable[Batch]
    ) -> Iterator[tuple[Batch, pa.RecordBatch]]:
        """Yield each batch and the predictions for its texts, in order."""
        for batch in batches:
            yield batch, predictor.predict(batch.texts)
