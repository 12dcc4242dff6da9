import json
import math
import subprocess
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction import text
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import normalize

from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.estimators.voting import make_soft_vote
from sentiment.modeling.model_files import load_model, save_model
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.cleaning import Cleaner
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.ngrams.weighting import compute_log_count_ratio, compute_term_weights

FILMS = [
    "good good film",
    "a film, bad bad bad",
    "good plot",
    "bad plot, bad film, good end",
    "the",
]
SIDES = ["yes", "no", "yes", "no", "no"]


def ratio_by_loops(counts: Any, side: Any, alpha: Fraction | float) -> list[Any]:
    """Quotients whose logarithm is the ratio."""
    features = range(len(counts[0]))
    p, q = [alpha for _ in features], [alpha for _ in features]
    for row, inside in zip(counts, side, strict=True):
        for feature in features:
            (p if inside else q)[feature] += row[feature]
    return [(p[k] / sum(p)) / (q[k] / sum(q)) for k in features]


tables = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.tuples(st.lists(st.integers(0, 50), min_size=width, max_size=width), st.booleans()),
        min_size=1, max_size=8,
    )
)  # fmt: skip


@settings(deadline=None, derandomize=True)
@given(table=tables, alpha=st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(30)]))
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csr_array])
def test_the_ratio_in_loops_and_in_fractions(form: Any, table: Any, alpha: Fraction) -> None:
    counts, is_positive = [row for row, _ in table], np.array([inside for _, inside in table])
    ratio = compute_log_count_ratio(form(np.array(counts)), is_positive, float(alpha))
    expected = [
        math.log(quotient) for quotient in ratio_by_loops(counts, is_positive, float(alpha))
    ]
    exact = [math.log(quotient) for quotient in ratio_by_loops(counts, is_positive, alpha)]
    np.testing.assert_allclose(ratio, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(ratio, exact, rtol=1e-10, atol=1e-13)
    assert ratio.shape == (len(counts[0]),)
    np.testing.assert_allclose(
        compute_log_count_ratio(form(np.array(counts)), ~is_positive, float(alpha)),
        -ratio,
        atol=1e-13,
    )


def test_the_ratio_of_a_small_example() -> None:
    counts = np.array([[2, 0, 1], [3, 1, 0], [0, 4, 1]])
    # yes: 1 + (5, 1, 1), of 10; no: 1 + (0, 4, 1), of 8
    expected = np.log([(6 / 10) / (1 / 8), (2 / 10) / (5 / 8), (2 / 10) / (2 / 8)])
    is_positive = np.array([True, True, False])
    np.testing.assert_allclose(
        compute_log_count_ratio(counts, is_positive, 1.0), expected, rtol=1e-14
    )


@pytest.mark.parametrize("norm", ["l2", "l1", None])
@pytest.mark.parametrize("sublinear_tf", [False, True])
@pytest.mark.parametrize("use_idf", [False, True])
@pytest.mark.parametrize(
    "case", [{}, {"binary": True}, {"min_df": 2, "ngram_range": (1, 2)}, {"smooth_idf": False}],
    ids=str,
)  # fmt: skip
def test_weights_by_hand(
    case: dict[str, Any], use_idf: bool, sublinear_tf: bool, norm: str | None
) -> None:
    ours = TfidfVectorizer(
        log_count_ratio=True, alpha=0.5,
        use_idf=use_idf, sublinear_tf=sublinear_tf, norm=norm, **case,
    )  # fmt: skip
    matrix = ours.fit_transform(FILMS, SIDES)
    smooth = case.get("smooth_idf", True)
    plain = text.CountVectorizer(**{k: v for k, v in case.items() if k != "smooth_idf"})
    counts = plain.fit_transform(FILMS).toarray()
    is_positive = [label == "yes" for label in SIDES]
    weights = np.abs(np.log(ratio_by_loops(counts, is_positive, 0.5)))
    if use_idf:
        frequencies = (counts > 0).sum(axis=0)
        weights *= np.log((len(FILMS) + smooth) / (frequencies + smooth)) + 1
    assert ours.vocabulary_ == plain.vocabulary_
    assert len(set(weights.round(6))) > 2
    np.testing.assert_allclose(ours.idf_, weights, rtol=1e-12)

    other_texts = ["good good good film", "unseen", *FILMS]
    for actual, texts in ((matrix, FILMS), (ours.transform(other_texts), other_texts)):
        rows = plain.transform(texts).toarray().astype(float)
        if sublinear_tf:
            rows[rows > 0] = np.log(rows[rows > 0]) + 1
        rows *= weights
        expected = normalize(rows, norm) if norm else rows
        np.testing.assert_allclose(actual.toarray(), expected, rtol=1e-12)
    theirs = ours.to_sklearn()
    assert type(theirs) is text.TfidfVectorizer
    assert theirs.use_idf
    np.testing.assert_allclose(
        theirs.transform(other_texts).toarray(), ours.transform(other_texts).toarray(), rtol=1e-12
    )
    np.testing.assert_array_equal(theirs.idf_, ours.idf_)


@pytest.mark.parametrize(
    "y",
    [SIDES, np.array(SIDES), np.array(SIDES, object), pd.Series(SIDES, index=[7, 3, 9, 1, 0]),
     pd.Series(SIDES, dtype="category"), [1, 0, 1, 0, 0], [True, False, True, False, False],
     [False, True, False, True, True]],
    ids=lambda y: f"{type(y).__name__} of {type(y[0] if isinstance(y, list) else y).__name__}",
)  # fmt: skip
def test_labels_of_all_kinds_give_the_same_weights(y: Any) -> None:
    expected = TfidfVectorizer(log_count_ratio=True).fit(FILMS, SIDES).idf_
    idf = TfidfVectorizer(log_count_ratio=True).fit(FILMS, y).idf_
    np.testing.assert_allclose(idf, expected, rtol=1e-12)


@pytest.mark.parametrize(("y", "count"), [(None, 0), (["yes"] * 5, 1)])
def test_labels_of_fewer_than_two_classes(y: Any, count: int) -> None:
    vectorizer = TfidfVectorizer(log_count_ratio=True)
    for fit in (vectorizer.fit, vectorizer.fit_transform):
        with pytest.raises(ValueError, match="log_count_ratio") as caught:
            fit(FILMS, y)
        assert str(caught.value) == (
            f"log_count_ratio weighs terms by their class, and y has {count} classes; "
            "expected two or more."
        )
    assert clone(vectorizer).set_params(log_count_ratio=False).fit(FILMS, y).idf_.min() >= 1


labelled_tables = st.integers(1, 6).flatmap(
    lambda width: st.lists(
        st.tuples(
            st.lists(st.integers(0, 50), min_size=width, max_size=width), st.sampled_from("abcd")
        ),
        min_size=2, max_size=12,
    ).filter(lambda table: len({label for _, label in table}) > 1)
)  # fmt: skip


@pytest.mark.slow
@settings(deadline=None, derandomize=True)
@given(table=labelled_tables, alpha=st.sampled_from([0.25, 1.0, 30.0]))
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_a_term_weighs_what_it_says_for_its_best_class(form: Any, table: Any, alpha: float) -> None:
    counts, labels = [row for row, _ in table], [label for _, label in table]
    weights = compute_term_weights(form(np.array(counts)), labels, alpha)
    ratios = [
        [math.log(quotient) for quotient in ratio_by_loops(counts, indicator, alpha)]
        for indicator in (
            [label == class_label for label in labels] for class_label in sorted(set(labels))
        )
    ]
    expected = np.maximum(np.max(ratios, axis=0), 0)
    np.testing.assert_allclose(weights, expected, rtol=1e-10, atol=1e-12)
    if len(ratios) == 2:
        ratio = compute_log_count_ratio(
            form(np.array(counts)), np.array(labels) == max(labels), alpha
        )
        np.testing.assert_array_equal(weights, np.abs(ratio))


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0}, {"alpha": -1.0}, {"alpha": "1"}, {"log_count_ratio": "yes"}], ids=str
)
def test_parameters_out_of_range(wrong: dict[str, Any]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"The '{name}' parameter of TfidfVectorizer must be"):
        TfidfVectorizer(**{"log_count_ratio": True, **wrong}).fit(FILMS, SIDES)


