"""Reference profile of a data set, stored with the run for monitoring.

It describes the validation rows, since a model is more confident on its training rows than on other
rows.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.pipeline import Pipeline

from sentiment.data.labels import find_order
from sentiment.data.quality import QualityReport
from sentiment.errors import LISTED, ConfigError, ReferenceMissingError, quote_list
from sentiment.modeling.decision_rules import UNSURE, DecisionRule, LabelSetRule
from sentiment.modeling.descriptors import TextReader, find_tokenization
from sentiment.modeling.estimators.label_sets import measure_sets, name_label_sets
from sentiment.modeling.pipeline import list_columns
from sentiment.modeling.predictions import LabelSetPredictions, Predictions

# Name of the folder in a run.
FOLDER = "reference"
# Prefix of the names of other columns than the text.
COLUMN = "column:"
# With 5,000 rows, the standard error of a mean is only 1.4 % of the standard deviation.
MOST_ROWS = 5_000
MOST_TERMS = 4_000
_ROWS, _TERMS, _FACTS = "rows.parquet", "terms.parquet", b"sentiment"
_PROBABILITIES = "probabilities.parquet"


@dataclass(frozen=True)
class Reference:
    """Statistics of rows that a model was not trained on.

    Attributes
    ----------
    rows : DataFrame
        The descriptors of each row, its ``prediction``, ``probability`` and true ``label``, and
        the texts of `columns`, under names such as ``column:price``.
    terms : Series of int
        Document frequencies of the most frequent words in these rows, by word.
    classes : list of str
        Labels that the model can predict.
    words : int
        Number of distinct words in the rows.
    source : dict of str to int
        Counts of the raw data set: ``rows``, and ``empty`` or ``repeated`` rows.
    columns : dict of str to str
        The columns that the model reads beside the text, and the kind of each.
    probabilities : ndarray of float, of shape (n, n_classes), optional
        Probabilities of all classes, in the order of `classes`; not needed for two classes.
    separator : str, optional
        Between the labels of a set, if predictions are label sets.
    """

    rows: pd.DataFrame
    terms: pd.Series
    classes: list[str]
    words: int
    source: dict[str, int]
    columns: dict[str, str] = field(default_factory=dict)
    probabilities: np.ndarray | None = None
    separator: str | None = None

    def count_terms(self, terms: pd.Index) -> np.ndarray:
        """Return the document frequency of each of `terms`.

        For a term that is not in the reference, it is the frequency of the rarest term, an upper
        bound.
        """
        rarest = int(self.terms.min()) if len(self.terms) < self.words else 0
        counts: np.ndarray = self.terms.reindex(terms, fill_value=rarest).to_numpy()
        return counts

    def with_rule(self, rule: DecisionRule) -> "Reference":
        """Return the reference with the predictions of `rule` from its probabilities.

        Raises
        ------
        ConfigError
            The rule needs the probabilities of all classes, which an earlier version did not store,
            or it is that of a model with other labels.
        """
        values = rule.thresholds if isinstance(rule, LabelSetRule) else rule.factors
        if isinstance(rule, LabelSetRule) == (self.separator is None) or len(values) not in (
            0,
            len(self.classes),
        ):
            raise ConfigError(
                [
                    "the predictions were made by the rule of a model with other labels than "
                    f"{quote_list(self.classes, LISTED)}. Name the run that made them with "
                    "run=<id>."
                ]
            )
        if isinstance(rule, LabelSetRule):
            return self._with_set_rule(rule)
        if rule == DecisionRule():
            return self
        names = np.array(self.classes)
        codes = pd.Index(self.classes).get_indexer(pd.Index(self.rows["prediction"]))
        probability = confidence = self.rows["probability"].to_numpy()
        if len(names) == 2:
            second = np.where(codes == 1, probability, 1 - probability)
            table = np.column_stack([1 - second, second])
            codes, confidence = rule.decide(table)
            probability = table[np.arange(len(codes)), codes]
        elif rule.factors:  # of more than two classes, only factors change predictions
            order = find_order(names)
            table = self._get_probabilities()[:, order]
            codes, confidence = rule.decide(table)
            probability, codes = table[np.arange(len(codes)), codes], order[codes]
        is_sure = rule.is_sure(confidence)
        rows = self.rows.assign(
            prediction=np.where(is_sure, names[codes], UNSURE), probability=probability
        )
        unsure = [UNSURE] if rule.least_confidence > 0 else []
        return replace(self, rows=rows, classes=[*self.classes, *unsure])

    def _with_set_rule(self, rule: LabelSetRule) -> "Reference":
        table = self._get_probabilities()
        indicators = rule.choose(table)
        sets = name_label_sets(indicators, np.array(self.classes), self.separator or "")
        rows = self.rows.assign(
            prediction=np.where(rule.is_sure(rule.measure(table)), sets, UNSURE),
            probability=measure_sets(indicators, table),
        )
        unsure = [UNSURE] if rule.least_confidence > 0 else []
        return replace(self, rows=rows, classes=[*self.classes, *unsure])

    def _get_probabilities(self) -> np.ndarray:
        if self.probabilities is None:
            raise ConfigError(
                [
                    "the run of the model, which an earlier version trained, lacks the "
                    "probabilities of all labels that these predictions are compared with. Train "
                    "it again; if each row has one label, deploy.threshold=0.5 needs none of them."
                ]
            )
        return self.probabilities

    def save(self, folder: Path) -> list[Path]:
        """Write two or three small files into a new `folder`; return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        names = ("classes", "words", "source", "columns", "separator")
        facts = {name: getattr(self, name) for name in names}
        rows = pa.Table.from_pandas(self.rows, preserve_index=False)
        metadata = {**(rows.schema.metadata or {}), _FACTS: json.dumps(facts)}
        pq.write_table(rows.replace_schema_metadata(metadata), folder / _ROWS, compression="zstd")
        terms = pa.table({"term": self.terms.index.astype(str), "rows": self.terms.to_numpy()})
        pq.write_table(terms, folder / _TERMS, compression="zstd")
        if self.probabilities is None:
            return [folder / _ROWS, folder / _TERMS]
        numbers = pa.table(dict(zip(self.classes, self.probabilities.T, strict=True)))
        pq.write_table(numbers, folder / _PROBABILITIES, compression="zstd")
        return [folder / _ROWS, folder / _TERMS, folder / _PROBABILITIES]


