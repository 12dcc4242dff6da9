"""Predictions of a trained model for texts and for batches of a file."""

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
    """Predictor of texts with a model, optionally with explanations.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    rule : DecisionRule, optional
        Chooses labels by probabilities; default: the most probable class.
    columns : PredictionColumns, optional
        Columns of a prediction; default: prediction and probability.
    path : Path, optional
        The file that `pipeline` was loaded from, so that other processes can load it.
    digest : str
        SHA-256 of that file as recorded by the user's own run; empty for other files.

    Attributes
    ----------
    rule, columns, digest : DecisionRule, PredictionColumns, str
        As above.
    classifier : TextClassifier
        `pipeline`, or a faster classifier with its predictions; see `make_fast`.
    classes, labels : list of str
        The classes of the model, in the order of their probabilities, and all possible predictions.
    extra_columns, encoder : list of str, ColumnTransformer or None
        Columns that the model reads beside the text, and the part of the model that reads them.
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
        self._explainers: list[RowExplainer] = []  # shared with the predictors that `vary` returns
        order = find_order(pipeline.classes_)
        # scikit-learn sorts labels as texts: 1, 10, 2.
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

    def replace_settings(
        self, rule: DecisionRule | None = None, columns: PredictionColumns | None = None
    ) -> Self:
        """Return a predictor with the same model, but another rule or other columns."""
        variant = copy.copy(self)
        variant._set_up(rule or self.rule, columns or self.columns)
        return variant

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
            The model was not loaded from a file.
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
            Columns `extra_columns`, as texts.

        Returns
        -------
        RecordBatch of `n` rows
            The columns of `schema`: ``prediction``, dictionary-encoded, and ``probability``, that
            of the predicted class or, if the rule abstains, of the most probable class; then the
            other columns of `columns`. For label sets, ``prediction`` is a set, and
            ``probability`` is that of the set if its labels are independent.
        """
        frame = pd.DataFrame(
            {TEXT_COLUMN: texts if isinstance(texts, pd.Series) else texts.to_pandas()}
        )
        if self.extra_columns:
            extra: Any = columns.to_pandas() if isinstance(columns, pa.Table) else columns
            frame = frame.join(extra[self.extra_columns])
        if frame.empty:
            return pa.RecordBatch.from_pylist([], self.schema)
        arrays = self._predict(predict_probabilities(self.classifier, frame), frame)
        batch = pa.RecordBatch.from_arrays([*map(to_arrow, arrays)], names=self._names)
        return batch.replace_schema_metadata(self.schema.metadata)

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
        arrays = self._predict(predict_texts(self.classifier, texts))
        return dict(zip(self._names, map(to_list, arrays), strict=True))

    def explain(
        self, text: str, columns: Mapping[str, str | None], label: str | None = None
    ) -> TextExplanation:
        """Return the contributions of the words of `text` to a label; see `explain_text`.

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
        """Return the columns of the predictions; `frame` has the rows for explanations.

        Values do not depend on the number of rows, since sums are over contiguous rows.
        """
        if self._order is None:
            probabilities = np.ascontiguousarray(probabilities)
        else:
            probabilities = probabilities.take(self._order, axis=1)
        all_probabilities = [*probabilities.T] if self.columns.probabilities == "all" else []
        if isinstance(self.rule, LabelSetRule):
            return self._predict_sets(self.rule, probabilities, all_probabilities, frame)
        if self._abstains:
            codes, confidence = self.rule.decide(probabilities)
            predicted = np.where(self.rule.is_sure(confidence), codes, len(self.classes))
        else:
            codes = predicted = self.rule.choose(probabilities)
        rows = np.arange(len(codes))
        arrays: list[Any] = [EncodedLabels(predicted, self.labels), probabilities[rows, codes]]
        if self._abstains:
            arrays.append(EncodedLabels(codes, self.classes))
        if self.columns.scale is not None:
            values = [self.columns.scale[label] for label in self.classes]
            arrays.append((probabilities * np.array(values)).sum(axis=1))
        if self.columns.top_k > 1:
            for next_codes in _rank_others(probabilities, codes, self.columns.top_k - 1):
                arrays += [EncodedLabels(next_codes, self.classes), probabilities[rows, next_codes]]
        arrays += all_probabilities
        if self.columns.explain and frame is not None:
            model_codes = codes if self._order is None else self._order[codes]
            arrays += self._explainers[0].explain(frame, model_codes)
        return arrays

    def _predict_sets(
        self, rule: LabelSetRule, probabilities: np.ndarray, all_probabilities: list[np.ndarray],
        frame: pd.DataFrame | None,
    ) -> list[Any]:  # fmt: skip
        indicators = rule.choose(probabilities)
        sets = name_label_sets(indicators, np.array(self.classes), self.separator or "")
        predicted = sets
        if self._abstains:
            predicted = np.where(rule.is_sure(rule.measure(probabilities)), sets, UNSURE)
        arrays: list[Any] = [
            EncodedLabels.encode(predicted),
            measure_sets(indicators, probabilities),
        ]
        if self._abstains:
            arrays.append(EncodedLabels.encode(sets))
        rows, count = np.arange(len(sets)), min(self.columns.top_k, len(self.classes))
        order = np.argsort(-probabilities, axis=1, kind="stable")
        for codes in order.T[:count] if count > 1 else ():
            arrays += [EncodedLabels(codes, self.classes), probabilities[rows, codes]]
        arrays += all_probabilities
        if self.columns.explain and frame is not None:
            model_codes = order[:, 0] if self._order is None else self._order[order[:, 0]]
            arrays += [EncodedLabels(order[:, 0], self.classes)]
            arrays += self._explainers[0].explain(frame, model_codes)
        return arrays


def _rank_others(probabilities: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` most probable classes except `codes`, shape (count, n)."""
    remaining = np.array(probabilities)
    remaining[np.arange(len(codes)), codes] = -1  # below all
    order: np.ndarray = np.argsort(-remaining, axis=1, kind="stable")[:, :-1]
    return order[:, :count].T


