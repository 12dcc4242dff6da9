"""Pipelines of features and a model, which take frames of texts."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn import pipeline as sklearn_pipeline
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from sentiment.config.project import find_user_code_location
from sentiment.data.columns import Column
from sentiment.data.label_sets import tabulate_label_sets
from sentiment.errors import FitError, SentimentError
from sentiment.modeling.adapting import adapt_classifier, adapt_features, takes_positive_only
from sentiment.modeling.class_weights import check_named_weights
from sentiment.modeling.columns import list_kinds, make_encoder
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.estimators.label_set_chain import LabelSetChain
from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.modeling.estimators.self_training import UNKNOWN, UNLABELLED, SelfTrainingClassifier
from sentiment.modeling.estimators.union import FeatureUnion
from sentiment.modeling.fit_warnings import abridge_fits, watching_fit
from sentiment.ngrams.cleaning import CleanedTexts, Cleaner
from sentiment.ngrams.vectorizers import CountVectorizer

log = logging.getLogger(__name__)

TEXT_COLUMN = "text"
STEPS = ["text", "clean", "features", "model"]
# Steps of a pipeline that also learns from other columns, and the two parts of its features.
STEPS_WITH_COLUMNS = ["features", "model"]
_TEXT, _COLUMNS = "text", "columns"


class TextClassifier(Protocol):
    """Interface of a fitted pipeline and of faster stand-ins."""

    classes_: np.ndarray

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the label of each row."""

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of `classes_` for each row."""


def make_pipeline(features: Any, model: Any, separator: str | None = None) -> Pipeline:
    """Return the pipeline ``text -> clean -> features -> model``.

    Parameters
    ----------
    features : transformer
        From an iterable of str to a matrix, such as a `TfidfVectorizer`.
    model : classifier
        Without ``predict_proba``, its margins are calibrated by cross-validation on the training
        rows. Estimators that need dense rows get them, up to a size; see `DenseInput`.
    separator : str, optional
        Between the labels of a row that may have several; see `LabelSetClassifier`.

    Returns
    -------
    Pipeline
        Its input is a frame with a column ``text``. The first step selects that column, since a
        vectorizer that is passed a frame silently reads the column names as texts.

    Raises
    ------
    ConfigError
        The features take no texts, or the model cannot classify them.
    """
    classifier = _make_classifier(model, separator)
    return Pipeline(
        [
            ("text", FunctionTransformer(itemgetter(TEXT_COLUMN))),
            ("clean", Cleaner()),
            ("features", adapt_features(features)),
            ("model", classifier),
        ]
    )


def join_columns(pipeline: Pipeline, columns: Sequence[Column]) -> Pipeline:
    """Return a pipeline that learns from the text and from `columns`.

    Parameters
    ----------
    pipeline : Pipeline
        From `make_pipeline`, not fitted.
    columns : sequence of Column
        If empty, `pipeline` itself is returned.

    Returns
    -------
    Pipeline
        ``features -> model``, whose features are a union of ``text``, which is `pipeline` without
        its model, and ``columns``, from `make_encoder`.
    """
    if not columns:
        return pipeline
    model = pipeline["model"]
    encoder = make_encoder(columns, positive=takes_positive_only(model))
    features = FeatureUnion([(_TEXT, pipeline[:-1]), (_COLUMNS, encoder)])
    return Pipeline([("features", features), ("model", model)])


def find_encoder(pipeline: Pipeline) -> ColumnTransformer | None:
    """Return the part of `pipeline` that reads other columns than the text, None without it."""
    if [name for name, _ in pipeline.steps] != STEPS_WITH_COLUMNS:
        return None
    encoder: ColumnTransformer = dict(pipeline["features"].transformer_list)[_COLUMNS]
    return encoder


def list_columns(pipeline: Pipeline) -> dict[str, str]:
    """Return the columns beside the text that `pipeline` reads, and the kind of each."""
    encoder = find_encoder(pipeline)
    return {} if encoder is None else list_kinds(encoder)


def find_text_steps(pipeline: Pipeline) -> Pipeline:
    """Return the steps ``text -> clean -> features`` of `pipeline`."""
    if find_encoder(pipeline) is None:
        return pipeline[:-1]
    steps: Pipeline = dict(pipeline["features"].transformer_list)[_TEXT]
    return steps


def _select_inputs(pipeline: Pipeline, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `frame` that `pipeline` reads."""
    return frame[[TEXT_COLUMN, *list_columns(pipeline)]]


