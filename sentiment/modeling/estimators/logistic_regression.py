"""Logistic regression with the solver that suits the data."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn import linear_model
from sklearn.base import clone
from sklearn.utils import check_array, check_random_state, compute_class_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from sentiment.modeling.estimators.coordinate_descent import (
    Descent,
    fit_classes,
    sum_duplicates,
    warn_if_not_converged,
)
from sentiment.modeling.estimators.label_descent import separate_labels
from sentiment.modeling.estimators.multinomial import fit_multinomial

_DUAL = {"solver": "liblinear", "dual": True}
# scikit-learn's defaults; `tol` has another meaning for lbfgs than for coordinate descent.
_LBFGS = {"solver": "lbfgs", "tol": 1e-4}
# `C="auto"` for two classes and for more, chosen by cross-validation (docs/benchmarks.md).
_BINARY_C, _MULTICLASS_C = 10.0, 20.0


class LogisticRegression(linear_model.LogisticRegression):
    """scikit-learn's logistic regression, whose solver and `C` may be ``"auto"``.

    With ``solver="auto"``, sparse rows are fitted by dual coordinate descent, which on text takes a
    fraction of the time of lbfgs and comes nearer to the optimum. Up to `tol`, the weights are
    those of liblinear for two classes, and those of the multinomial model for more. Dense rows, for
    which the descent is slow, and penalties other than L2 are left to lbfgs.

    Parameters
    ----------
    C : float or "auto", default=1.0
        Inverse of the strength of the regularization; ``"auto"`` is 10 for two classes and 20 for
        more.
    solver : str, default="lbfgs"
        ``"auto"`` or a solver of scikit-learn.
    tol : float, default=1e-4
        Tolerance of the stopping criterion. With ``solver="auto"``, it is that of coordinate
        descent, for which 0.01 is small; lbfgs then stops at 1e-4.
    penalty, l1_ratio, dual, fit_intercept, intercept_scaling, class_weight, random_state, \
    max_iter, verbose, warm_start, n_jobs
        As in scikit-learn. For two classes, coordinate descent penalizes the intercept like a
        weight.

    Attributes
    ----------
    classes_, coef_, intercept_, n_iter_, n_features_in_, feature_names_in_
        As in scikit-learn.

    References
    ----------
    Yu, Huang and Lin 2011, Dual coordinate descent methods for logistic regression and maximum
    entropy models.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **linear_model.LogisticRegression._parameter_constraints,
        "C": [
            *linear_model.LogisticRegression._parameter_constraints["C"],
            StrOptions({"auto"}),
        ],
        "solver": [
            *linear_model.LogisticRegression._parameter_constraints["solver"],
            StrOptions({"auto"}),
        ],
    }

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
            A parameter is out of its range, or `y` has one class only.
        """
        if self.solver != "auto" and self.C != "auto":
            super().fit(X, y, sample_weight)
            return self
        self._validate_params()
        if self.solver == "auto" and self._can_descend(X):
            return self._descend(X, y, sample_weight)
        changes = _LBFGS if self.solver == "auto" else {}
        n_classes = len(np.unique(np.asarray(y))) if self.C == "auto" else 0
        model = self._make_plain(changes, n_classes)
        _copy_solution(model.fit(X, y, sample_weight), self)
        return self

    def fit_labels(
        self, X: Any, truth: np.ndarray, estimators: Sequence[Self] | None = None
    ) -> list[Self] | None:
        """Return a classifier for each of several labels, fitted together.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        truth : ndarray of bool, of shape (n_samples, n_labels)
            True for rows with a label. Each label has rows with it and rows without it.
        estimators : sequence of LogisticRegression, optional
            Unfitted classifier of each label, which may differ from this one in its
            `class_weight`; default: this one.

        Returns
        -------
        list of LogisticRegression, or None
            Fitted classifiers; None if this method does not support them, so that each has to be
            fitted by `fit`.
        """
        if self.solver != "auto" or not self._can_descend(X):
            return None
        self._validate_params()
        X = sum_duplicates(check_array(X, accept_sparse="csr", dtype=np.float64))
        classes, unfitted = np.array([0, 1]), estimators or [self] * truth.shape[1]
        weights = [
            compute_class_weight(classifier.class_weight, classes=classes, y=y)
            for classifier, y in zip(unfitted, truth.T.astype(int), strict=True)
        ]
        costs = self._resolve_c(2) * np.array(weights).T
        if not (costs > 0).all():
            return None
        separation = separate_labels(X, truth, costs, self._make_descent())
        classifiers = [clone(classifier) for classifier in unfitted]
        for k, classifier in enumerate(classifiers):
            solution = separation[k]
            classifier.classes_, classifier.n_features_in_ = classes, X.shape[1]
            classifier.coef_, classifier.intercept_ = solution.coef, solution.intercept
            classifier.n_iter_ = solution.n_iter
        return classifiers

    def _can_descend(self, X: Any) -> bool:
        ridge = self.penalty in ("l2", "deprecated") and not self.l1_ratio
        return bool(ridge and np.isfinite(self._resolve_c(0)) and sparse.issparse(X))

    def _make_descent(self) -> Descent:
        seed = check_random_state(self.random_state).randint(np.iinfo("i").max)
        scaling = self.intercept_scaling if self.fit_intercept else 0.0
        return Descent(self.tol, self.max_iter, float(scaling), seed)

    def to_sklearn(self) -> linear_model.LogisticRegression:
        """Return scikit-learn's own classifier with the same predictions, fitted if this one is.

        For ``solver="auto"``, it has liblinear as its solver if it is fitted on two classes, else
        lbfgs.
        """
        n_classes = len(getattr(self, "classes_", ()))
        changes: dict[str, Any] = {}
        if self.solver == "auto":
            changes = _DUAL if n_classes == 2 else _LBFGS
        model = self._make_plain(changes, n_classes)
        _copy_solution(self, model)
        return model

    def _descend(self, X: Any, y: Any, sample_weight: Any) -> Self:
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        check_classification_targets(y)
        X, weights = sum_duplicates(X), _check_sample_weight(sample_weight, X)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {self.classes_[0]!r}"
            )
        class_weights = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y, sample_weight=weights
        )
        cost = self._resolve_c(len(self.classes_)) * class_weights[codes] * weights
        descent = self._make_descent()
        if len(self.classes_) == 2:
            self.coef_, self.intercept_, self.n_iter_ = fit_classes(
                lambda k: descent.separate(X, codes == 1, cost), 1, self.max_iter
            )
            return self
        self.coef_, self.intercept_, n_iter = fit_multinomial(
            descent, X, codes, len(self.classes_), cost
        )
        self.n_iter_ = np.array([n_iter], np.int32)
        warn_if_not_converged(n_iter, self.max_iter, stacklevel=3)
        return self

    def _resolve_c(self, n_classes: int) -> float:
        if self.C != "auto":
            return float(self.C)
        return _MULTICLASS_C if n_classes > 2 else _BINARY_C

    def _make_plain(
        self, changes: dict[str, Any], n_classes: int
    ) -> linear_model.LogisticRegression:
        changes = changes | {"C": self._resolve_c(n_classes)}
        return linear_model.LogisticRegression(**self.get_params(deep=False) | changes)


def _copy_solution(
    source: linear_model.LogisticRegression, target: linear_model.LogisticRegression
) -> None:
    """Copy the fitted attributes of `source` to `target`."""
    for name, value in vars(source).items():
        if name.endswith("_"):
            setattr(target, name, value)
