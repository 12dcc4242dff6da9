"""Scoring of texts with a trained model."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from sentiment.config.schemas import ScorerSettings
from sentiment.data.columns import read_values
from sentiment.data.labels import find_order
from sentiment.errors import quote_list
from sentiment.files.batches import Batch
from sentiment.files.columns import check_extra_columns, choose_text_column, strip_values
from sentiment.files.tally import SEPARATOR
from sentiment.files.values import list_values
from sentiment.modeling.decision_rules import UNSURE, DecisionRule, LabelSetRule
from sentiment.modeling.estimators.label_sets import measure_sets, name_label_sets
from sentiment.modeling.explanation import RowExplainer, TextExplanation, explain_text
from sentiment.modeling.linear import LinearTextClassifier, make_fast, predict_texts
from sentiment.modeling.model_files import load_model
from sentiment.modeling.pipeline import (
    TEXT_COLUMN,
    find_encoder,
    find_separator,
    list_columns,
    predict_probabilities,
)
from sentiment.modeling.prediction_columns import (
    EncodedLabels,
    PredictionColumns,
    to_arrow,
    to_list,
)


class Predictor:
    """Predictions of a model for texts, with reasons if they are wanted.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    rule : DecisionRule, optional
        Chooses labels by probabilities; default: the most probable class.
    columns : PredictionColumns, optional
        What a prediction holds.
    path : Path, optional
        The file that `pipeline` was loaded from, which other processes can load, too.
    digest : str
        SHA-256 that a run of the user's own recorded of that file; empty for other files.

    Attributes
    ----------
    rule, columns, digest : DecisionRule, PredictionColumns, str
        As above.
    classifier : TextClassifier
        `pipeline`, or a faster one with its predictions; see `make_fast`.
    classes, labels : list of str
        The classes of the model, in the order of their probabilities, and what can be predicted.
    extra_columns, encoder : list of str, ColumnTransformer or None
        What the model reads beside the text, and its part that does.
    schema : Schema
        Names and types of the columns of a prediction.
    separator : str or None
        Between the labels of a set; None for a model of single labels.

    Raises
    ------
    UnexplainableModelError
        The model is not linear, and `columns` asks for explanations.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rule: DecisionRule | None = None,
        columns: PredictionColumns | None = None,
        *,
        path: Path | None = None,
        digest: str = "",
    ) -> None:
        self._pipeline, self.classifier = pipeline, make_fast(pipeline)
        self.extra_columns = [*list_columns(pipeline)]
        self.encoder = find_encoder(pipeline)
        self._path = path
        self.digest = digest
        self._explainers: list[RowExplainer] = []  # one for all that `vary` returns
        order = find_order(pipeline.classes_)
        # Models of scikit-learn sort labels as texts: 1, 10, 2.
        self._order = None if np.all(order[:-1] < order[1:]) else order
        self.classes = [str(label) for label in pipeline.classes_[order]]
        self.separator = find_separator(pipeline)
        self._set_up(rule or DecisionRule(), columns or PredictionColumns())

    def _set_up(self, rule: DecisionRule, columns: PredictionColumns) -> None:
        if self.separator is not None:
            rule = rule if isinstance(rule, LabelSetRule) else LabelSetRule(rule.threshold)
        self.rule, self.columns = rule, columns
        if columns.explain and not self._explainers:
            self._explainers.append(RowExplainer(self._pipeline))
        self._abstains = rule.least_confidence > 0
        self.labels = [*self.classes, UNSURE] if self._abstains else self.classes
        is_set = self.separator is not None
        self.schema = columns.list_fields(self.classes, may_abstain=self._abstains, is_set=is_set)
        if self.separator is not None:
            self.schema = self.schema.with_metadata({SEPARATOR: self.separator})
        self._names: list[str] = self.schema.names

    def vary(
        self, rule: DecisionRule | None = None, columns: PredictionColumns | None = None
    ) -> Self:
        """Return a predictor with the same model, and another rule or other columns."""
        varied = copy.copy(self)
        varied._set_up(rule or self.rule, columns or self.columns)
        return varied

    @property
    def is_linear(self) -> bool:
        """True if texts are scored without a feature matrix; see `LinearTextClassifier`."""
        return isinstance(self.classifier, LinearTextClassifier)

    @classmethod
    def load(
        cls,
        path: Path,
        rule: DecisionRule | None = None,
        columns: PredictionColumns | None = None,
        *,
        digest: str = "",
    ) -> Self:
        """Return a predictor with the model in the skops file `path`; see `load_model`."""
        return cls(load_model(path, digest), rule, columns, path=path, digest=digest)

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

    def predict(
        self, texts: pa.Array | pd.Series, columns: pa.Table | pd.DataFrame | None = None
    ) -> pa.RecordBatch:
        """Return the predictions for `texts`.

        Parameters
        ----------
        texts : array of str, of shape (n,)
            None is missing.
        columns : table of `n` rows
            Has the columns `extra_columns`, as texts.

        Returns
        -------
        RecordBatch of `n` rows
            The columns of `schema`: ``prediction``, as a dictionary of `labels`, and
            ``probability``, that of the predicted class or, where the rule abstains, of the class
            that it would predict; then what `columns` asks for. Of a model of label sets,
            ``prediction`` is a set, and ``probability`` that of all of it if its labels are
            independent.
        """
        frame = pd.DataFrame(
            {TEXT_COLUMN: texts if isinstance(texts, pd.Series) else texts.to_pandas()}
        )
        if self.extra_columns:
            given: Any = columns.to_pandas() if isinstance(columns, pa.Table) else columns
            frame = frame.join(given[self.extra_columns])
        if frame.empty:
            return pa.RecordBatch.from_pylist([], self.schema)
        found = self._predict(predict_probabilities(self.classifier, frame), frame)
        made = pa.RecordBatch.from_arrays([to_arrow(one) for one in found], names=self._names)
        return made.replace_schema_metadata(self.schema.metadata)

    def predict_few(
        self, texts: list[str], columns: pa.Table | pd.DataFrame | None = None
    ) -> dict[str, list[Any]]:
        """Return the predictions of `predict` for a few texts, in a fraction of the time.

        Parameters
        ----------
        texts : list of str, of length n
            The texts.
        columns : table of `n` rows
            As of `predict`.

        Returns
        -------
        dict of str to list
            The columns of `schema`.

        Examples
        --------
        >>> import sentiment
        >>> Predictor(sentiment.load().pipeline).predict_few(["a great film"])["prediction"]
        ['positive']
        """
        if self.extra_columns or self.columns.explain or not texts:
            rows = self.predict(pa.array(texts, pa.large_string()), columns)
            return dict(zip(self._names, map(list_values, rows.columns), strict=True))
        found = self._predict(predict_texts(self.classifier, texts))
        return dict(zip(self._names, map(to_list, found), strict=True))

    def explain(
        self, text: str, columns: Mapping[str, str | None], label: str | None = None
    ) -> TextExplanation:
        """Return which words of `text` speak for and against a label; see `explain_text`.

        Raises
        ------
        UnexplainableModelError
            The model is not linear.
        """
        if not self._explainers:
            self._explainers.append(RowExplainer(self._pipeline))
        return explain_text(
            self._pipeline, text, columns, label, self.rule, self._explainers[0], self.classifier
        )

    def _predict(
        self, probabilities: np.ndarray, frame: pd.DataFrame | None = None
    ) -> list["np.ndarray | pa.Array | EncodedLabels"]:
        """Return the columns of the predictions; `frame` has the rows if they are to be explained.

        No number depends on how many rows there are: sums are those of contiguous rows.
        """
        if self._order is None:
            probabilities = np.ascontiguousarray(probabilities)
        else:
            probabilities = probabilities.take(self._order, axis=1)
        every = [*probabilities.T] if self.columns.probabilities == "all" else []
        if isinstance(self.rule, LabelSetRule):
            return self._predict_sets(self.rule, probabilities, every, frame)
        if self._abstains:
            codes, confidence = self.rule.decide(probabilities)
            predicted = np.where(self.rule.is_sure(confidence), codes, len(self.classes))
        else:
            codes = predicted = self.rule.choose(probabilities)
        rows = np.arange(len(codes))
        found: list[Any] = [EncodedLabels(predicted, self.labels), probabilities[rows, codes]]
        if self._abstains:
            found.append(EncodedLabels(codes, self.classes))
        if self.columns.scale is not None:
            values = [self.columns.scale[label] for label in self.classes]
            found.append((probabilities * np.array(values)).sum(axis=1))
        if self.columns.top_k > 1:
            for others in _rank_others(probabilities, codes, self.columns.top_k - 1):
                found += [EncodedLabels(others, self.classes), probabilities[rows, others]]
        found += every
        if self.columns.explain and frame is not None:
            of_model = codes if self._order is None else self._order[codes]
            found += self._explainers[0].explain(frame, of_model)
        return found

    def _predict_sets(
        self, rule: LabelSetRule, probabilities: np.ndarray, every: list[np.ndarray],
        frame: pd.DataFrame | None,
    ) -> list[Any]:  # fmt: skip
        chosen = rule.choose(probabilities)
        sets = name_label_sets(chosen, np.array(self.classes), self.separator or "")
        predicted = sets
        if self._abstains:
            predicted = np.where(rule.is_sure(rule.measure(probabilities)), sets, UNSURE)
        found: list[Any] = [EncodedLabels.encode(predicted), measure_sets(chosen, probabilities)]
        if self._abstains:
            found.append(EncodedLabels.encode(sets))
        rows, most = np.arange(len(sets)), min(self.columns.top_k, len(self.classes))
        order = np.argsort(-probabilities, axis=1, kind="stable")
        for codes in order.T[:most] if most > 1 else ():
            found += [EncodedLabels(codes, self.classes), probabilities[rows, codes]]
        found += every
        if self.columns.explain and frame is not None:
            of_model = order[:, 0] if self._order is None else self._order[order[:, 0]]
            found += [EncodedLabels(order[:, 0], self.classes)]
            found += self._explainers[0].explain(frame, of_model)
        return found


