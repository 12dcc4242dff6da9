"""Calibrated linear support vector machines, fitted for all folds and classes at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from scipy import sparse
from scipy.special import expit
from sklearn import calibration
from sklearn.base import clone
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC
from sklearn.utils import check_array, check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from sentiment.modeling.estimators.coordinate_descent import Descent, sum_duplicates
from sentiment.modeling.estimators.label_descent import Separation, separate_labels
from sentiment.ngrams.compiling import count_threads

# scikit-learn's number of folds for ``cv=None``.
_DEFAULT_FOLDS = 5
# Constants of Lin, Lin and Weng 2007, algorithm 1.
_MIN_GRADIENT, _NEWTON_STEPS, _MIN_STEP, _RIDGE, _DECREASE = 1e-5, 100, 1e-10, 1e-12, 1e-4


class CalibratedClassifierCV(calibration.CalibratedClassifierCV):
    """scikit-learn's calibrated classifier, with a faster fit of `LinearSVC`.

    With ``ensemble=False`` and sparse features, the SVMs of all classes, for each fold and for all
    rows, are fitted in parallel by dual coordinate descent, and the sigmoids by Newton's method.
    Weights and probabilities are those of scikit-learn, up to the tolerance of the SVMs. In all
    other cases, scikit-learn fits the model.

    Parameters
    ----------
    estimator, method, cv, n_jobs, ensemble
        As in scikit-learn.

    Attributes
    ----------
    calibrated_classifiers_, classes_, n_features_in_
        As in scikit-learn.

    References
    ----------
    Hsieh, Chang, Lin, Keerthi and Sundararajan 2008, A dual coordinate descent method for
    large-scale linear SVM.

    Lin, Lin and Weng 2007, A note on Platt's probabilistic outputs for support vector machines.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row.
        **fit_params
            As in scikit-learn.

        Raises
        ------
        ValueError
            A parameter is out of its range, or a class has fewer rows than there are folds.
        """
        if sample_weight is None and not fit_params and self._can_descend(X):
            check_classification_targets(y)
            classes, codes = np.unique(y, return_inverse=True)
            truth = codes[:, np.newaxis] == np.arange(len(classes))
            if len(classes) > 1 and self._has_rows(truth):
                folds = self._number_folds(codes)
                costs = self._compute_costs(classes, classes[codes], folds)
                if (costs > 0).all():
                    truth = truth[:, 1:] if len(classes) == 2 else truth
                    folds = np.broadcast_to(folds[:, np.newaxis], truth.shape)
                    separation = self._separate(X, truth, costs, folds)
                    return self._set_fitted(separation, truth, classes)
        super().fit(X, y, sample_weight, **fit_params)
        return self

    def fit_labels(
        self, X: Any, truth: np.ndarray, estimators: Sequence[Self] | None = None
    ) -> list[Self] | None:
        """Fit a classifier for each of several labels in one pass.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        truth : ndarray of bool, of shape (n_samples, n_labels)
            True for rows with a label. Each label has rows with it and rows without it.
        estimators : sequence of CalibratedClassifierCV, optional
            Unfitted classifier of each label, which may differ from this one in its class weights;
            default: this one.

        Returns
        -------
        list of CalibratedClassifierCV, or None
            Fitted classifiers; None if this method does not support them, so that each has to be
            fitted by `fit`.
        """
        if not self._can_descend(X) or not (self._has_rows(truth) and self._has_rows(~truth)):
            return None
        unfitted, classes = estimators or [self] * truth.shape[1], np.array([0, 1])
        folds = np.column_stack([self._number_folds(has_label) for has_label in truth.T])
        costs = [
            estimator._compute_costs(classes, has_label.astype(int), label_folds)
            for estimator, has_label, label_folds in zip(unfitted, truth.T, folds.T, strict=True)
        ]
        if not all((label_costs > 0).all() for label_costs in costs):
            return None
        separation = self._separate(X, truth, np.concatenate(costs, axis=2), folds)
        with ThreadPoolExecutor(min(len(unfitted), count_threads(None))) as pool:
            return list(
                pool.map(
                    lambda k: clone(unfitted[k])._set_fitted(separation[k], truth[:, [k]], classes),
                    range(len(unfitted)),
                )
            )

    def to_sklearn(self) -> calibration.CalibratedClassifierCV:
        """Return a `CalibratedClassifierCV` of scikit-learn, fitted if this one is."""
        plain = calibration.CalibratedClassifierCV(**self.get_params(deep=False))
        for name, value in vars(self).items():
            if name.endswith("_"):
                setattr(plain, name, value)
        return plain

    def _can_descend(self, X: Any) -> bool:
        svc = self.estimator
        return bool(
            sparse.issparse(X)
            and type(svc) is LinearSVC
            and (svc.penalty, svc.loss) == ("l2", "squared_hinge")
            and svc.dual in (True, "auto")
            and svc.multi_class == "ovr"
            and not svc.verbose
            and self.ensemble is False
            and self.method in ("sigmoid", "isotonic")
            and (self.cv is None or isinstance(self.cv, int))
        )

    def _count_folds(self) -> int:
        return _DEFAULT_FOLDS if self.cv is None else int(self.cv)

    def _has_rows(self, truth: np.ndarray) -> bool:
        """Return whether each class, a column of `truth`, has a row for each fold."""
        return bool(truth.sum(axis=0).min() >= self._count_folds())

    def _number_folds(self, y: np.ndarray) -> np.ndarray:
        """Return the fold of each row, from 0, the same as scikit-learn's."""
        folds = np.empty(len(y), np.int8 if self._count_folds() < 127 else np.int64)
        for number, (_, held_out) in enumerate(StratifiedKFold(self._count_folds()).split(y, y)):
            folds[held_out] = number
        return folds

    def _compute_costs(self, classes: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Return the costs of errors, shape (2, n_folds + 1, n_svms); see `separate_labels`."""
        costs = []
        for fold in range(self._count_folds() + 1):
            weights = compute_class_weight(
                self.estimator.class_weight, classes=classes, y=y[folds != fold]
            )
            # With more than two classes, a class weight applies only to the rows of its class.
            pair = weights[:, np.newaxis] if len(classes) == 2 else [np.ones_like(weights), weights]
            costs.append(self.estimator.C * np.asarray(pair, np.float64))
        return np.stack(costs, axis=1)

    def _separate(
        self, X: Any, truth: np.ndarray, costs: np.ndarray, folds: np.ndarray
    ) -> Separation:
        self._validate_params()
        svc = self.estimator
        svc._validate_params()
        X = sum_duplicates(check_array(X, accept_sparse="csr", dtype=np.float64))
        seed = check_random_state(svc.random_state).randint(np.iinfo("i").max)
        scaling = svc.intercept_scaling if svc.fit_intercept else 0.0
        descent = Descent(svc.tol, svc.max_iter, float(scaling), seed)
        return separate_labels(X, truth, costs.reshape(2, -1), descent, "squared_hinge", folds)

    def _set_fitted(self, separation: Separation, truth: np.ndarray, classes: np.ndarray) -> Self:
        """Calibrate the fitted SVMs, and set the attributes of a fitted classifier."""
        svc = clone(self.estimator)
        svc.classes_, svc.n_features_in_ = classes, separation.coef.shape[1]
        svc.coef_, svc.n_iter_ = separation.coef, int(separation.n_iter.max())
        svc.intercept_ = separation.intercept if svc.fit_intercept else 0.0
        calibrators = [
            calibrate(margins, is_positive, self.method)
            for margins, is_positive in zip(separation.margins.T, truth.T, strict=True)
        ]
        self.calibrated_classifiers_ = [
            calibration._CalibratedClassifier(svc, calibrators, method=self.method, classes=classes)
        ]
        self.classes_, self.n_features_in_ = classes, separation.coef.shape[1]
        return self


def calibrate(margins: np.ndarray, is_positive: np.ndarray, method: str) -> Any:
    """Return a fitted calibrator of scikit-learn.

    Parameters
    ----------
    margins : ndarray of shape (n_samples,)
        Decision function of each row, from an SVM that was fitted without the row.
    is_positive : ndarray of bool, of shape (n_samples,)
        True for rows of the class.
    method : {"sigmoid", "isotonic"}
        As in scikit-learn.
    """
    if method == "isotonic":
        return IsotonicRegression(out_of_bounds="clip").fit(margins, is_positive)
    sigmoid = calibration._SigmoidCalibration()
    sigmoid.a_, sigmoid.b_ = fit_sigmoid(margins, is_positive)
    return sigmoid


def fit_sigmoid(margins: np.ndarray, is_positive: np.ndarray) -> tuple[float, float]:
    """Fit ``1 / (1 + exp(a * margin + b))`` by maximum likelihood, and return ``a`` and ``b``.

    Parameters are those of `calibrate`. As in Platt 1999, targets are smoothed away from 0 and 1.
    """
    count = is_positive.sum()
    targets = np.where(is_positive, (count + 1) / (count + 2), 1 / (len(is_positive) - count + 2))
    columns = np.column_stack([margins, np.ones_like(margins)])
    coef = np.array([0.0, np.log((count + 1) / (len(is_positive) - count + 1))])

    def compute_loss(coef: np.ndarray) -> float:
        logits = columns @ coef
        # A dot product would start the threads of BLAS.
        return float((np.logaddexp(0, logits) - targets * logits).sum())

    loss = compute_loss(coef)
    for _ in range(_NEWTON_STEPS):
        p = expit(columns @ coef)
        gradient = columns.T @ (p - targets)
        if np.abs(gradient).max() < _MIN_GRADIENT:
            break
        hessian = columns.T @ (columns * (p * (1 - p))[:, np.newaxis]) + _RIDGE * np.eye(2)
        direction, step = np.linalg.solve(hessian, gradient), 1.0
        while step >= _MIN_STEP:
            new_loss = compute_loss(coef - step * direction)
            if new_loss < loss - _DECREASE * step * float(gradient @ direction):
                break
            step /= 2
        else:
            break  # rounding errors prevent any further decrease
        coef, loss = coef - step * direction, new_loss
    return -float(coef[0]), -float(coef[1])
