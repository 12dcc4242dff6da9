"""Terms that contribute most to the prediction for each text, and most against it."""

from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from sklearn.pipeline import Pipeline

from sentiment.errors import UnexplainableModelError
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.estimators.union import stack_columns
from sentiment.modeling.explanation import kernels
from sentiment.modeling.explanation.weights import (
    compare_rows,
    find_obstacle,
    find_parts,
    join_parts,
    merge_terms,
)
from sentiment.modeling.pipeline import (
    TEXT_COLUMN,
    find_separator,
    find_text_steps,
    list_columns,
)

_COUNT = 5
# Units of contributions.
LOG_ODDS, SCORE = "log-odds", "score"
# Limit of the shown contributions; larger ones also exceed the precision of a probability.
_LARGEST = 99.99


class RowExplainer:
    """Explainer of predictions by their strongest terms and other columns.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted; its model is linear.
    count : int
        Number of terms for a prediction, and number of terms against it.

    Attributes
    ----------
    parts : list of TermWeights
        The vectorizers, from left to right, and their weights.
    terms : ndarray of shape (n_terms,)
        All distinct terms of the model.
    places : ndarray of int, of shape (n_features,)
        The index in `terms` of each feature; parts of a union may share terms.
    weights : ndarray of shape (n_classes, n_features)
        Weights, as of `linear_weights`.
    unit : str
        ``log-odds`` for two classes and for the labels of sets. For more classes ``score``: the
        log-probability of a class minus the mean of the others, except that the weights of models
        with one classifier for each class are in log-odds against the rest.
    base : ndarray of shape (n_classes,)
        Log-odds or score of each class before any word or column.

    Raises
    ------
    UnexplainableModelError
        The model is not linear in terms.
    """

    def __init__(self, pipeline: Pipeline, count: int = _COUNT) -> None:
        self.parts = find_parts(pipeline)
        if not self.parts:
            raise UnexplainableModelError(name_inner(pipeline[-1]), find_obstacle(pipeline))
        terms, weights = join_parts(self.parts)
        self.terms, self.term_indices = merge_terms(terms)
        self.weights = np.ascontiguousarray(weights, dtype=float)
        self._strings = pa.array(self.terms, pa.large_string())
        self._is_set = find_separator(pipeline) is not None
        self.unit = LOG_ODDS if self._is_set or len(self.weights) == 2 else SCORE
        self._pipeline, self._count = pipeline, count

    @cached_property
    def base(self) -> np.ndarray:
        """Log-odds or scores before any word; cached, since many classes are slow to predict."""
        pipeline = self._pipeline
        missing = {name: [None] for name in list_columns(pipeline)}
        empty = pd.DataFrame({TEXT_COLUMN: [""], **missing}, dtype="str")
        width = pipeline[:-1].transform(empty).shape[1]
        p = pipeline[-1].predict_proba(sparse.csr_matrix((1, width)))[0]
        logs = _take_logs(p)
        base: np.ndarray = logs - _take_logs(1 - p) if self._is_set else compare_rows(logs)
        return base

    def measure(self, frame: pd.DataFrame) -> sparse.csr_matrix:
        """Return the columns of the vectorizers for the rows of `frame`, shape (n, n_features).

        A column times its weight is the contribution of the term.
        """
        texts = find_text_steps(self._pipeline)[:-1].transform(frame)
        blocks = [part.transform(frame if part.is_encoder else texts) for part in self.parts]
        return blocks[0] if len(blocks) == 1 else stack_columns(blocks)

    def explain(self, frame: pd.DataFrame, codes: np.ndarray) -> tuple[pa.Array, pa.Array]:
        """Return the terms that contribute most to the class of each text, and most against it.

        Parameters
        ----------
        frame : DataFrame
            Column ``text`` and the other columns that the model reads, `n` rows.
        codes : ndarray of int64, of shape (n,)
            The class of each row.

        Returns
        -------
        speaks_for, speaks_against : StringArray of shape (n,)
            Terms with their contributions, such as ``great +0.83; loved +0.52``.
        """
        features, weights = self.measure(frame), self.weights
        if len(self.terms) < len(self.term_indices):
            features, weights = self._merge(features, codes), np.ones((1, len(self.terms)))
            codes = np.zeros_like(codes)
        columns = np.empty((2, self._count, len(codes)), np.int64)
        values = np.empty(columns.shape)
        kernels.find_strongest(
            features.indptr, features.indices, features.data, weights, codes, columns, values
        )
        numbers = _NumberStrings(values)
        speaks_for, speaks_against = (
            self._describe(columns[sign], numbers, sign) for sign in range(2)
        )
        return speaks_for, speaks_against

    def _merge(self, features: sparse.csr_matrix, codes: np.ndarray) -> sparse.csr_matrix:
        """Return the contribution of each term to the class of each row, shape (n, n_terms)."""
        rows = np.repeat(codes, np.diff(features.indptr))
        contributions = features.data * self.weights[rows, features.indices]
        merged = sparse.csr_matrix(
            (contributions, self.term_indices[features.indices], features.indptr),
            shape=(len(codes), len(self.terms)),
        )
        merged.sum_duplicates()
        return merged

    def _describe(self, columns: np.ndarray, numbers: "_NumberStrings", sign: int) -> pa.Array:
        pieces = []
        for rank, column in enumerate(columns):
            indices = pa.array(np.maximum(column, 0), mask=column < 0)
            terms = self._strings.take(indices).cast(pa.string())
            piece = pc.binary_join_element_wise(terms, " ", numbers.get(sign, rank), "; ", "")
            pieces.append(piece.fill_null(""))
        return pc.utf8_rtrim(pc.binary_join_element_wise(*pieces, ""), "; ")


def _take_logs(probabilities: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.maximum(probabilities, np.finfo(float).tiny))
    return logs


class _NumberStrings:
    """Strings of numbers with two decimals, each formatted once.

    Parameters
    ----------
    values : ndarray of float64, of shape (2, k, n)
        From `find_strongest`.
    """

    def __init__(self, values: np.ndarray) -> None:
        hundredths = np.rint(100 * np.clip(values, -_LARGEST, _LARGEST)).astype(np.int64)
        low, high = int(hundredths.min(initial=0)), int(hundredths.max(initial=0))
        self._indices = hundredths - low
        self._strings = pa.array([f"{n / 100:+.2f}" for n in range(low, high + 1)])

    def get(self, sign: int, rank: int) -> pa.Array:
        """Return the strings of one rank of one sign, shape (n,)."""
        return self._strings.take(pa.array(self._indices[sign, rank]))