def _make_classifier(model: Any, separator: str | None) -> Any:
    if separator is None:
        return adapt_classifier(model)
    if type(model) is ClassifierChain:
        chain = LabelSetChain.from_chain(model, separator)
        check_named_weights(chain)
        return chain.set_params(estimator=adapt_classifier(chain.estimator))
    return LabelSetClassifier(adapt_classifier(model, multilabel=True), separator=separator)


def list_vectorizers(features: Any) -> Iterator[Any]:
    """Yield the transformers in `features` that read texts, from left to right.

    Parameters
    ----------
    features : transformer
        A vectorizer, or a union or pipeline that begins with vectorizers.
    """
    if isinstance(features, Pipeline):
        yield from list_vectorizers(features.steps[0][1])
    elif isinstance(features, sklearn_pipeline.FeatureUnion):
        for _, part in features.transformer_list:
            yield from list_vectorizers(part)
    elif features != "drop":
        yield features


def precompute_counts(pipeline: Pipeline, texts: pd.Series) -> None:
    """Count `texts` in the count cache of each vectorizer that has one, for fits on subsets."""
    for vectorizer in list_vectorizers(find_text_steps(pipeline)["features"]):
        if isinstance(vectorizer, CountVectorizer):
            vectorizer.precompute_counts(CleanedTexts(texts))


def fit(pipeline: Pipeline, frame: pd.DataFrame, unlabelled: pd.Series | None = None) -> Pipeline:
    """Fit `pipeline` on `frame`, which has ``text`` and ``label``, and return it.

    If it reads other columns, too, `frame` has them.

    Parameters
    ----------
    pipeline : Pipeline
        From `make_pipeline` or `join_columns`.
    frame : DataFrame
        Rows to learn from.
    unlabelled : Series of str, optional
        Texts without a label. Features that need no labels also learn their vocabulary and weights
        from these; of the models, only a `SelfTrainingClassifier` does.

    Raises
    ------
    FitError
        scikit-learn rejects the data or a setting.
    """
    with estimator_failures("fit"), watching_fit():
        separator = find_separator(pipeline)
        labels: Any = frame["label"].to_numpy(dtype=str)
        if separator is not None:  # indicators, as in scikit-learn, but with names
            labels = tabulate_label_sets(labels, separator)
        if unlabelled is None or unlabelled.empty:
            return pipeline.fit(_select_inputs(pipeline, frame), labels)
        return _fit_with_unlabelled(pipeline, frame[[TEXT_COLUMN]], labels, unlabelled)


def _fit_with_unlabelled(
    pipeline: Pipeline, frame: pd.DataFrame, labels: Any, unlabelled: pd.Series
) -> Pipeline:
    features, model = pipeline[:-1], pipeline[-1]
    texts = pd.concat([frame, unlabelled.to_frame(TEXT_COLUMN)], ignore_index=True)
    if any(_needs_labels(step) for step in walk_steps(features)):
        rows = features.fit(frame, labels).transform(texts)
    else:
        rows = features.fit_transform(texts)
    if isinstance(model, LabelSetClassifier) and isinstance(
        model.estimator, SelfTrainingClassifier
    ):
        unknown = np.full((len(unlabelled), labels.shape[1]), UNKNOWN)
        truth = np.concatenate([labels.to_numpy(np.int64), unknown])
        model.fit(rows, pd.DataFrame(truth, columns=labels.columns))
    elif isinstance(model, SelfTrainingClassifier):
        model.fit(rows, np.concatenate([labels, np.full(len(unlabelled), UNLABELLED)]))
    else:
        model.fit(rows[: len(frame)], labels)
    return pipeline


def walk_steps(features: Any) -> Iterator[Any]:
    """Yield `features` and, if it is a union or a pipeline, all of its parts."""
    yield features
    if isinstance(features, Pipeline):
        for _, step in features.steps:
            yield from walk_steps(step)
    elif isinstance(features, sklearn_pipeline.FeatureUnion):
        for _, part in features.transformer_list:
            yield from walk_steps(part)