def _rank_others(probabilities: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` most probable classes besides `codes`, shape (count, n)."""
    others = np.array(probabilities)
    others[np.arange(len(codes)), codes] = -1  # below all
    order: np.ndarray = np.argsort(-others, axis=1, kind="stable")[:, :-1]
    return order[:, :count].T


def read_columns(batch: Batch, predictor: Predictor) -> pa.Table | None:
    """Return the columns of `batch` that `predictor` reads beside the text, None for no columns."""
    names = predictor.extra_columns
    if not names:
        return None
    return pa.table({name: strip_values(batch.read_column(name)) for name in names})


def read_frame(
    texts: Iterable[str] | pd.DataFrame, extra_columns: Sequence[str], learned: str = ""
) -> pd.DataFrame | None:
    """Return the columns of a table that a model reads, None for texts alone.

    Parameters
    ----------
    texts : iterable of str, or DataFrame
        The texts, or a table with them and other columns.
    extra_columns : sequence of str
        What the model reads beside the text.
    learned : str
        The column that the model learned from; "" where that is not known.

    Raises
    ------
    SentimentError
        A table lacks a column.
    ValueError
        The model reads other columns, too, and `texts` is not a table.
    """
    if not isinstance(texts, pd.DataFrame):
        if extra_columns:
            raise ValueError(
                "texts are texts alone, and the model learned from other columns, too; expected a "
                f"DataFrame with the texts and {quote_list(extra_columns)}"
            )
        return None
    names, place = [str(name) for name in texts.columns], Path("texts")
    column = next((name for name in (learned, TEXT_COLUMN) if name in names), None)
    column = column or choose_text_column(place, names, None, learned).name
    check_extra_columns(place, names, extra_columns)
    table = texts.set_axis(names, axis=1).reset_index(drop=True)
    values = {name: read_values(table[name]) for name in extra_columns}
    return pd.DataFrame({TEXT_COLUMN: table[column]} | values)


class BatchScorer(ScorerSettings):
    """One process that scores a file batch by batch; see `ScorerSettings`."""

    def score(
        self, predictor: Predictor, batches: Iterable[Batch]
    ) -> Iterator[tuple[Batch, pa.RecordBatch]]:
        """Yield each batch and the predictions for its texts, in order."""
        for batch in batches:
            yield batch, predictor.predict(batch.texts, read_columns(batch, predictor))