def make_reference(
    pipeline: Pipeline,
    texts: pd.Series,
    predictions: Predictions,
    report: QualityReport,
    seed: int,
    columns: pd.DataFrame | None = None,
) -> Reference:
    """Return the statistics of validation rows, or of a sample of them.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted on other rows.
    texts : Series of str, of shape (n,)
        The texts of the validation rows.
    predictions : Predictions
        True labels of these rows, and the predictions of `pipeline`.
    report : QualityReport
        Quality report of the data set.
    seed : int
        Seed of the sample, which is drawn if there are more than `MOST_ROWS` rows.
    columns : DataFrame, optional
        Other columns that `pipeline` reads.
    """
    sample = np.arange(len(texts))
    if len(sample) > MOST_ROWS:
        sample = np.sort(np.random.default_rng(seed).choice(sample, MOST_ROWS, replace=False))
    reader = TextReader(find_tokenization(pipeline))
    rows = reader.describe(texts.iloc[sample].reset_index(drop=True))
    # Not rounded, since rounding could move many equal rows across the threshold of abstention.
    probabilities = predictions.probabilities[sample]
    probability = probabilities.max(axis=1)
    if isinstance(predictions, LabelSetPredictions):
        probability = measure_sets(predictions.predicted_truth[sample], probabilities)
    rows = rows.assign(
        prediction=predictions.predicted[sample].astype(str),
        probability=probability.astype(np.float32),
        label=predictions.labels[sample].astype(str),
    )
    kinds = list_columns(pipeline)
    if columns is not None:
        values = columns.iloc[sample].reset_index(drop=True)
        rows = rows.assign(**{f"{COLUMN}{name}": values[name] for name in kinds})
    return Reference(
        rows=rows,
        columns=kinds,
        separator=predictions.separator,
        probabilities=None if predictions.has_second else probabilities,
        terms=reader.list_terms(MOST_TERMS),
        classes=[str(name) for name in predictions.classes],
        words=reader.count_words(),
        source={
            "rows": report.rows - report.without_label,
            "empty": report.missing_text + report.empty_text,
            "repeated": report.duplicates,
        },
    )


def load_reference(folder: Path, owner: str) -> Reference:
    """Return the reference in `folder` of the run or model `owner`.

    Raises
    ------
    ReferenceMissingError
        There is no reference.
    """
    try:
        rows, terms = (_read_table(folder / name) for name in (_ROWS, _TERMS))
    except FileNotFoundError as error:
        raise ReferenceMissingError(owner) from error
    facts = json.loads(rows.schema.metadata[_FACTS])
    frequencies = terms.to_pandas()
    path, probabilities = folder / _PROBABILITIES, None
    if path.exists():
        probabilities = _read_table(path).to_pandas()[facts["classes"]].to_numpy()
    return Reference(
        rows=rows.to_pandas(),
        terms=pd.Series(frequencies["rows"].to_numpy(), frequencies["term"].astype(str)),
        probabilities=probabilities,
        **facts,
    )


def _read_table(path: Path) -> pa.Table:
    """Return the table in a file; ``pq.read_table`` would import 15 MB of code for data sets."""
    with pq.ParquetFile(path) as file:
        return file.read()