def test_weights_come_from_the_training_rows_only(reviews: pd.DataFrame, tmp_path: Path) -> None:
    rows = reviews.iloc[100:300]
    texts, labels = rows["text"].to_numpy(str), rows["label"].to_numpy(str)
    vectorizer = TfidfVectorizer(log_count_ratio=True, use_idf=False, min_df=2, n_jobs=1)
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(texts, labels))
    expected = np.zeros((len(rows), 2))
    for training, held_out in folds:
        words = text.CountVectorizer(min_df=2)
        counts = words.fit_transform(texts[training])
        inside = labels[training] == "positive"
        p, q = (1 + np.ravel(counts[mask].sum(axis=0)) for mask in (inside, ~inside))
        weights = sparse.diags(np.abs(np.log((p / p.sum()) / (q / q.sum()))))
        model = LogisticRegression().fit(normalize(counts @ weights), labels[training])
        expected[held_out] = model.predict_proba(
            normalize(words.transform(texts[held_out]) @ weights)
        )
    for folder in (None, tmp_path):
        words = clone(vectorizer).set_params(memory=folder)
        if folder:
            words.precompute_counts(texts)
        pipeline = Pipeline([("features", words), ("model", LogisticRegression())])
        probabilities = cross_val_predict(pipeline, texts, labels, cv=folds, method="predict_proba")
        np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    everything = vectorizer.fit(texts, labels)
    pipeline.fit(texts, labels)
    np.testing.assert_array_equal(pipeline["features"].idf_, everything.idf_)


