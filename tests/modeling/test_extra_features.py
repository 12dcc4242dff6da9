"""Columns beside the text in pipelines, against scikit-learn's parts put together by hand."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from predicting import predict
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import text as sklearn_text
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.pipeline import make_pipeline as put_together
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from sentiment.data.columns import MIN_ROWS, Column, decide_columns, name_kinds
from sentiment.modeling.columns import make_encoder, name_features
from sentiment.modeling.estimators.nbsvm import NBSVM
from sentiment.modeling.explanation import RowExplainer, explain_text, linear_weights, top_terms
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.model_files import digest_file, load_model, save_model
from sentiment.modeling.pipeline import find_encoder, fit, join_columns, list_columns, make_pipeline
from sentiment.modeling.scoring import Predictor
from sentiment.ngrams.vectorizers import TfidfVectorizer

ALL = {"price": "number", "stock": "number", "product": "category", "created": "date"}


def make_rows(seed: int, rows: int = 400) -> pd.DataFrame:
    """Return tickets whose label depends on a word, the product, the price and the month."""
    rng = np.random.default_rng(seed)
    names = ["phone", "tv", "radio", "rare 1", "rare 2", "rare 3"]
    product = rng.choice(names, rows, p=[0.5, 0.3, 0.19, 0.004, 0.003, 0.003])
    price, month = rng.normal(50, 20, rows), rng.integers(1, 13, rows)
    words = np.array(
        ["broken", "slow", "late", "nice", "screen", "battery", "refund", "order", "price", "cable"]
    )
    row_words = words[rng.integers(0, len(words), (rows, 4))]
    broken = (row_words == "broken").any(axis=1)
    signal = (product == "phone") * 1.5 + price / 40 + (month > 6) + broken * 2
    frame = pd.DataFrame(
        {
            "text": [" ".join(line) for line in row_words],
            "label": np.where(signal + rng.normal(0, 0.7, rows) > 3, "hardware", "service"),
            "price": [f"{value:.2f}" for value in price],
            "stock": [str(value) for value in rng.integers(0, 9, rows)],
            "product": product,
            "created": [
                f"2025-{m:02}-{d:02}T{d % 24:02}:00"
                for m, d in zip(month, rng.integers(1, 29, rows), strict=True)
            ],
        },
        dtype="str",
    )
    for name in ALL:
        frame[name] = frame[name].mask(rng.random(rows) < 0.1)
    return frame


def train(features: Any, model: Any, rows: pd.DataFrame, names: Any = tuple(ALL)) -> Pipeline:
    columns = decide_columns(rows, name_kinds(names))
    return fit(join_columns(make_pipeline(features, model), columns), rows)


def test_answers_are_those_of_a_column_transformer_made_by_hand() -> None:
    rows, new = make_rows(1), make_rows(2)
    pipeline = train(
        TfidfVectorizer(), LogisticRegression(C=3.0, solver="newton-cholesky", tol=1e-8), rows
    )
    dates = FunctionTransformer(
        lambda frame: pd.DataFrame(
            {
                part: getattr(pd.to_datetime(frame["created"], errors="coerce").dt, part)
                for part in ("month", "dayofweek", "hour")
            }
        )
    )
    years = FunctionTransformer(
        lambda frame: pd.to_datetime(frame["created"], errors="coerce").dt.year.to_frame()
    )
    floats = FunctionTransformer(lambda frame: frame.astype(float))
    numbers = [SimpleImputer(strategy="median", add_indicator=True), StandardScaler()]
    common = rows["product"].fillna("").value_counts()
    levels = sorted(common.index[common >= MIN_ROWS])
    reference = put_together(
        ColumnTransformer(
            [
                ("text", sklearn_text.TfidfVectorizer(), "text"),
                ("number", put_together(floats, *numbers), ["price", "stock"]),
                (
                    "category",
                    put_together(
                        SimpleImputer(strategy="constant", fill_value="", missing_values=np.nan),
                        OneHotEncoder(categories=[levels], handle_unknown="ignore"),
                    ),
                    ["product"],
                ),
                ("year", put_together(years, *numbers), ["created"]),
                ("date", put_together(dates, OneHotEncoder(handle_unknown="ignore")), ["created"]),
            ]
        ),
        LogisticRegression(C=3.0, solver="newton-cholesky", tol=1e-8),
    )
    plain = [frame.astype(object).where(frame.notna(), np.nan) for frame in (rows, new)]
    reference.fit(plain[0], plain[0]["label"])
    expected = reference.predict_proba(plain[1])
    np.testing.assert_allclose(predict(pipeline, new)[1], expected, atol=1e-6)
    assert (predict(pipeline, new)[0] == reference.predict(plain[1])).all()
    # The columns count: without them, it is right far less often.
    without = train(TfidfVectorizer(), LogisticRegression(C=3.0), rows, ())
    right = [np.mean(predict(model, new)[0] == new["label"]) for model in (pipeline, without)]
    assert right[0] > right[1] + 0.05


@pytest.mark.parametrize(
    ("dates", "parts"),
    [
        (["2025-01-06", "2026-02-07"], ["year", "month", "weekday"]),
        (["2026-01-05T10:00", "2026-01-12T11:00"], ["hour"]),
        (["2025-01-06", "2026-01-05", ""], ["year"]),
        (["2026-01-05", ""], ["year"]),
        (["2026-01-05"], ["year"]),
    ],
)
def test_parts_that_all_dates_share_have_no_feature(dates: list[str], parts: list[str]) -> None:
    values = pd.Series(dates * 10, dtype="str").replace("", None)
    rows = pd.DataFrame({"text": "a film", "label": ["a", "b"] * (len(values) // 2), "at": values})
    pipeline = train(TfidfVectorizer(), LogisticRegression(), rows, ["at"])
    encoder = find_encoder(pipeline)
    assert encoder is not None
    feature_parts = {name.partition("(")[2].partition(")")[0] for name in name_features(encoder)}
    assert feature_parts - {"missing"} == set(parts)
    # Another month, weekday or hour is as new to the model as one that it could not have learned.
    later = rows.assign(at="2026-07-01T23:00")
    assert len(predict(pipeline, later)[0]) == len(rows)


def test_of_two_dates_each_has_the_parts_that_differ_in_it() -> None:
    days = pd.date_range("2025-01-01", periods=60, freq="31h", tz="UTC")
    day = days.strftime("%Y-%m-%d")
    table = {
        "text": "a film",
        "label": ["a", "b"] * 30,
        "day": day,
        "at": days.strftime("%FT%H:%M"),
    }
    rows = pd.DataFrame(table | {"made": "2026-01-01T07:00"}, dtype="str")
    names = ["day", "at", "made"]
    pipeline = train(TfidfVectorizer(), LogisticRegression(), rows, names)
    encoder = find_encoder(pipeline)
    assert encoder is not None
    parts = {name.partition("=")[0] for name in name_features(encoder)}
    assert parts == {f"day ({part})" for part in ("month", "weekday")} | {
        f"at ({part})" for part in ("month", "weekday", "hour")
    }
    # Beside the times, the days have the features that they have alone.
    [values, alone] = [
        find_encoder(train(TfidfVectorizer(), LogisticRegression(), rows, columns))
        for columns in (names, ["day"])
    ]
    assert values is not None
    assert alone is not None
    is_day = [name.startswith("day ") for name in name_features(values)]
    np.testing.assert_array_equal(
        values.transform(rows).toarray()[:, is_day], alone.transform(rows).toarray()
    )


def test_dates_of_models_of_earlier_versions_have_their_names() -> None:
    rows = make_rows(1)
    encoder = make_encoder(decide_columns(rows, name_kinds(["created"])), positive=False)
    [(kind, steps, names)] = encoder.transformers
    parts = FeatureUnion([(name, inner) for name, inner, _ in steps["parts"].transformers])
    older = ColumnTransformer([(kind, Pipeline([steps.steps[0], ("parts", parts)]), names)])
    assert list(name_features(older.fit(rows))) == list(name_features(encoder.fit(rows)))


MODELS = {
    "logistic": (TfidfVectorizer(), LogisticRegression()),
    "svm": (TfidfVectorizer(ngram_range=(1, 2)), LinearSVC()),
    "bayes": (TfidfVectorizer(), ComplementNB()),
    "nbsvm": (TfidfVectorizer(), NBSVM()),
    "ratios": (TfidfVectorizer(log_count_ratio=True), LogisticRegression()),
    "selected": (
        Pipeline([("words", TfidfVectorizer()), ("best", SelectKBest(chi2, k=5))]),
        LogisticRegression(),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_fast_path_and_the_saved_model_say_the_same(name: str, tmp_path: Path) -> None:
    rows, new = make_rows(3), make_rows(4)
    pipeline = train(*MODELS[name], rows)
    expected = predict(pipeline, new)[1]
    fast = make_fast(pipeline)
    assert isinstance(fast, LinearTextClassifier)
    np.testing.assert_allclose(fast.predict_proba(new), expected, atol=1e-9)

    save_model(pipeline, tmp_path / "model.skops")
    # Audited as a file from anybody; a selection is loaded from one's own only.
    digest = digest_file(tmp_path / "model.skops") if name == "selected" else ""
    loaded = load_model(tmp_path / "model.skops", digest)
    assert list_columns(loaded) == ALL
    np.testing.assert_allclose(predict(loaded, new)[1], expected, atol=1e-9)
    assert isinstance(make_fast(loaded), LinearTextClassifier)


@pytest.mark.parametrize("model", [ComplementNB(), NBSVM(), RandomForestClassifier(20)])
def test_models_of_every_kind_learn_from_columns(model: Any) -> None:
    rows, new = make_rows(5), make_rows(6)
    pipeline = train(TfidfVectorizer(), model, rows)
    encoded = find_encoder(pipeline).transform(new)
    if not isinstance(model, RandomForestClassifier):
        assert encoded.min() >= 0  # and at most 1, also for prices beyond those of training
        assert encoded.max() <= 1
    assert np.mean(predict(pipeline, new)[0] == new["label"]) > 0.6


def test_values_that_training_did_not_have() -> None:
    rows = make_rows(7)
    pipeline = train(TfidfVectorizer(), LogisticRegression(), rows)
    strange = rows.head(6).assign(
        price=["inf", "1e400", "cheap", None, "-3", " "],
        product=["fridge", None, "PHONE", "rare 1", "", "x" * 500],
        created=["yesterday", None, "2031-13-45", "1850-01-01", "2025-02-03T04:05:06+02:00", "?"],
        stock=None,
    )
    strange["stock"] = strange["stock"].astype("str")
    answers = Predictor(pipeline).predict(strange["text"], strange)
    assert np.isfinite(answers.column("probability").to_numpy()).all()
    # What is unknown adds nothing, so that it does not matter what it is.
    changed = strange.assign(product=["oven", None, "Phone", "rare 2", "", "y"])
    assert Predictor(pipeline).predict(changed["text"], changed).equals(answers)


def test_each_column_is_named_and_explained() -> None:
    rows = make_rows(8)
    pipeline = train(TfidfVectorizer(), LogisticRegression(), rows)
    terms, weights = linear_weights(pipeline)
    names = set(terms)
    assert {"price", "price (number)", "price=(missing)", "product=phone"} <= names
    assert {"product=(missing)", "created (year)", "created (month)=Jul"} <= names
    assert not any(name.startswith("product=rare") for name in names)  # too few rows each
    assert len(names) == len(terms) == weights.shape[1]
    strongest = top_terms(pipeline).query("label == 'hardware'")["term"].tolist()
    assert {"product=phone", "broken", "price (number)"} <= set(strongest[:12])

    # The sum of what is named is what the model decides.
    explainer = RowExplainer(pipeline)
    sums = explainer.measure(rows) @ explainer.weights[1]
    decided = pipeline.decision_function(rows) - pipeline["model"].intercept_
    np.testing.assert_allclose(sums, decided, atol=1e-9)

    row = rows[rows["product"] == "phone"].iloc[0]
    explanation = explain_text(pipeline, row["text"], {name: row[name] for name in ALL})
    assert dict(explanation.terms)["product=phone"] != 0
    probabilities = pipeline.predict_proba(row.to_frame().T)[0]
    code = probabilities.argmax()
    margin = np.log(probabilities[code] / probabilities[1 - code])
    assert explanation.total == pytest.approx(margin, abs=1e-9)
    assert sum(weight for _, weight in explanation.words) == pytest.approx(
        sum(added for term, added in explanation.terms if " (" not in term and "=" not in term)
    )


def test_only_columns_that_are_needed_are_read() -> None:
    rows = make_rows(9)
    pipeline = train(TfidfVectorizer(), LogisticRegression(), rows, ["product"])
    expected = predict(pipeline, rows)[1]
    shuffled = rows[["created", "product", "label", "text"]]
    np.testing.assert_array_equal(predict(pipeline, shuffled)[1], expected)


def test_pipelines_without_columns_are_as_they_were() -> None:
    rows = make_rows(10)
    bare = make_pipeline(TfidfVectorizer(), LogisticRegression())
    assert join_columns(bare, []) is bare
    assert bare["text"].func("x" and {"text": 1}) == itemgetter("text")({"text": 1})
    assert list_columns(fit(bare, rows)) == {}


def test_a_thousand_levels_are_known_by_their_names() -> None:
    rng = np.random.default_rng(0)
    shops = np.repeat([f"shop {n:04}" for n in range(1000)], 6)
    labels = np.where(np.char.str_len(shops) > 0, rng.permuted(shops), "")
    good = np.array([int(name[5:]) % 2 for name in shops], bool)
    rows = pd.DataFrame(
        {"text": labels, "label": np.where(good, "good", "bad"), "shop": shops}, dtype="str"
    )
    pipeline = train(TfidfVectorizer(), LogisticRegression(C=100.0), rows, ["shop"])
    assert np.mean(predict(pipeline, rows)[0] == rows["label"]) > 0.99
    [column] = decide_columns(rows, {"shop": None})
    assert isinstance(column, Column)
    assert len(column.levels) == 1000
