"""Learning from rows without a label: topics, teacher and student."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import adjusted_rand_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.preprocessing import normalize
from sklearn.utils.estimator_checks import parametrize_with_checks

from sentiment import NBSVM, CountVectorizer, TfidfVectorizer
from sentiment.modeling.estimators import document_vectors
from sentiment.modeling.estimators.document_vectors import find_vectors
from sentiment.modeling.estimators.label_sets import LabelSetClassifier
from sentiment.modeling.estimators.self_training import UNKNOWN, SelfTrainingClassifier, find_topics
from sentiment.modeling.explanation import top_terms
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.pipeline import fit, make_pipeline

SUBJECTS = {
    "cooking": ["oven", "bake", "flour", "butter", "dough", "salt", "recipe", "kitchen"],
    "sailing": ["mast", "harbor", "wind", "anchor", "deck", "rope", "crew", "wave"],
    "chess": ["pawn", "rook", "bishop", "castle", "board", "opening", "check", "queen"],
}


def make_texts(count: int, subjects: int = 2, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Short texts on some subjects, and the subject of each."""
    rng = np.random.default_rng(seed)
    names = np.array([*SUBJECTS][:subjects])
    labels = names[rng.integers(0, subjects, count)]
    texts = [" ".join(rng.choice(SUBJECTS[label], 4)) for label in labels]
    return texts, labels


def make_rows(classes: int = 2) -> tuple[sparse.csr_matrix, np.ndarray, np.ndarray]:
    """Counts, all labels, and the labels of which most are missing."""
    texts, labels = make_texts(120, classes)
    partly_labelled = labels.copy()
    partly_labelled[6:] = ""
    return CountVectorizer().fit_transform(texts), labels, partly_labelled


REASON = "scikit-learn 1.9 hands it negative values without asking for the tag positive_only"


@parametrize_with_checks(
    [SelfTrainingClassifier(LogisticRegression(), random_state=0), SelfTrainingClassifier()],
    expected_failed_checks=lambda estimator: (
        {"check_decision_proba_consistency": REASON} if estimator.estimator is None else {}
    ),
)
def test_it_is_a_classifier_of_scikit_learns_kind(estimator: Any, check: Any) -> None:
    check(estimator)


def compare_with_exact_topics(X: np.ndarray, wanted: int) -> float:
    """Return the largest error in the cosines of all rows with one another."""
    u, s, _ = np.linalg.svd(X, full_matrices=False)
    expected = normalize(u[:, :wanted] * s[:wanted])
    topics = find_topics(sparse.csr_matrix(X), wanted, np.random.RandomState(0))
    assert topics.shape == expected.shape
    # Directions may be turned; what texts have to do with one another may not.
    return float(np.abs(topics @ topics.T - expected @ expected.T).max())


@pytest.mark.parametrize(("rows", "rank"), [(80, 6), (80, 30), (500, 40)])
def test_topics_are_those_of_an_exact_decomposition(rows: int, rank: int) -> None:
    rng = np.random.default_rng(0)
    strong = rng.standard_normal((rows, rank)) @ (rng.standard_normal((rank, 700)) * 5)
    X = strong + 0.01 * rng.standard_normal((rows, 700))
    assert compare_with_exact_topics(X, rank) < 1e-3


def test_topics_are_exact_where_rows_have_fewer_directions_than_are_searched() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 400))
    assert compare_with_exact_topics(X, 3) < 1e-3


def test_there_are_no_more_topics_than_rows_or_features() -> None:
    X = sparse.csr_matrix(np.random.default_rng(0).random((5, 9)))
    assert find_topics(X, 300, np.random.RandomState(0)).shape == (5, 4)
    assert find_topics(X.T.tocsr(), 300, np.random.RandomState(0)).shape == (9, 4)


