"""Folding of linear steps: weights of a linear model for the columns of its vectorizers."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from sentiment.modeling.columns import name_features
from sentiment.modeling.estimators.dense import DenseInput
from sentiment.modeling.estimators.self_training import SelfTrainingClassifier
from sentiment.modeling.pipeline import find_encoder, find_text_steps


@dataclass(frozen=True, eq=False)
class TermWeights:
    """Weights of the columns of one vectorizer, or of an encoder of columns beside the text.

    Attributes
    ----------
    vectorizer : transformer
        Transforms texts to a matrix; an encoder transforms frames.
    factor : float
        Weight of the vectorizer in a union.
    weights : ndarray of shape (n, n_columns)
        Weights of the columns of the matrix.
    cleaners : tuple of transformer
        Steps before the vectorizer, which transform texts to texts.
    """

    vectorizer: Any
    factor: float
    weights: np.ndarray
    cleaners: tuple[Any, ...] = ()

    def without(self, count: int) -> "TermWeights":
        """Return a copy without the first `count` cleaners."""
        return replace(self, cleaners=self.cleaners[count:])

    @property
    def is_encoder(self) -> bool:
        """True if it transforms frames instead of texts."""
        return isinstance(self.vectorizer, ColumnTransformer)

    def name_features(self) -> np.ndarray:
        """Return the names of the columns, shape (n_columns,)."""
        if self.is_encoder:
            return name_features(self.vectorizer)
        names: np.ndarray = self.vectorizer.get_feature_names_out()
        return names

    def transform(self, texts: Any) -> sparse.csr_matrix:
        """Return the matrix of texts times `factor`, shape (n_texts, n_columns)."""
        for cleaner in self.cleaners:
            texts = cleaner.transform(texts)
        matrix = sparse.csr_matrix(self.vectorizer.transform(texts))
        return matrix if self.factor == 1 else matrix * self.factor


def split_pipeline(pipeline: Pipeline) -> tuple[Pipeline, Any]:
    """Return the feature steps and the classifier of a fitted `pipeline`.

    If it also reads other columns than the text, the first step is a union that transforms frames.
    Transformers inside of the model are among the feature steps; a grid search is replaced by its
    best estimator.
    """
    first = 2 if find_encoder(pipeline) is None else 0
    steps, model = list(pipeline.steps[first:-1]), pipeline.steps[-1][1]
    while True:
        if isinstance(model, Pipeline):
            steps += model.steps[:-1]
            model = model.steps[-1][1]
        elif (inner := _unwrap(model)) is not model:
            model = inner
        else:
            return Pipeline(steps), model


def fold_pipeline(pipeline: Pipeline, features: Any, weights: np.ndarray) -> list[TermWeights]:
    """Return the folded weights of a pipeline; see `_fold_weights`.

    The steps that select and clean the texts of a frame are left out.
    """
    folded = _fold_weights(features, weights)
    if find_encoder(pipeline) is None:
        return folded
    text_steps = len(find_text_steps(pipeline).steps) - 1
    return [part if part.is_encoder else part.without(text_steps) for part in folded]


def _fold_weights(features: Any, weights: np.ndarray, factor: float = 1.0) -> list[TermWeights]:
    """Return ``features.transform(texts) @ weights.T`` as a sum over vectorizers.

    Parameters
    ----------
    features : transformer
        A fitted vectorizer, a union or a pipeline that begins with one.
    weights : ndarray of shape (n, n_features)
        Weights of the features.
    factor : float
        Factor of the features.

    Returns
    -------
    list of TermWeights
        One for each vectorizer; empty if a step is not linear or unknown.
    """
    if isinstance(features, Pipeline):
        steps = [step for _, step in features.steps]
        while len(steps) > 1 and not _reads_texts(steps[-1]):
            input_weights = _pull_back(_unwrap(steps.pop()), weights)
            if input_weights is None:
                return []
            weights = input_weights
        *cleaners, last = steps
        folded = _fold_weights(last, weights, factor)
        return [replace(part, cleaners=(*cleaners, *part.cleaners)) for part in folded]
    if not isinstance(features, FeatureUnion):
        is_known = _count_columns(features) == weights.shape[1] > 0
        return [TermWeights(features, factor, weights)] if is_known else []
    folded = []
    factors, start = features.transformer_weights or {}, 0
    for name, part in features.transformer_list:
        if part == "drop":
            continue
        width = _count_columns(part)
        if not width:
            return []
        end = start + width
        part_weights = _fold_weights(part, weights[:, start:end], factor * factors.get(name, 1.0))
        if not part_weights:
            return []
        folded += part_weights
        start = end
    return folded if start == weights.shape[1] else []


def _reads_texts(step: Any) -> bool:
    """Return whether a step begins with a vectorizer; the steps before it clean texts."""
    if isinstance(step, Pipeline):
        return any(_reads_texts(inner) for _, inner in step.steps)
    if isinstance(step, FeatureUnion):
        return any(_reads_texts(part) for _, part in step.transformer_list)
    return hasattr(step, "vocabulary_") or isinstance(step, HashingVectorizer)


def _unwrap(estimator: Any) -> Any:
    """Return the fitted estimator inside of a wrapper that only passes rows to it."""
    for kind, name in (
        (DenseInput, "estimator_"),
        (SelfTrainingClassifier, "estimator_"),
        (object, "best_estimator_"),
    ):
        if isinstance(estimator, kind) and hasattr(estimator, name):
            return getattr(estimator, name)
    return estimator


def _pull_back(step: Any, weights: np.ndarray) -> np.ndarray | None:
    """Return the weights of the inputs of a linear `step`, given those of its outputs."""
    if step is None or step == "passthrough":
        return weights
    if hasattr(step, "get_support"):  # a selection of features
        is_selected = step.get_support()
        input_weights = np.zeros((len(weights), len(is_selected)))
        input_weights[:, is_selected] = weights
        return input_weights
    if type(step) is TruncatedSVD:
        product: np.ndarray = weights @ step.components_
        return product
    if type(step) is TfidfTransformer and step.norm is None and not step.sublinear_tf:
        return weights * step.idf_ if step.use_idf else weights
    if type(step) is MaxAbsScaler or (type(step) is StandardScaler and not step.with_mean):
        return weights if step.scale_ is None else weights / step.scale_
    return None


def _count_columns(transformer: Any) -> int:
    """Return the number of features of a fitted transformer, 0 if unknown."""
    steps = (
        [step for _, step in transformer.steps]
        if isinstance(transformer, Pipeline)
        else [transformer]
    )
    for step in map(_unwrap, reversed(steps)):
        if isinstance(step, Pipeline):
            return _count_columns(step)
        if hasattr(step, "get_support"):
            return int(step.get_support().sum())
        if hasattr(step, "components_"):
            return len(step.components_)
        if isinstance(step, ColumnTransformer):
            return len(name_features(step))
        if hasattr(step, "vocabulary_"):
            return len(step.vocabulary_)
        if isinstance(step, FeatureUnion):
            parts = [
                transformer for _, transformer in step.transformer_list if transformer != "drop"
            ]
            return sum(map(_count_columns, parts))
    return 0
