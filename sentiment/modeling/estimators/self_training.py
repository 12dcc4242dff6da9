"""Linear classifier that also learns from rows without a label."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from sentiment.modeling.class_weights import weigh_label
from sentiment.modeling.estimators.document_vectors import find_vectors
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.estimators.topics import find_topics
from sentiment.ngrams.compiling import count_threads

# Label of a row without a label.
UNLABELLED = ""
# Indicator of each label of a row whose labels are unknown; other indicators are 0 and 1.
UNKNOWN = -1
# Grid for the regularization of the teacher, which cross-validation chooses from.
_TEACHER_GRID = {"C": [1.0, 4.0, 16.0, 64.0]}
_FOLDS = 5
# The student does not learn a row as an example of a less probable class.
_MIN_PROBABILITY = 0.01


class SelfTrainingClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Linear classifier that learns from labelled rows and from rows without a label.

    A teacher and a student have different features of each row. The teacher is a logistic
    regression on topics (latent semantic analysis of all rows) and on vectors that predict the
    terms of the rows: so few numbers that few labels suffice. It predicts the probabilities of the
    classes for each row without a label. The student, `estimator`, is fitted on the original
    features: on the labelled rows, and on each other row once per class, with its probability as
    weight. Only the student predicts, so predictions are linear in the features, and as fast as
    without a teacher.

    Parameters
    ----------
    estimator : classifier, optional
        The student; takes ``sample_weight``. Default: ``NBSVM(C=8.0)``.
    n_topics : int, default=100
        Dimensions of the topics; fewer for fewer rows or features.
    n_vectors : int, default=64
        Dimensions of the vectors, which are learned from the rows without a label; 0 for none.
    sharpening : float, default=2.0
        Exponent of the teacher's probabilities, which are then divided by their sum; at least 1,
        which leaves them unchanged.
    label_weight : float, default=3.0
        Weight of a labelled row; a row without a label has a weight of 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the topics and vectors, and of the student if its own is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted labels, without `UNLABELLED`.
    estimator_ : classifier
        Fitted student.
    teacher_ : LogisticRegression or None
        Fitted teacher; None if all rows had a label, so that the student needs no teacher.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    sklearn.semi_supervised.SelfTrainingClassifier : Learns from its own confident predictions as if
        they were true labels.

    References
    ----------
    Nigam and Ghani 2000, Analyzing the Effectiveness and Applicability of Co-training: co-EM, in
    which models on two views label all rows for each other by probabilities. This class has one
    teacher, one student and one round; more rounds were less accurate. See also `find_topics` and
    `find_vectors`.

    Examples
    --------
    >>> from sentiment import TfidfVectorizer
    >>> texts = ["good fun", "fun and games", "a dull bore", "a dull film", "games", "a bore"]
    >>> model = SelfTrainingClassifier(n_topics=2, random_state=0)
    >>> vectorizer = TfidfVectorizer()
    >>> model = model.fit(vectorizer.fit_transform(texts), ["good", "", "bad", "", "", ""])
    >>> model.predict(vectorizer.transform(["games", "a bore"])).tolist()
    ['good', 'bad']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_topics": [Interval(Integral, 1, None, closed="left")],
        "n_vectors": [Interval(Integral, 0, None, closed="left")],
        "sharpening": [Interval(Real, 1, None, closed="left")],
        "label_weight": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_topics: int = 100,
        n_vectors: int = 64,
        sharpening: float = 2.0,
        label_weight: float = 3.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_topics = n_topics
        self.n_vectors = n_vectors
        self.sharpening = sharpening
        self.label_weight = label_weight
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a teacher on the labelled rows, and the student on all rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Labels; an empty string for a row without one.

        Raises
        ------
        ValueError
            A parameter is out of its range, or the labelled rows have one class only.
        """
        self._validate_params()
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        y = np.asarray(y)
        is_labelled = y != UNLABELLED
        self.classes_ = np.unique(y[is_labelled])
        if len(self.classes_) < 2:
            raise ValueError(
                f"the rows with a label have {len(self.classes_)} classes; expected two or more"
            )
        random = check_random_state(self.random_state)
        student = self._make_student(random)
        self.teacher_ = None
        if is_labelled.all():
            self.estimator_ = student.fit(X, y)
            return self
        # For steps of this size, synchronizing BLAS threads takes longer than the computation.
        with threadpool_limits(1, user_api="blas"):
            views = self._find_views(X, is_labelled, random)
            self.teacher_ = _fit_teacher(views[is_labelled], y[is_labelled])
            self.estimator_ = self._teach(student, self.teacher_, X, views, y, is_labelled)
        return self

    def fit_labels(self, X: Any, truth: np.ndarray, names: Sequence[str]) -> list[Any]:
        """Return a fitted student for each of several labels; the teachers share their features.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        truth : ndarray of int, of shape (n_samples, n_labels)
            1 for rows with a label, 0 for rows without it, and `UNKNOWN` for rows whose labels are
            unknown. Each label has rows with it and rows without it.
        names : sequence of str, of length n_labels
            Labels, for class weights of the student.
        """
        self._validate_params()
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32])
        is_labelled = (truth != UNKNOWN).all(axis=1)
        random = check_random_state(self.random_state)
        student = self._make_student(random)
        with threadpool_limits(1, user_api="blas"):
            views = self._find_views(X, is_labelled, random)

            def fit_label(name: str, y: np.ndarray) -> Any:
                teacher = _fit_teacher(views[is_labelled], y[is_labelled])
                return self._teach(weigh_label(student, name), teacher, X, views, y, is_labelled)

            with ThreadPoolExecutor(min(truth.shape[1], count_threads(None))) as pool:
                return list(pool.map(fit_label, names, truth.T.astype(np.int64)))

    @property
    def _student(self) -> Any:
        return NBSVM(C=8.0) if self.estimator is None else self.estimator

    def _make_student(self, random: np.random.RandomState) -> Any:
        student = clone(self._student)
        if student.get_params().get("random_state", 0) is None:
            student.set_params(random_state=random.randint(np.iinfo(np.int32).max))
        return student

    def _find_views(
        self, X: Any, is_labelled: np.ndarray, random: np.random.RandomState
    ) -> np.ndarray:
        """Return the features of a teacher: topics and vectors of each row."""
        # Drawn before the topics, which need more random numbers for more rows, so that fits on
        # other labelled rows learn the same vectors.
        seed = random.randint(np.iinfo(np.int32).max)
        topics = find_topics(X, self.n_topics, random)
        return np.hstack([topics, find_vectors(X, ~is_labelled, self.n_vectors, seed)])

    def _teach(
        self, student: Any, teacher: LogisticRegression, X: Any, views: np.ndarray,
        y: np.ndarray, is_labelled: np.ndarray,
    ) -> Any:  # fmt: skip
        """Fit `student` on labelled rows, and on others weighted by probabilities of `teacher`."""
        probabilities = teacher.predict_proba(views[~is_labelled]) ** self.sharpening
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        rows, classes = np.nonzero(probabilities > _MIN_PROBABILITY)
        labelled_rows, other_rows = np.flatnonzero(is_labelled), np.flatnonzero(~is_labelled)
        label_weights = np.full(len(labelled_rows), float(self.label_weight))
        return student.fit(
            X[np.concatenate([labelled_rows, other_rows[rows]])],
            np.concatenate([y[labelled_rows], teacher.classes_[classes]]),
            sample_weight=np.concatenate([label_weights, probabilities[rows, classes]]),
        )

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the scores, of shape (n_samples,) or, for more classes, (n_samples, n_classes)."""
        check_is_fitted(self)
        scores: np.ndarray = self.estimator_.decision_function(X)
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Return the label of the highest score for each row, of shape (n_samples,)."""
        check_is_fitted(self)
        labels: np.ndarray = self.estimator_.predict(X)
        return labels

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probabilities, of shape (n_samples, n_classes), in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: np.ndarray = self.estimator_.predict_proba(X)
        return probabilities

    def to_sklearn(self) -> Any:
        """Return the student as a scikit-learn classifier, fitted if this one is."""
        student = getattr(self, "estimator_", self._student)
        return student.to_sklearn() if hasattr(student, "to_sklearn") else student

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._student)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.input_tags.positive_only = inner.input_tags.positive_only
        tags.classifier_tags.poor_score = inner.classifier_tags.poor_score
        return tags


def _fit_teacher(views: np.ndarray, y: np.ndarray) -> LogisticRegression:
    """Return a fitted logistic regression, whose `C` is chosen by cross-validation."""
    teacher = LogisticRegression(max_iter=1000)
    folds = min(_FOLDS, np.unique(y, return_counts=True)[1].min())
    if folds < 2:
        return teacher.set_params(C=_TEACHER_GRID["C"][1]).fit(views, y)
    search = GridSearchCV(teacher, _TEACHER_GRID, scoring="neg_log_loss", cv=int(folds))
    best: LogisticRegression = search.fit(views, y).best_estimator_
    return best
