import itertools
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import text as sklearn_text
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from sentiment.commands.explain.page import write_page
from sentiment.config import compose, make
from sentiment.errors import UnexplainableModelError
from sentiment.modeling.explanation import RowExplainer, explain_text, linear_weights, top_terms
from sentiment.modeling.explanation.words import (
    TextExplanation,
    _compile_units,
    _find_terms,
    _split_words,
)
from sentiment.modeling.pipeline import make_pipeline
from sentiment.modeling.scoring import Predictor

MODELS = ["logistic_regression", "svm", "naive_bayes", "sgd", "nbsvm"]


def fit(reviews: pd.DataFrame, *overrides: str, classes: int = 2) -> Pipeline:
    labels = reviews["label"].to_numpy(str)
    if classes == 3:
        labels = np.where(reviews["text"].str.len() > 1500, "long", labels)
    cfg = compose("train", list(overrides))
    return make_pipeline(make(cfg, "features"), make(cfg, "model")).fit(reviews, labels)


def to_log_odds(model: object, rows: object, classes: int) -> np.ndarray:
    """Return what scikit-learn's own probabilities say of each class, shape (n, classes)."""
    if classes == 3 and hasattr(model, "calibrated_classifiers_"):
        [inner] = model.calibrated_classifiers_
        margins = inner.estimator.decision_function(rows)
        sigmoids = zip(inner.calibrators, margins.T, strict=True)
        p = np.column_stack([sigmoid.predict(column) for sigmoid, column in sigmoids])
        return np.log(p / (1 - p))
    if (
        classes == 3
        and hasattr(model, "decision_function")
        and not isinstance(model, LogisticRegression)
    ):
        return np.asarray(model.decision_function(rows))
    logs = np.log(model.predict_proba(rows))  # type: ignore[attr-defined]
    return np.column_stack(
        [logs[:, k] - np.delete(logs, k, axis=1).mean(axis=1) for k in range(classes)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_in_log_odds(reviews: pd.DataFrame, model: str, classes: int) -> None:
    pipeline = fit(reviews, f"model={model}", "features=tfidf_unigram", classes=classes)
    term_weights = linear_weights(pipeline)
    assert term_weights is not None
    terms, weights = term_weights
    assert weights.shape == (classes, len(terms))
    # A text of one term has the tf-idf 1 for it, so that its weight is all that it adds.
    one_term = pipeline[:-1].transform(pd.DataFrame({"text": ["zzzz", *terms[:300]]}))
    scores = to_log_odds(pipeline["model"], one_term, classes)
    np.testing.assert_allclose(weights[:, :300].T, scores[1:] - scores[0], atol=1e-8)


def test_a_vote_is_the_mean_of_its_members(reviews: pd.DataFrame) -> None:
    pipeline = fit(reviews, "model=ensemble", "features=tfidf_unigram")
    term_weights = linear_weights(pipeline)
    assert term_weights is not None
    parts = []
    for member in pipeline["model"].estimators_:
        alone = linear_weights(Pipeline([*pipeline.steps[:-1], ("model", member)]))
        assert alone is not None
        parts.append(alone[1])
    np.testing.assert_allclose(term_weights[1], np.mean(parts, axis=0), atol=1e-12)


def test_other_models_cannot_be_explained(reviews: pd.DataFrame) -> None:
    pipeline = fit(reviews, "model=random_forest", "model.n_estimators=3")
    assert linear_weights(pipeline) is None
    with pytest.raises(UnexplainableModelError, match="predictions of RandomForestClassifier"):
        RowExplainer(pipeline)


def test_top_terms_distinguish(reviews: pd.DataFrame) -> None:
    pipeline = make_pipeline(sklearn_text.TfidfVectorizer(), LogisticRegression())
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    terms = top_terms(pipeline, 10)
    assert terms is not None
    assert terms.groupby("label")["rank"].apply(list).to_dict() == {
        label: list(range(1, 11)) for label in ("negative", "positive")
    }
    assert "bad" in set(terms.loc[terms["label"] == "negative", "term"])
    assert "great" in set(terms.loc[terms["label"] == "positive", "term"])
    assert (terms.groupby("label")["weight"].diff().dropna() <= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("features", ["tfidf", "union"])
@pytest.mark.parametrize("classes", [2, 3])
def test_rows_name_their_strongest_terms(
    reviews: pd.DataFrame, features: str, classes: int
) -> None:
    pipeline = fit(reviews, f"features={features}", classes=classes)
    term_weights = linear_weights(pipeline)
    assert term_weights is not None
    frame = pd.DataFrame({"text": [*reviews["text"].tail(40), "", "zzzz"]})
    codes = np.argmax(pipeline.predict_proba(frame), axis=1)
    reasons = RowExplainer(pipeline, count=3).explain(frame, codes)
    rows = pipeline[:-1].transform(frame).toarray()
    for row, code in enumerate(codes):
        # A word is a run of characters as well; what both parts know is one term.
        added = (
            pd.Series(rows[row] * term_weights[1][code], term_weights[0])
            .groupby(level=0, sort=False)
            .sum()
        )
        for k, sign in enumerate((1, -1)):
            contributions = [
                contribution.rpartition(" ")
                for contribution in reasons[k][row].as_py().split("; ")
                if contribution
            ]
            values = [float(value) for _, _, value in contributions]
            strongest = np.sort((sign * added[sign * added > 0]).to_numpy())[::-1][:3] * sign
            assert values == pytest.approx(strongest.tolist(), abs=0.00501)
            terms = [term for term, _, _ in contributions]
            assert len(set(terms)) == len(terms)
            assert [added[term] for term in terms] == pytest.approx(values, abs=0.00501)


def test_what_several_parts_know_is_one_piece_of_evidence(reviews: pd.DataFrame) -> None:
    pipeline = fit(reviews, "features=nb_union")
    explanation = explain_text(pipeline, "A great, great film.")
    terms = [term for term, _ in explanation.terms]
    assert len(set(terms)) == len(terms)
    assert not any("__" in term for term in terms)
    names, weights = linear_weights(pipeline)
    [row] = pipeline[:-1].transform(pd.DataFrame({"text": ["A great, great film."]})).toarray()
    code = list(pipeline.classes_).index(explanation.label)
    assert np.count_nonzero(names == "great") == 3
    assert dict(explanation.terms)["great"] == pytest.approx(
        (row * weights[code])[names == "great"].sum()
    )
    top = top_terms(pipeline, 20)
    assert not top["term"].str.contains("__").any()
    assert not top.duplicated(["label", "term"]).any()


TEXT = "Not a <b>great</b> film, but GREAT fun; İ ate a cake &amp; wasn't bored: a dull, bad start."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("features", "model"),
    [
        *itertools.product(["tfidf", "char", "union", "nb", "nb_union"], MODELS),
        # Plain counts are too large for a support vector machine to be done with them.
        *itertools.product(["counts"], ["logistic_regression", "naive_bayes", "nbsvm"]),
    ],
)
def test_words_add_up_to_the_answer(reviews: pd.DataFrame, features: str, model: str) -> None:
    pipeline = fit(reviews, f"features={features}", f"model={model}")
    explanation = explain_text(pipeline, TEXT)
    [p] = pipeline.predict_proba(pd.DataFrame({"text": [TEXT]}))
    assert list(explanation.probabilities.values()) == pytest.approx(p.tolist())
    assert explanation.label == pipeline.classes_[p.argmax()]
    assert explanation.total == pytest.approx(np.log(p.max() / p.min()), abs=1e-6)
    term_sum = sum(added for _, added in explanation.terms)
    assert explanation.base + term_sum == pytest.approx(explanation.total, abs=1e-9)
    assert sum(added for _, added in explanation.words) == pytest.approx(term_sum, abs=1e-9)
    assert "".join(word for word, _ in explanation.words) == (
        "Not a great film, but GREAT fun; İ ate a cake & wasn't bored: a dull, bad start."
    )
    # Each occurrence of a word has its part.
    great = [added for word, added in explanation.words if word.lower() == "great"]
    assert len(great) == 2


@pytest.mark.parametrize("classes", [2, 3])
def test_the_model_itself_predicts_once_for_all_explanations(
    reviews: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, classes: int
) -> None:
    """With thousands of classes, a prediction by scikit-learn takes seconds."""
    pipeline = fit(reviews.head(300), "features=tfidf_unigram", classes=classes)
    rows, predict = [], LogisticRegression.predict_proba
    monkeypatch.setattr(
        LogisticRegression, "predict_proba", lambda *given: rows.append(given[1]) or predict(*given)
    )
    predictor = Predictor(pipeline)
    first, second = (predictor.explain(text, {}, "negative") for text in (TEXT, "great"))
    assert [matrix.nnz for matrix in rows] == [0]
    assert first.base == second.base
    nothing = predict(pipeline["model"], rows[0])[0]
    logs = dict(zip(pipeline.classes_, np.log(nothing), strict=True))
    other_logs = [log for label, log in logs.items() if label != "negative"]
    assert first.base == pytest.approx(logs["negative"] - np.mean(other_logs))


@pytest.mark.parametrize(
    ("text", "words", "characters"),
    [
        (
            "快递很好, it's",
            ["快递很好", ",", " ", "it's"],
            ["快", "递", "很", "好", ",", " ", "it's"],
        ),
        ("ส่งช้า", ["ส่งช้า"], ["ส่", "ง", "ช้", "า"]),
        ("हिन्दी में", ["हिन्दी", " ", "में"], ["हिन्दी", " ", "में"]),
        ("cafe\u0301!", ["cafe\u0301", "!"], ["cafe\u0301", "!"]),
        ("👩\u200d🚀👍🏽", ["👩\u200d🚀", "👍🏽"], ["👩\u200d🚀", "👍🏽"]),
    ],
)
def test_pieces_are_whole_characters(text: str, words: list[str], characters: list[str]) -> None:
    for of_words, pieces in ((True, words), (False, characters)):
        added = np.arange(float(len(text)))
        split = _split_words(text, added, _compile_units(of_words))
        assert [piece for piece, _ in split] == pieces
        assert sum(value for _, value in split) == added.sum()


@given(st.text(max_size=30), st.booleans())
def test_pieces_are_the_text(text: str, of_words: bool) -> None:
    split = _split_words(text, np.zeros(len(text)), _compile_units(of_words))
    assert "".join(piece for piece, _ in split) == text


@given(
    st.text("abcd ÉİßΣ,.!'\n\u00a0xy", max_size=40),
    st.sampled_from(["word", "char", "char_wb"]),
    st.sampled_from([None, "unicode", "ascii"]),
    st.tuples(st.integers(1, 3), st.integers(3, 5)),
)
@settings(deadline=None, max_examples=300)
def test_terms_are_found_where_scikit_learn_finds_them(
    text: str, analyzer: str, strip: str | None, ngram_range: tuple[int, int]
) -> None:
    text = re.sub(r"\s+", " ", text)
    vectorizer = sklearn_text.CountVectorizer(
        analyzer=analyzer, ngram_range=ngram_range, strip_accents=strip,
        token_pattern=r"(?u)\b\w+\b", stop_words=["a"] if analyzer == "word" else None,
    )  # fmt: skip
    prepared = vectorizer.build_preprocessor()(text)
    alone = "".join(map(vectorizer.build_preprocessor(), text))
    if re.search(r"\s\s", prepared):
        return  # where a character vanishes between two spaces, scikit-learn makes them one
    if len(prepared) != len(text) and prepared != alone:
        return  # a character that changes with its neighbors, among others that grow
    occurrences = list(_find_terms(vectorizer, text))
    assert Counter(term for term, _ in occurrences) == Counter(vectorizer.build_analyzer()(text))
    for _, spans in occurrences:
        assert all(0 <= a < b <= len(text) for a, b in spans)


class _Page(HTMLParser):
    """Reads a page, and checks that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.shown = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.shown += data


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_the_sum_is_named_and_follows_from_the_probabilities(
    reviews: pd.DataFrame, classes: int
) -> None:
    pipeline = fit(reviews, "features=tfidf_unigram", classes=classes)
    text = "a superb film, and a bore"
    explanation = explain_text(pipeline, text)
    [p] = pipeline.predict_proba(pd.DataFrame({"text": [text]}))
    is_label = pipeline.classes_ == explanation.label
    expected = np.log(p[is_label]).item() - np.log(p[~is_label]).mean()
    assert explanation.total == pytest.approx(expected)
    label = f"'{explanation.label}'"
    unit, others = ("log-odds", "") if classes == 2 else ("score", " against the other classes")
    assert explanation.describe_sum().endswith(f" = {expected:+.2f} {unit} of {label}{others}")
    assert f"<th>{unit}</th>" in write_page(explanation, [])


def test_a_page_shows_it_all_and_runs_nothing() -> None:
    words = [("<script>alert(1)</script>", 1.5), (" ", 0.0), ("&", -0.5), ("plain", 0.0)]
    explanation = TextExplanation(
        label="<b>", probabilities={"<b>": 0.9, "c": 0.1}, words=words,
        terms=[("<script>", 1.5), ("&", -0.5)], base=0.25, total=1.25,
    )  # fmt: skip
    html = write_page(explanation, ["model <m>"])
    page = _Page()
    page.feed(html)
    assert page.open == []
    assert page.links == []
    assert "<script" not in html
    for piece in ("Why this is <b>", "<script>alert(1)</script> &plain", "+1.500", "model <m>"):
        assert piece in page.shown
    assert "+0.25 (intercept) + 1.00 (words) = +1.25 log-odds of '<b>'." in page.shown


def test_a_page_lists_labels_that_cannot_be_taken_for_others() -> None:
    """Labels with a comma, with marks that reverse what follows, very long ones, and many."""
    labels = ["\u202eevil", "a, b", "A" * 1000, *(f"class {k:04}" for k in range(2000))]
    rising = np.arange(1.0, len(labels) + 1)
    probabilities = dict(zip(labels, rising[::-1] / rising.sum(), strict=True))
    explanation = TextExplanation(
        label="\u202eevil", probabilities=probabilities, words=[("good", 1.0)],
        terms=[("good", 1.0)], base=0.0, total=1.0, prediction="a, b",
    )  # fmt: skip
    page = _Page()
    page.feed(write_page(explanation, []))
    assert r"Why this is \u202eevil" in page.shown
    assert "\u202e" not in page.shown
    long = f"'{'A' * 40}…{'A' * 39}' 0.0010"
    assert rf"'\u202eevil' 0.0010, 'a, b' 0.0010, {long}, 'class 0000' 0.0010, " in page.shown
    assert "'class 0006' 0.0010 and 1,993 more; predicted: 'a, b'" in page.shown


def test_an_explanation_shows_itself_in_a_notebook() -> None:
    """All of it is escaped, and of many terms the strongest are shown."""
    terms = [("<script>", 1.5), (" a\u202e", -0.5), *((f"word{k}", 0.1) for k in range(20))]
    explanation = TextExplanation(
        label="<b>", probabilities={"<b>": 0.9, "c": 0.1}, words=[("word", 0.1)] * 1000,
        terms=terms, base=0.25, total=1.25, prediction="",
    )  # fmt: skip
    html = explanation._repr_html_()
    table = _Page()
    table.feed(html)
    assert table.open == []
    assert "<script" not in html
    assert "<b>" not in html
    assert "label'<b>' ('<b>' 0.9000, 'c' 0.1000)predictedno label" in table.shown
    assert "for<script> +1.50, word0 +0.10, " in table.shown
    assert "word8 +0.10 and 11 moreagainst␣a\\u202e -0.50sum+0.25 (intercept) + " in table.shown
    assert repr(explanation) == "<TextExplanation of '<b>': '<b>' 0.9000, 'c' 0.1000>"
