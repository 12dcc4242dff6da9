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

from sentiment.modeling.estimators.coordinate_descent import Descent, sum_parts
from sentiment.modeling.estimators.label_descent import Separation, separate_labels
from sentiment.ngrams.compiling import count_threads

# scikit-learn's number of folds for ``cv=None``.
_DEFAULT_FOLDS = 5
# Constants of Lin, Lin and Weng 2007, algorithm 1.
_SLOPE, _NEWTON_STEPS, _SMALLEST_STEP, _RIDGE, _DECREASE = 1e-5, 100, 1e-10, 1e-12, 1e-4


class CalibratedClassifierCV(calibration.CalibratedClassifierCV):
    """scikit-learn's calibrated classifier, with a faster fit of `LinearSVC`.

    With ``ensemble=False`` and sparse features, the machines of all classes, of each fold and of
    all rows, are fitted in parallel by dual coordinate descent, and the sigmoids by Newton's
    method. Weights and probabilities are those of scikit-learn, up to the tolerance of the
    machines. In all other cases, scikit-learn fits the model.

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
                costs = self._weigh(classes, classes[codes], folds)
                if (costs > 0).all():
                    truth = truth[:, 1:] if len(classes) == 2 else truth
                    folds = np.broadcast_to(folds[:, np.newaxis], truth.shape)
                    found = self._separate(X, truth, costs, folds)
                    return self._hold(found, truth, classes)
        super().fit(X, y, sample_weight, **fit_params)
        return self

    def fit_labels(
        self, X: Any, truth: np.ndarray, machines: Sequence[Self] | None = None
    ) -> list[Self] | None:
        """Fit a classifier for each of several labels, all of them together.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        truth : ndarray of bool, of shape (n_samples, n_labels)
            True for rows with a label. Each label has rows with it and rows without it.
        machines : sequence of CalibratedClassifierCV, optional
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
        given, classes = machines or [self] * truth.shape[1], np.array([0, 1])
        folds = np.column_stack([self._number_folds(side) for side in truth.T])
        costs = [
            machine._weigh(classes, side.astype(int), of_rows)
            for machine, side, of_rows in zip(given, truth.T, folds.T, strict=True)
        ]
        if not all((one > 0).all() for one in costs):
            return None
        found = self._separate(X, truth, np.concatenate(costs, axis=2), folds)
        with ThreadPoolExecutor(min(len(given), count_threads(None))) as pool:
            return list(
                pool.map(
                    lambda k: clone(given[k])._hold(found[k], truth[:, [k]], classes),
                    range(len(given)),
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
        machine = self.estimator
        return bool(
            sparse.issparse(X)
            and type(machine) is LinearSVC
            and (machine.penalty, machine.loss) == ("l2", "squared_hinge")
            and machine.dual in (True, "auto")
            and machine.multi_class == "ovr"
            and not machine.verbose
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

    def _weigh(self, classes: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
        """Return the costs of errors, shape (2, n_folds + 1, n_machines); see `separate_labels`."""
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
        machine = self.estimator
        machine._validate_params()
        X = sum_parts(check_array(X, accept_sparse="csr", dtype=np.float64))
        seed = check_random_state(machine.random_state).randint(np.iinfo("i").max)
        scaling = machine.intercept_scaling if machine.fit_intercept else 0.0
        descent = Descent(machine.tol, machine.max_iter, float(scaling), seed)
        return separate_labels(X, truth, costs.reshape(2, -1), descent, "squared_hinge", folds)

    def _hold(self, found: Separation, truth: np.ndarray, classes: np.ndarray) -> Self:
        """Calibrate the fitted machines, and set the attributes of a fitted classifier."""
        machine = clone(self.estimator)
        machine.classes_, machine.n_features_in_ = classes, found.coef.shape[1]
        machine.coef_, machine.n_iter_ = found.coef, int(found.n_iter.max())
        machine.intercept_ = found.intercept if machine.fit_intercept else 0.0
        calibrators = [
            calibrate(margins, side, self.method)
            for margins, side in zip(found.margins.T, truth.T, strict=True)
        ]
        self.calibrated_classifiers_ = [
            calibration._CalibratedClassifier(
                machine, calibrators, method=self.method, classes=classes
            )
        ]
        self.classes_, self.n_features_in_ = classes, found.coef.shape[1]
        return self


def calibrate(margins: np.ndarray, side: np.ndarray, method: str) -> Any:
    """Return a fitted calibrator of scikit-learn.

    Parameters
    ----------
    margins : ndarray of shape (n_samples,)
        Decision function of each row, by a machine that was fitted without the row.
    side : ndarray of bool, of shape (n_samples,)
        True for rows of the class.
    method : {"sigmoid", "isotonic"}
        As in scikit-learn.
    """
    if method == "isotonic":
        return IsotonicRegression(out_of_bounds="clip").fit(margins, side)
    sigmoid = calibration._SigmoidCalibration()
    sigmoid.a_, sigmoid.b_ = fit_sigmoid(margins, side)
    return sigmoid


def fit_sigmoid(margins: np.ndarray, side: np.ndarray) -> tuple[float, float]:
    """Fit ``1 / (1 + exp(a * margin + b))`` by maximum likelihood, and return ``a`` and ``b``.

    Parameters are those of `calibrate`. As in Platt 1999, targets are smoothed away from 0 and 1.
    """
    count = side.sum()
    goals = np.where(side, (count + 1) / (count + 2), 1 / (len(side) - count + 2))
    columns = np.column_stack([margins, np.ones_like(margins)])
    found = np.array([0.0, np.log((count + 1) / (len(side) - count + 1))])

    def measure(at: np.ndarray) -> float:
        logits = columns @ at
        # Not a dot product, for which BLAS would wake its threads.
        return float((np.logaddexp(0, logits) - goals * logits).sum())

    loss = measure(found)
    for _ in range(_NEWTON_STEPS):
        p = expit(columns @ found)
        slopes = columns.T @ (p - goals)
        if np.abs(slopes).max() < _SLOPE:
            break
        curvature = columns.T @ (columns * (p * (1 - p))[:, np.newaxis]) + _RIDGE * np.eye(2)
        move, size = np.linalg.solve(curvature, slopes), 1.0
        while size >= _SMALLEST_STEP:
            new = measure(found - size * move)
            if new < loss - _DECREASE * size * float(slopes @ move):
                break
            size /= 2
        else:
            break  # rounding errors prevent any further decrease
        found, loss = found - size * move, new
    return -float(found[0]), -float(found[1])