def test_a_union_passes_the_labels_on() -> None:
    parts = [
        ("words", TfidfVectorizer(log_count_ratio=True)),
        ("letters", TfidfVectorizer(log_count_ratio=True, analyzer="char_wb", ngram_range=(2, 3))),
        ("counts", CountVectorizer()),
    ]
    union = FeatureUnion(parts)
    matrix = union.fit_transform(FILMS, SIDES).toarray()
    expected = [clone(part).fit_transform(FILMS, SIDES).toarray() for _, part in parts]
    np.testing.assert_array_equal(matrix, np.hstack(expected))
    fitted = union.fit(FILMS, SIDES).transform(FILMS).toarray()
    np.testing.assert_array_equal(fitted, matrix)


def make_model(kind: str) -> Any:
    model = NBSVM(C=0.1, random_state=0)
    if kind == "vote":
        return make_soft_vote({"nbsvm": model, "bayes": ComplementNB()}, {"nbsvm": 2.0})
    return model if kind == "nbsvm" else LogisticRegression()


# VotingClassifier keeps its members as they were before the fit, too.
VOTE = "vote"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["regression", "nbsvm", VOTE])
@pytest.mark.parametrize("classes", [2, 3])
def test_models_come_back_from_their_files(
    reviews: pd.DataFrame, tmp_path: Path, kind: str, classes: int
) -> None:
    rows = reviews.iloc[120:280]
    labels = rows["label"].to_numpy(str)
    if classes == 3:
        labels[::3] = "mixed"
    words = TfidfVectorizer(
        log_count_ratio=True, use_idf=kind != "nbsvm", min_df=2, memory=tmp_path / "counts"
    )
    common = CountVectorizer(binary=True, max_features=20)
    union = FeatureUnion([("words", words), ("common", common)])
    pipeline = make_pipeline(union, make_model(kind)).fit(rows, labels)
    save_model(pipeline, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    assert type(loaded["clean"]) is Cleaner
    fast = [type(part) for _, part in loaded["features"].transformer_list]
    assert fast == [TfidfVectorizer, CountVectorizer]
    assert loaded.classes_.tolist() == sorted(set(labels))
    assert len(loaded.classes_) == classes
    assert (loaded.predict(rows) == pipeline.predict(rows)).all()
    np.testing.assert_allclose(
        loaded.predict_proba(rows), pipeline.predict_proba(rows), rtol=0, atol=1e-14
    )
    save_model(loaded, tmp_path / "again.skops")  # and once more
    np.testing.assert_array_equal(
        load_model(tmp_path / "again.skops").predict_proba(rows), loaded.predict_proba(rows)
    )


@pytest.mark.process
def test_a_file_of_weights_and_nbsvm_needs_no_sentiment(
    reviews: pd.DataFrame, tmp_path: Path
) -> None:
    rows = reviews[["text"]][120:280]
    rows.to_parquet(tmp_path / "texts.parquet")
    labels = reviews["label"][120:280].to_numpy(str)
    three = np.where(np.arange(len(rows)) % 3, labels, "mixed")
    models = [("plain", labels), *product(("nbsvm", VOTE), (labels, three))]
    expected = []
    for number, (model, y) in enumerate(models):
        words = TfidfVectorizer(log_count_ratio=True, use_idf=False, max_features=500)
        pipeline = make_pipeline(words, make_model(model)).fit(rows, y)
        save_model(pipeline, tmp_path / f"{number}.skops")
        expected.append([pipeline.predict(rows).tolist(), pipeline.predict_proba(rows).tolist()])
    program = (
        "import sys; sys.modules['sentiment'] = None\n"  # an import of it would now fail
        "import pandas, skops.io, json\n"
        "rows, said = pandas.read_parquet('texts.parquet'), []\n"
        f"for name in {[f'{number}.skops' for number in range(len(models))]}:\n"
        "    model = skops.io.load(name, trusted=skops.io.get_untrusted_types(file=name))\n"
        "    said.append([model.predict(rows).tolist(), model.predict_proba(rows).tolist()])\n"
        "print(json.dumps(said))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for (predicted, scores), (answer, margins) in zip(
        expected, json.loads(process.stdout), strict=True
    ):
        assert answer == predicted
        np.testing.assert_allclose(margins, scores, rtol=0, atol=1e-12)