def test_topics_tell_subjects_apart_without_any_label() -> None:
    X, labels, _ = make_rows(3)
    topics = find_topics(X, 3, np.random.RandomState(0))
    clusters = KMeans(3, random_state=0, n_init=5).fit_predict(topics)
    assert adjusted_rand_score(labels, clusters) > 0.9


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(
    "student", [NBSVM(C=2, random_state=0), LogisticRegression(random_state=0), MultinomialNB()]
)
def test_the_student_learns_each_row_by_its_probabilities(classes: int, student: Any) -> None:
    X, labels, y = make_rows(classes)
    model = SelfTrainingClassifier(student, n_topics=5, label_weight=2.5, random_state=0)
    model.fit(X, y)
    assert model.classes_.tolist() == sorted(set(labels))

    is_labelled = y != ""
    random = np.random.RandomState(0)
    seed = random.randint(np.iinfo(np.int32).max)
    vectors = find_vectors(X, ~is_labelled, 64, seed)
    assert vectors.shape[1] == 64
    views = np.hstack([find_topics(X, 5, random), vectors])
    assert model.teacher_ is not None
    shares = model.teacher_.predict_proba(views[~is_labelled]) ** 2
    shares /= shares.sum(axis=1, keepdims=True)
    rows, names, weights = [*X[is_labelled]], [*y[is_labelled]], [2.5] * is_labelled.sum()
    for row, share in zip(X[~is_labelled], shares, strict=True):
        for name, weight in zip(model.classes_, share, strict=True):
            if weight > 0.01:
                rows.append(row)
                names.append(name)
                weights.append(weight)
    expected = clone(student).fit(sparse.vstack(rows).tocsr(), names, sample_weight=weights)
    assert model.predict_proba(X) == pytest.approx(expected.predict_proba(X), abs=0.01)
    assert np.array_equal(model.predict(X), expected.predict(X))


def test_rows_without_a_label_make_it_better() -> None:
    X, _, y = make_rows(3)
    alone = NBSVM(C=8.0).fit(X[:6], y[:6])
    model = SelfTrainingClassifier(n_topics=3, random_state=0).fit(X, y)
    unseen, truth = make_texts(300, 3, seed=1)
    rows = CountVectorizer(vocabulary=sorted({w for one in SUBJECTS.values() for w in one}))
    scores = [np.mean(one.predict(rows.transform(unseen)) == truth) for one in (alone, model)]
    assert scores[1] > 0.97 > scores[0]


def test_without_such_rows_it_is_the_student() -> None:
    X, labels, _ = make_rows(3)
    model = SelfTrainingClassifier(NBSVM(C=2, random_state=5)).fit(X, labels)
    assert model.teacher_ is None
    alone = NBSVM(C=2, random_state=5).fit(X, labels)
    assert np.array_equal(model.estimator_.coef_, alone.coef_)


def test_the_same_seed_gives_the_same_model() -> None:
    X, _, y = make_rows()
    first, second = (SelfTrainingClassifier(random_state=3).fit(X, y) for _ in range(2))
    assert np.array_equal(first.estimator_.coef_, second.estimator_.coef_)


def test_labels_of_one_class_are_refused() -> None:
    X, _, _ = make_rows()
    y = np.array(["cooking", *[""] * (X.shape[0] - 1)])
    with pytest.raises(ValueError, match="1 classes; expected two or more"):
        SelfTrainingClassifier().fit(X, y)


def test_a_class_of_one_row_is_learned() -> None:
    X, labels, y = make_rows(2)
    y[:] = ""
    for label in set(labels):
        y[np.flatnonzero(labels == label)[0]] = label
    model = SelfTrainingClassifier(n_topics=2, random_state=0).fit(X, y)
    assert np.mean(model.predict(X) == labels) > 0.9


def make_frame(count: int = 12) -> tuple[pd.DataFrame, pd.Series]:
    texts, labels = make_texts(120)
    frame = pd.DataFrame({"text": texts[:count], "label": labels[:count]})
    return frame, pd.Series(texts[count:])


def test_features_learn_from_texts_without_a_label() -> None:
    frame, unlabelled = make_frame()
    pipeline = fit(make_pipeline(TfidfVectorizer(), LogisticRegression()), frame, unlabelled)
    vectorizer = TfidfVectorizer().fit([*frame["text"], *unlabelled])
    assert pipeline["features"].vocabulary_ == vectorizer.vocabulary_
    assert np.array_equal(pipeline["features"].idf_, vectorizer.idf_)
    expected = LogisticRegression().fit(vectorizer.transform(frame["text"]), frame["label"])
    assert pipeline["model"].coef_ == pytest.approx(expected.coef_)


