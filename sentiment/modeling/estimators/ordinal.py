"""Logistic regression of ordered classes."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn import linear_model
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from sentiment.errors import LISTED, quote_list


class OrdinalClassifier(ClassifierMixin, BaseEstimator):
    """Adjacent-category logistic regression, for classes on a scale such as stars.

    All classes share one vector of weights: the log-odds of a class against the next lower one are
    ``X @ w`` times the distance of the two on the scale, plus an intercept (Agresti, 2010, Analysis
    of Ordinal Categorical Data). So it is a multinomial logistic regression whose weight vectors
    are multiples of each other; with two classes it is a logistic regression.

    Parameters
    ----------
    C : float, default=1.0
        Inverse of the regularization strength. Intercepts are not penalized.
    order : bool or list of str, default=True
        True or False for labels that are numbers, their values on the scale; or all labels from the
        lowest to the highest, at equal distances.
    class_weight : dict or "balanced", optional
        Weights of the classes.
    max_iter : int, default=500
        Maximum number of L-BFGS iterations.
    tol : float, default=1e-6
        The solver stops when the relative decrease of the loss is less than this.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted as scikit-learn sorts them.
    places_ : ndarray of shape (n_classes,)
        Values of the labels on the scale, one apart on average.
    coef_ : ndarray of shape (n_classes, n_features)
        Weights, or of shape (1, n_features) for two classes.
    intercept_ : ndarray of shape (n_classes,) or (1,)
        Intercepts.
    n_iter_ : int
        Number of iterations of the solver.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]])
    >>> model = OrdinalClassifier(C=10).fit(X, ["1", "1", "2", "2", "10", "10"])
    >>> [str(label) for label in model.predict([[0.0], [5.0]])]
    ['1', '10']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "order": ["boolean", list],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        C: float = 1.0,  # noqa: N803 - scikit-learn's name
        *,
        order: bool | Sequence[str] = True,
        class_weight: Any = None,
        max_iter: int = 500,
        tol: float = 1e-6,
    ) -> None:
        self.C = C
        self.order = order
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.

        Raises
        ------
        ValueError
            A label is not on the scale, or there is only one class.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"the data contain one class only: {self.classes_[0]!r}")
        self.places_ = scale = self._compute_scale()
        class_weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)
        cost = self.C * class_weights[codes] * _check_sample_weight(sample_weight, X)
        columns = sparse.csr_array(X).T.tocsr() if sparse.issparse(X) else X.T
        rows, width = np.arange(len(codes)), X.shape[1]

        def compute_loss(params: np.ndarray) -> tuple[float, np.ndarray]:
            weights, intercepts = params[:width], params[width:]
            margins = np.outer(X @ weights, scale) + intercepts
            logs = margins - logsumexp(margins, axis=1, keepdims=True)
            loss = weights @ weights / 2 - cost @ logs[rows, codes]
            slopes = np.exp(logs)
            slopes[rows, codes] -= 1
            slopes *= cost[:, None]
            return loss, np.concatenate([columns @ (slopes @ scale) + weights, slopes.sum(axis=0)])

        options = {"maxiter": self.max_iter, "ftol": self.tol, "gtol": 1e-8}
        start = np.zeros(width + len(scale))
        result = minimize(compute_loss, start, jac=True, method="L-BFGS-B", options=options)
        weights, intercepts = result.x[:width], result.x[width:]
        # As in scikit-learn's LogisticRegression, with the same warning if it has not converged.
        self.n_iter_ = int(_check_optimize_result("lbfgs", result, self.max_iter))
        self.coef_ = np.outer(scale, weights)
        self.intercept_ = intercepts - intercepts.mean()
        if len(scale) == 2:  # the weights of the second class, as in scikit-learn
            self.coef_ = self.coef_[[1]] - self.coef_[[0]]
            self.intercept_ = self.intercept_[[1]] - self.intercept_[[0]]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, shape (n_samples,)."""
        check_is_fitted(self)
        labels: np.ndarray = self.to_sklearn().predict(X)
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities, of shape (n_samples, n_classes), in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: np.ndarray = self.to_sklearn().predict_proba(X)
        return probabilities

    def to_sklearn(self) -> linear_model.LogisticRegression:
        """Return scikit-learn's own classifier with the same predictions, fitted if this one is."""
        model = linear_model.LogisticRegression(
            C=self.C, class_weight=self.class_weight, max_iter=self.max_iter
        )
        if hasattr(self, "coef_"):
            model.classes_, model.n_features_in_ = self.classes_, self.n_features_in_
            model.coef_, model.intercept_ = self.coef_, self.intercept_
            model.n_iter_ = np.array([self.n_iter_], dtype=np.int32)
        return model

    def _compute_scale(self) -> np.ndarray:
        labels = [str(label) for label in self.classes_]
        if isinstance(self.order, bool):
            try:
                values = np.array([float(label) for label in labels])
            except ValueError as error:
                raise ValueError(
                    f"labels of an ordinal model are numbers, or listed from the lowest to the "
                    f"highest, such as data.ordered=[bad,fair,good]: {error}"
                ) from error
        else:
            ranks = {str(label): rank for rank, label in enumerate(self.order)}
            missing = [label for label in labels if label not in ranks]
            if missing:
                raise ValueError(f"the order of the labels lacks {quote_list(missing, LISTED)}")
            values = np.array([float(ranks[label]) for label in labels])
        scale: np.ndarray = (values - values.mean()) / (np.ptp(values) / (len(values) - 1))
        return scale

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
