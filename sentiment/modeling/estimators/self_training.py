"""A linear classifier that learns from rows without a label too."""

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

# Label of a row that has none.
UNLABELLED = ""
# Stands for each label of a row whose labels are not known, where others have 0 and 1.
UNKNOWN = -1
# Strengths of the teacher, of which cross-validation takes the best.
_STRENGTHS = {"C": [1.0, 4.0, 16.0, 64.0]}
_FOLDS = 5
# A row is not learned as one of a class that is less probable than this.
_LEAST_SHARE = 0.01


class SelfTrainingClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Linear classifier that learns from labelled rows and from rows without a label.

    A teacher and a student read each row in two ways. The teacher is a logistic regression on the
    topics of all rows, their latent semantic analysis, and on vectors that predict their terms: few
    numbers, for which few labels suffice. It gives each row without a label the probabilities of
    the classes. The student, `estimator`, is fitted on the features themselves: on the labelled
    rows, and on each other row once per class, with its probability as weight. The student is what
    predicts, so that predictions stay linear in the features and as quick as without a teacher.

    Parameters
    ----------
    estimator : classifier, optional
        The student; takes ``sample_weight``. Default: ``NBSVM(C=8.0)``.
    n_topics : int, default=100
        Dimensions of the topics; fewer for fewer rows or features.
    n_vectors : int, default=64
        Dimensions of the vectors, which are learned from the rows without a label; 0 for none.
    sharpening : float, default=2.0
        The probabilities ``p`` that the teacher gives become ``p ** sharpening``, divided by their
        sum; at least 1, which leaves them.
    label_weight : float, default=3.0
        Weight of a labelled row, where a row without a label has one.
    random_state : int, RandomState instance or None, default=None
        Seed of the topics and vectors, and of a student that has none of its own.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        In sorted order, without that of rows without a label.
    estimator_ : classifier
        The fitted student.
    teacher_ : LogisticRegression or None
        None if all rows had a label; the student has then learned from them alone.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    sklearn.semi_supervised.SelfTrainingClassifier : A classifier that labels rows for itself, and
        takes those of which it is sure for certain.

    References
    ----------
    Nigam and Ghani 2000, Analyzing the Effectiveness and Applicability of Co-training: co-EM, in
    which each of two views labels all rows for the other by probabilities. Here are one teacher,
    one student and one round; more rounds were less accurate. See also `find_topics` and
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
        labelled = y != UNLABELLED
        self.classes_ = np.unique(y[labelled])
        if len(self.classes_) < 2:
            raise ValueError(
                f"the rows with a label have {len(self.classes_)} classes; expected two or more"
            )
        random = check_random_state(self.random_state)
        student = self._make_student(random)
        self.teacher_ = None
        if labelled.all():
            self.estimator_ = student.fit(X, y)
            return self
        # Threads of BLAS wait for one another longer than steps of this size take.
        with threadpool_limits(1, user_api="blas"):
            views = self._find_views(X, labelled, random)
            self.teacher_ = _fit_teacher(views[labelled], y[labelled])
            self.estimator_ = self._teach(student, self.teacher_, X, views, y, labelled)
        return self

    def fit_labels(self, X: Any, truth: np.ndarray, names: Sequence[str]) -> list[Any]:
        """Return a fitted student for each of several labels; all teachers read the same.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Features.
        truth : ndarray of int, of shape (n_samples, n_labels)
            1 for rows with a label, which each label has, 0 for rows without it, which each has,
            too, and `UNKNOWN` for rows whose labels are not known.
        names : sequence of str, of length n_labels
            The labels, by which a student may weigh them.
        """
        self._validate_params()
        X = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32])
        labelled = (truth != UNKNOWN).all(axis=1)
        random = check_random_state(self.random_state)
        student = self._make_student(random)
        with threadpool_limits(1, user_api="blas"):
            views = self._find_views(X, labelled, random)

            def fit_one(name: str, side: np.ndarray) -> Any:
                teacher = _fit_teacher(views[labelled], side[labelled])
                return self._teach(weigh_label(student, name), teacher, X, views, side, labelled)

            with ThreadPoolExecutor(min(truth.shape[1], count_threads(None))) as pool:
                return list(pool.map(fit_one, names, truth.T.astype(np.int64)))

    @property
    def _student(self) -> Any:
        return NBSVM(C=8.0) if self.estimator is None else self.estimator

    def _make_student(self, random: np.random.RandomState) -> Any:
        student = clone(self._student)
        if student.get_params().get("random_state", 0) is None:
            student.set_params(random_state=random.randint(np.iinfo(np.int32).max))
        return student

    def _find_views(
        self, X: Any, labelled: np.ndarray, random: np.random.RandomState
    ) -> np.ndarray:
        """Return what a teacher reads: topics and vectors of each row, side by side."""
        # Drawn before the topics, which take more numbers for more rows: fits on other labelled
        # rows then learn the same vectors.
        seed = random.randint(np.iinfo(np.int32).max)
        topics = find_topics(X, self.n_topics, random)
        return np.hstack([topics, find_vectors(X, ~labelled, self.n_vectors, seed)])

    def _teach(
        self, student: Any, teacher: LogisticRegression, X: Any, views: np.ndarray,
        y: np.ndarray, labelled: np.ndarray,
    ) -> Any:  # fmt: skip
        """Fit `student` on the labelled rows, and on others with the probabilities of `teacher`."""
        shares = teacher.predict_proba(views[~labelled]) ** self.sharpening
        shares /= shares.sum(axis=1, keepdims=True)
        rows, classes = np.nonzero(shares > _LEAST_SHARE)
        own, others = np.flatnonzero(labelled), np.flatnonzero(~labelled)
        weight = np.full(len(own), float(self.label_weight))
        return student.fit(
            X[np.concatenate([own, others[rows]])],
            np.concatenate([y[own], teacher.classes_[classes]]),
            sample_weight=np.concatenate([weight, shares[rows, classes]]),
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
        """Return the student, as scikit-learn has it; fitted if this one is."""
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
    """Return a logistic regression, as strong as cross-validation finds best."""
    machine = LogisticRegression(max_iter=1000)
    folds = min(_FOLDS, np.unique(y, return_counts=True)[1].min())
    if folds < 2:
        return machine.set_params(C=_STRENGTHS["C"][1]).fit(views, y)
    search = GridSearchCV(machine, _STRENGTHS, scoring="neg_log_loss", cv=int(folds))
    best: LogisticRegression = search.fit(views, y).best_estimator_
    return best
