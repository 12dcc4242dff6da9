"""Wrapper for estimators that take dense rows only."""

from collections.abc import Callable
from copy import deepcopy
from numbers import Real
from operator import methodcaller
from typing import Any, ClassVar, Self, TypeVar, cast

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sentiment.errors import DenseRowsError

_Method = TypeVar("_Method", bound=Callable[..., Any])

# A quarter of the memory of a small machine; estimators make two or three copies of their rows.
MAX_MB = 1000.0
# After the fit, rows are made dense in parts of this size, so that memory stays constant.
_PART_MB = 32.0
_TO_DENSE = methodcaller("toarray")
# Classes that are wrapped around a model to adapt it.
_WRAPPERS = {"DenseInput", "CalibratedClassifierCV", "LabelCodes"}


def _delegated(method: _Method) -> _Method:
    """Make `method` available only if the inner estimator has a method of the same name."""
    name = method.__name__
    check = available_if(lambda self: hasattr(getattr(self, "estimator_", self.estimator), name))
    return cast("_Method", check(method))


class DenseInput(MetaEstimatorMixin, BaseEstimator):
    """Wrapper of an estimator that makes its rows dense, up to a size.

    Dense rows are passed on unchanged.

    Parameters
    ----------
    estimator : estimator
        Classifier or transformer that takes dense rows only.
    max_mb : float, default=1000
        Largest size, in MB, of the rows that it is fitted on. The estimator itself may take several
        times as much.

    Attributes
    ----------
    estimator_ : estimator
        Fitted clone of `estimator`.
    is_sparse_ : bool
        Whether the rows of the fit were sparse.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> rows = sparse.csr_matrix([[1.0, 0.0], [0.0, 1.0]])
    >>> DenseInput(GaussianNB()).fit(rows, ["a", "b"]).predict(rows).tolist()
    ['a', 'b']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods("fit")],
        "max_mb": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(self, estimator: Any, max_mb: float = MAX_MB) -> None:
        self.estimator = estimator
        self.max_mb = max_mb

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,), optional
            Labels.

        Raises
        ------
        DenseRowsError
            The rows are larger than `max_mb`; nothing was fitted.
        """
        self._validate_params()
        self.is_sparse_ = sparse.issparse(X)
        if self.is_sparse_:
            size = np.prod(X.shape, dtype=float) * X.dtype.itemsize / 1e6
            if size > self.max_mb:
                raise DenseRowsError(name_inner(self), X.shape[0], X.shape[1], size, self.max_mb)
        self.estimator_ = clone(self.estimator).fit(_make_dense(X), y)
        return self

    @property
    def classes_(self) -> np.ndarray:
        """Labels of a classifier, in sorted order."""
        classes: np.ndarray = self.estimator_.classes_
        return classes

    @property
    def n_features_in_(self) -> int:
        """Number of features."""
        return int(self.estimator_.n_features_in_)

    @_delegated
    def transform(self, X: Any) -> Any:
        """Return the transformed rows."""
        return self._apply("transform", X)

    @_delegated
    def predict(self, X: Any) -> np.ndarray:
        """Return the label of each row, of shape (n_samples,)."""
        return np.asarray(self._apply("predict", X))

    @_delegated
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities, of shape (n_samples, n_classes)."""
        probabilities: np.ndarray = self._apply("predict_proba", X)
        return probabilities

    @_delegated
    def decision_function(self, X: Any) -> np.ndarray:
        """Return the margins, of shape (n_samples,) or (n_samples, n_classes)."""
        return np.asarray(self._apply("decision_function", X))

    @_delegated
    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features that a transformer makes."""
        names: np.ndarray = self.estimator_.get_feature_names_out(input_features)
        return names

    def to_sklearn(self) -> Any:
        """Return the equivalent in plain scikit-learn, without a limit and not in parts."""
        fitted = hasattr(self, "estimator_")
        estimator = self.estimator_ if fitted else self.estimator
        return estimator if fitted and not self.is_sparse_ else make_dense_pipeline(estimator)

    def _apply(self, method: str, X: Any) -> Any:
        check_is_fitted(self)
        call = getattr(self.estimator_, method)
        if not sparse.issparse(X):
            return call(X)
        rows = max(1, int(_PART_MB * 1e6 / max(1, X.shape[1] * X.dtype.itemsize)))
        starts = range(0, X.shape[0] or 1, rows)
        results = [call(_make_dense(X[start : start + rows])) for start in starts]
        if len(results) == 1:
            return results[0]
        return (sparse.vstack if sparse.issparse(results[0]) else np.concatenate)(results)

    def __sklearn_tags__(self) -> Tags:
        tags = deepcopy(get_tags(self.estimator))
        tags.input_tags.sparse = True
        return tags


def make_dense_pipeline(estimator: Any) -> Pipeline:
    """Return a pipeline of scikit-learn's own that makes sparse rows dense for `estimator`."""
    to_dense = FunctionTransformer(_TO_DENSE, accept_sparse=True)
    return Pipeline([("dense", to_dense), ("estimator", estimator)])


def from_dense_pipeline(pipeline: Pipeline) -> DenseInput | None:
    """Return the `DenseInput` of a fitted `make_dense_pipeline`; None for any other pipeline."""
    match pipeline.steps:
        case [("dense", FunctionTransformer(func=methodcaller() as func)), ("estimator", inner)]:
            if repr(func) != repr(_TO_DENSE):
                return None
            wrapper = DenseInput(inner)
            wrapper.estimator_, wrapper.is_sparse_ = inner, True
            return wrapper
    return None


def name_inner(model: Any) -> str:
    """Return the class name of a model without the wrappers that adapt it."""
    while hasattr(model, "estimator") and type(model).__name__ in _WRAPPERS:
        model = model.estimator
    return type(model).__name__


def _make_dense(X: Any) -> Any:
    return X.toarray() if sparse.issparse(X) else X