def read_columns(batch: Batch, predictor: Predictor) -> pa.Table | None:
    """Return the columns of `batch` that `predictor` reads beside the text, None for no columns."""
    names = predictor.extra_columns
    if not names:
        return None
    return pa.table({name: strip_values(batch.read_column(name)) for name in names})


def read_frame(
    texts: Iterable[str] | pd.DataFrame, extra_columns: Sequence[str], trained_column: str = ""
) -> pd.DataFrame | None:
    """Return the columns of a table that a model reads, None for texts without a table.

    Parameters
    ----------
    texts : iterable of str, or DataFrame
        The texts, or a table with them and other columns.
    extra_columns : sequence of str
        Columns that the model reads beside the text.
    trained_column : str
        Name of the text column in training; "" if it is not known.

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
    names, source = [str(name) for name in texts.columns], Path("texts")
    column = next((name for name in (trained_column, TEXT_COLUMN) if name in names), None)
    column = column or choose_text_column(source, names, None, trained_column).name
    check_extra_columns(source, names, extra_columns)
    table = texts.set_axis(names, axis=1).reset_index(drop=True)
    values = {name: read_values(table[name]) for name in extra_columns}
    return pd.DataFrame({TEXT_COLUMN: table[column]} | values)


class BatchScorer(ScorerSettings):
    """Scorer of a file in one process, batch by batch; see `ScorerSettings`."""

    def score(
        self, predictor: Predictor, batches: Iterable[Batch]
    ) -> Iterator[tuple[Batch, pa.RecordBatch]]:
        """Yield each batch and the predictions for its texts, in order."""
        for batch in batches:
            yield batch, predictor.predict(batch.texts, read_columns(batch, predictor))
