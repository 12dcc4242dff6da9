"""Linear classifier on features weighted by naive Bayes."""

# ruff: noqa: N803 - C is what scikit-learn calls it.
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import Tags, check_random_state, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    check_non_negative,
    validate_data,
)

from sentiment.modeling.estimators.coordinate_descent import Descent, fit_classes, sum_duplicates
from sentiment.modeling.estimators.one_vs_rest import make_one_vs_rest, set_weights
from sentiment.ngrams.weighting import compute_log_count_ratio


class NBSVM(ClassifierMixin, BaseEstimator):
    """Logistic regression on features scaled by their naive Bayes log-count ratio.

    For a class against the rest, with ``f`` the rows (or indicators of their features, see
    `binarize`),

    .. code-block:: text

        p = alpha + sum of f over the rows of the class      q = the same over the other rows
        r = log((p / |p|) / (q / |q|))                       |.| is the sum over the features

    A logistic regression with weights ``w`` is fitted on ``X * r``. Its scores are linear in ``X``,
    too, with weights ``r * w``, so `coef_` includes the ratio. With more than two classes, each
    class against the rest has its own ratio and logistic regression.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the L2 penalty on the weights of the scaled features.
    alpha : float, default=1.0
        Additive smoothing of all counts; above 0.
    beta : float, default=1.0
        Interpolation between naive Bayes (0) and the logistic regression (1): with
        ``m = mean(|w|)``, ``w`` becomes ``(1 - beta) * m + beta * w``, and the intercept ``b``
        becomes ``(1 - beta) * m * log(rows of the class / other rows) + beta * b``. At 0, the
        scores are those of naive Bayes, times ``m``.
    binarize : bool, default=True
        Count the rows in which a feature is above 0, instead of adding up its values.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's rows in the logistic regressions; "balanced" gives all classes the
        same total weight. The counts of naive Bayes do not depend on it.
    max_iter, tol, random_state
        As in ``LogisticRegression``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels.
    coef_ : ndarray of shape (1, n_features), or (n_classes, n_features) for more than two classes
        Weights of the unscaled features; with two classes, those of the second class.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts.
    log_count_ratio_ : ndarray of the shape of `coef_`
        The ratios `r`, in natural logarithms.
    n_iter_ : ndarray of shape (1,) or (n_classes,)
        Iterations of each fit.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    sentiment.TfidfVectorizer : Weighs terms in the same way before any classifier.

    References
    ----------
    Wang and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification,
    section 2: ratio and interpolation, with a support vector machine. Mesnil et al. 2014, Ensemble
    of Generative and Discriminative Techniques for Sentiment Analysis of Movie Reviews: the same
    with logistic regression, which has probabilities.

    Examples
    --------
    >>> from sentiment import NBSVM, CountVectorizer
    >>> texts, labels = ["good fun", "dull", "great fun", "a dull bore"], [1, 0, 1, 0]
    >>> counts = CountVectorizer().fit(texts)
    >>> model = NBSVM().fit(counts.transform(texts), labels)
    >>> model.predict(counts.transform(["fun", "a bore"])).tolist()
    [1, 0]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "C": [Interval(Real, 0, None, closed="neither")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "beta": [Interval(Real, 0, 1, closed="both")],
        "binarize": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        C: float = 1.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        binarize: bool = True,
        class_weight: dict[Any, float] | str | None = None,
        max_iter: int = 1000,
        tol: float = 1e-4,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.C = C
        self.alpha = alpha
        self.beta = beta
        self.binarize = binarize
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit a logistic regression for each class, or one for two classes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Not negative; counts, presences or tf-idf.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, for naive Bayes and for the logistic regressions; default: 1.

        Raises
        ------
        ValueError
            A parameter is out of its range, `X` is negative somewhere, or `y` has one class only.
        """
        self._validate_params()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        check_non_negative(X, "NBSVM (input X)")
        check_classification_targets(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
            has_weight = sample_weight > 0
            X, y, sample_weight = X[has_weight], y[has_weight], sample_weight[has_weight]
        self.classes_ = np.unique(y)
        if len(self.classes_) == 1:
            raise ValueError(f"y has one class, {self.classes_[0]}; NBSVM needs two or more")

        positive_classes = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        masks = [y == label for label in positive_classes]
        counts = X > 0 if self.binarize else X
        self.log_count_ratio_ = np.array(
            [compute_log_count_ratio(counts, mask, self.alpha, sample_weight) for mask in masks]
        )
        del counts
        class_weights = compute_class_weight(
            self.class_weight, classes=self.classes_, y=y, sample_weight=sample_weight
        )
        cost = self.C * class_weights[np.searchsorted(self.classes_, y)]
        if sample_weight is not None:
            cost = cost * sample_weight
        seed = check_random_state(self.random_state).randint(np.iinfo("i").max)
        descent = Descent(self.tol, self.max_iter, 1.0, seed)
        rows = sum_duplicates(sparse.csr_matrix(X, dtype=np.float64))
        coef, intercepts, self.n_iter_ = fit_classes(
            lambda k: descent.separate(
                _scale_columns(rows, self.log_count_ratio_[k]), masks[k], cost
            ),
            len(masks),
            self.max_iter,
        )
        intercept = intercepts[:, np.newaxis]
        bayes_weight = (1 - self.beta) * np.abs(coef).mean(axis=1, keepdims=True)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        log_odds = np.log([[weight[mask].sum() / weight[~mask].sum()] for mask in masks])
        self.coef_ = self.log_count_ratio_ * (bayes_weight + self.beta * coef)
        self.intercept_ = (bayes_weight * log_odds + self.beta * intercept).ravel()
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the scores, of shape (n_samples,) or, for more classes, (n_samples, n_classes)."""
        scores: np.ndarray = self.to_sklearn().decision_function(self._check_rows(X))
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Return the label of the highest score for each row, of shape (n_samples,)."""
        labels: np.ndarray = self.to_sklearn().predict(self._check_rows(X))
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities, of shape (n_samples, n_classes), in the order of `classes_`.

        With more than two classes, the probabilities of each class against the rest are divided by
        their sum.
        """
        probabilities: np.ndarray = self.to_sklearn().predict_proba(self._check_rows(X))
        return probabilities

    def to_sklearn(self) -> LogisticRegression | OneVsRestClassifier:
        """Return a classifier of scikit-learn's own with the same predictions.

        Its model files can be read without this project. It has no feature names, and is fitted if
        this one is.

        Returns
        -------
        LogisticRegression or OneVsRestClassifier
            The latter for more than two classes.
        """
        if not hasattr(self, "coef_"):
            return self._make_classifier()
        if len(self.classes_) == 2:
            return set_weights(self._make_classifier(), self, 0, self.classes_)
        return make_one_vs_rest(self._make_classifier(), self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        # As for naive Bayes in scikit-learn, whose checks use blobs instead of counts.
        tags.classifier_tags.poor_score = True
        return tags

    def _make_classifier(self) -> LogisticRegression:
        return LogisticRegression(
            C=self.C,
            solver="liblinear",
            dual=True,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
        )

    def _check_rows(self, X: Any) -> Any:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", reset=False)


def _scale_columns(X: sparse.csr_matrix, factors: np.ndarray) -> sparse.csr_matrix:
    data = X.data * factors[X.indices]
    return sparse.csr_matrix((data, X.indices, X.indptr), X.shape)