def _needs_labels(step: Any) -> bool:
    """Return whether a transformer learns from labels."""
    if isinstance(step, str) or step is None:
        return False
    if getattr(step, "log_count_ratio", False) or isinstance(step, SelectorMixin):
        return True
    is_composite = isinstance(step, Pipeline | sklearn_pipeline.FeatureUnion)
    return not is_composite and get_tags(step).target_tags.required


@contextmanager
def estimator_failures(action: str) -> Iterator[None]:
    """Raise `FitError` for an error of an estimator in the ``with`` block.

    Estimators raise any errors of their libraries, such as a TypeError for sparse rows, due to the
    settings and the data. An OSError has other causes.
    """
    try:
        yield
    except (SentimentError, OSError):
        raise
    except (Exception, SystemExit) as error:  # own code may call sys.exit
        # The message of a ValueError is meant for users; other errors need their class, too.
        text = ", ".join(
            arg.decode() if isinstance(arg, bytes) else str(arg)  # libsvm raises bytes
            for arg in error.args
        )
        reason = text if type(error) is ValueError else f"{type(error).__name__}: {text}"
        if "\nTraceback " in reason:  # all fits of a GridSearchCV failed
            reason = abridge_fits(reason)
        reason, *_ = reason.strip().split("\n")  # without scikit-learn's advice, or an array
        raise FitError(reason, action, find_user_code_location(error)) from error


def predict_probabilities(pipeline: TextClassifier, frame: pd.DataFrame) -> np.ndarray:
    """Return the probabilities of all classes for each row of `frame`, checked.

    Parameters
    ----------
    pipeline : Pipeline or TextClassifier
        Fitted, from `make_pipeline` or `join_columns`, or a faster stand-in.
    frame : DataFrame
        Column ``text`` of str and the other columns that `pipeline` reads, `n` rows.

    Returns
    -------
    probabilities : ndarray of shape (n, n_classes)
        In the order of ``pipeline.classes_``.

    Raises
    ------
    FitError
        A class of the user's returns invalid values, unlike the classes of scikit-learn.
    """
    probabilities = pipeline.predict_proba(frame.drop(columns="label", errors="ignore"))
    multilabel = find_separator(pipeline) is not None
    try:
        check_probabilities(probabilities, pipeline.classes_, len(frame), multilabel=multilabel)
    except ValueError as error:
        model = pipeline["model"] if isinstance(pipeline, Pipeline) else pipeline
        raise FitError(f"{name_inner(model)} is not as expected: {error}", "evaluate") from error
    return probabilities


def check_probabilities(probabilities: Any, classes: Any, rows: int, *, multilabel: bool) -> None:
    """Raise if predictions differ in form from those of scikit-learn.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_classes)
        Probabilities of each class in each row.
    classes : ndarray of shape (n_classes,)
        The attribute ``classes_`` of the model.
    rows : int
        Number of predicted rows.
    multilabel : bool
        True if a row may have several classes, so that probabilities do not sum to 1.

    Raises
    ------
    ValueError
        The classes are not sorted strings, or the values are not probabilities.
    """
    are_names = isinstance(classes, np.ndarray) and classes.dtype.kind == "U" and classes.ndim == 1
    if not are_names or len(classes) < 2 or not (classes[:-1] < classes[1:]).all():
        raise ValueError("its classes are not strings in order, as numpy.unique returns them")
    expected = (rows, len(classes))
    if not isinstance(probabilities, np.ndarray) or probabilities.shape != expected:
        returned = getattr(probabilities, "shape", type(probabilities).__name__)
        raise ValueError(
            f"it has {len(classes)} classes, and not a probability of each: predict_proba "
            f"returned {returned}; expected an array of shape {expected}"
        )
    # A sum of float32 may exceed 1 by this rounding error.
    if not ((probabilities >= 0) & (probabilities <= 1 + 1e-6)).all():
        raise ValueError("its probabilities are not all between 0 and 1")
    if not multilabel and not np.isclose(probabilities.sum(axis=1), 1).all():
        raise ValueError("its probabilities of the classes do not sum to 1")


def find_separator(pipeline: TextClassifier) -> str | None:
    """Return the separator of the labels of a row, None if `pipeline` predicts single labels."""
    model = pipeline["model"] if isinstance(pipeline, Pipeline) else pipeline
    separator: str | None = getattr(model, "separator", None)
    return separator