def test_folds_share_the_vectors_of_texts_without_a_label() -> None:
    """Each fold has a vocabulary and weights of its own."""
    frame, unlabelled = make_frame()
    frame["text"] += [f" number{k}" for k in range(len(frame))]
    learned = []
    for rows in (frame[:8], frame[4:]):
        model = SelfTrainingClassifier(random_state=0)
        fit(make_pipeline(TfidfVectorizer(), model), rows, unlabelled)
        learned.append(dict(document_vectors._last))
    assert learned[0] == learned[1] != {}


@pytest.mark.parametrize("place", ["alone", "behind", "weighed"])
def test_features_that_need_labels_learn_from_labelled_rows(place: str) -> None:
    from sklearn.pipeline import Pipeline

    from sentiment.modeling.estimators.union import FeatureUnion

    features: Any = TfidfVectorizer(log_count_ratio=True)
    if place == "weighed":
        features = FeatureUnion([("a", TfidfVectorizer()), ("b", features)])
    if place == "behind":
        features = Pipeline([("count", CountVectorizer()), ("best", SelectKBest(chi2, k=5))])
    frame, unlabelled = make_frame()
    pipeline = fit(
        make_pipeline(features, SelfTrainingClassifier(random_state=0)), frame, unlabelled
    )
    rows = clone(features).fit(frame["text"], frame["label"])
    texts = pd.DataFrame({"text": [*frame["text"], *unlabelled]})
    assert (pipeline[:-1].transform(texts) != rows.transform(texts["text"])).nnz == 0
    assert pipeline["model"].teacher_ is not None


def test_predictions_are_as_fast_and_explained_as_those_of_the_student() -> None:
    frame, unlabelled = make_frame()
    model = SelfTrainingClassifier(n_topics=3, random_state=0)
    pipeline = fit(make_pipeline(TfidfVectorizer(), model), frame, unlabelled)
    fast = make_fast(pipeline)
    assert isinstance(fast, LinearTextClassifier)
    texts = pd.DataFrame({"text": unlabelled})
    assert fast.predict_proba(texts) == pytest.approx(pipeline.predict_proba(texts))
    strongest = top_terms(pipeline, 3)
    assert set(strongest["term"]) <= {word for words in SUBJECTS.values() for word in words}


def test_a_student_without_probabilities_is_calibrated_and_stays_linear() -> None:
    frame, unlabelled = make_frame()
    model = SelfTrainingClassifier(RidgeClassifier(), n_topics=3, random_state=0)
    pipeline = fit(make_pipeline(TfidfVectorizer(), model), frame, unlabelled)
    texts = pd.DataFrame({"text": unlabelled})
    probabilities = pipeline.predict_proba(texts)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    expected = pipeline["model"].estimator_.predict_proba(pipeline[:-1].transform(texts))
    assert np.array_equal(probabilities, expected)
    assert make_fast(pipeline).predict_proba(texts) == pytest.approx(probabilities)
    assert model.estimator.get_params() == RidgeClassifier().get_params()


def test_students_of_several_labels_are_those_of_each_label_alone() -> None:
    """Topics are found once for all; a label that each labelled row has needs no student."""
    rows, labels, _ = make_rows(3)
    names = sorted({*labels} - {""})
    alone = SelfTrainingClassifier(n_topics=5, random_state=0)
    unknown = labels == ""
    truth = {name: np.where(unknown, UNKNOWN, labels == name) for name in names}
    table = pd.DataFrame(truth | {"each": np.where(unknown, UNKNOWN, 1)})
    probabilities = LabelSetClassifier(alone).fit(rows, table).predict_proba(rows)
    for name, column in zip(names, probabilities.T, strict=False):
        y = np.where(unknown, "", np.where(labels == name, "yes", "no"))
        expected = clone(alone).fit(rows, y).predict_proba(rows)[:, 1]
        np.testing.assert_allclose(column, expected)
    assert (probabilities[:, -1] == 1).all()
