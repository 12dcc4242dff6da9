import io
import json
import pickle
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomTreesEmbedding,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from sentiment.config import compose, make
from sentiment.errors import UntrustedModelError
from sentiment.modeling.model_files import digest_file, load_model, make_savable, save_model
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams import vectorizers as ours

MODELS = [
    "logistic_regression",
    "svm",
    "naive_bayes",
    "sgd",
    "nbsvm",
    "ensemble",
    "random_forest",
]


@pytest.fixture
def texts(reviews: pd.DataFrame) -> pd.DataFrame:
    return reviews[["text"]].head(50)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("features", ["tfidf_unigram", "union"])
def test_a_saved_model_says_what_the_fitted_one_said(
    reviews: pd.DataFrame, texts: pd.DataFrame, tmp_path: Path, model: str, features: str
) -> None:
    small = ["model.n_estimators=20"] if model == "random_forest" else []
    cfg = compose("train", [f"model={model}", f"features={features}", *small])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    save_model(pipeline, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    # The threads of a forest add up in any order.
    np.testing.assert_allclose(
        loaded.predict_proba(texts), pipeline.predict_proba(texts), rtol=0, atol=1e-14
    )
    assert loaded.classes_.tolist() == ["negative", "positive"]
    names = loaded["features"].get_feature_names_out()
    assert names.tolist() == pipeline["features"].get_feature_names_out().tolist()
    assert (loaded.predict(texts) == pipeline.predict(texts)).all()


@pytest.mark.process
def test_a_model_loads_without_this_package(
    reviews: pd.DataFrame, texts: pd.DataFrame, tmp_path: Path
) -> None:
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    save_model(pipeline, tmp_path / "m.skops")
    texts.to_parquet(tmp_path / "texts.parquet")
    program = (
        "import sys; sys.modules['sentiment'] = None\n"  # an import of it would now fail
        "import pandas, skops.io, json\n"
        "trusted = skops.io.get_untrusted_types(file='m.skops')\n"
        "model = skops.io.load('m.skops', trusted=trusted)\n"
        "print(json.dumps(model.predict(pandas.read_parquet('texts.parquet')).tolist()))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(process.stdout) == pipeline.predict(texts).tolist()


def test_making_a_model_plain_changes_the_copy_only(texts: pd.DataFrame) -> None:
    words, runs = CountVectorizer(), TfidfVectorizer(analyzer="char", ngram_range=(1, 2))
    union = FeatureUnion([("words", words), ("runs", runs)])
    pipeline = Pipeline([("union", union)])
    rows = [*texts["text"], "nul \x00", "x\x00"]
    expected = pipeline.fit(rows).transform(rows)
    small = make_savable(pipeline)
    assert hasattr(words, "vocabulary_")
    assert words.vocabulary is None
    parts = dict(small["union"].transformer_list)
    assert isinstance(parts["words"].vocabulary, np.ndarray)
    assert parts["runs"].vocabulary is None  # it has a run that ends with NUL
    assert (small.transform(rows) != expected).nnz == 0


class Foreign(BaseEstimator):
    """Somebody else's step."""

    def fit(self, x: object, y: object = None) -> "Foreign":
        return self

    def transform(self, x: object) -> object:
        return x


def write_zip(path: Path, content: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", content)


def hostile(kind: str, path: Path) -> None:
    """Write a model file that must not be loaded."""
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Pipeline([("x", FunctionTransformer())])))
    elif kind == "joblib":
        joblib.dump(Pipeline([("x", FunctionTransformer())]), path)
    elif kind == "foreign step":
        skops.io.dump(Pipeline([("x", Foreign())]), path)
    elif kind == "system call":
        skops.io.dump(Pipeline([("x", FunctionTransformer(subprocess.getoutput))]), path)
    elif kind == "eval":
        skops.io.dump(Pipeline([("x", FunctionTransformer(eval))]), path)
    elif kind == "no zip":
        path.write_text("hello")
    elif kind == "zip without schema":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme", "hello")
    elif kind == "broken schema":
        write_zip(path, "{")
    elif kind == "unknown loader":
        write_zip(path, json.dumps({"__loader__": "X", "__class__": "y", "__module__": "z"}))
    elif kind == "not a pipeline":
        skops.io.dump(LogisticRegression(), path)
    elif kind == "pipeline without model":
        skops.io.dump(Pipeline([("x", FunctionTransformer())]), path)
    elif kind == "trees without texts":
        tree = DecisionTreeClassifier().fit(pd.DataFrame({"text": [0.0, 1.0]}), ["a", "b"])
        skops.io.dump(Pipeline([("x", FunctionTransformer()), ("y", tree)]), path)
    elif kind == "trees in front":
        trees = RandomTreesEmbedding(2).fit([[0.0], [1.0]])
        last = LogisticRegression().fit(trees.transform([[0.0], [1.0]]), ["a", "b"])
        skops.io.dump(Pipeline([("x", trees), ("y", last)]), path)
    elif kind == "cut off":
        file = io.BytesIO()
        file.write(skops.io.dumps(Pipeline([("x", FunctionTransformer())])))
        path.write_bytes(file.getvalue()[:-40])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pickle", "it is not a sound skops file"),
        ("joblib", "it is not a sound skops file"),
        ("foreign step", "Foreign"),
        ("system call", "subprocess.getoutput"),
        ("eval", "it holds builtins.eval"),
        ("no zip", "it is not a sound skops file"),
        ("zip without schema", "it is not a sound skops file"),
        ("broken schema", "it is not a sound skops file"),
        ("unknown loader", "it holds z.y"),
        ("not a pipeline", "it is not a text classification pipeline"),
        ("pipeline without model", "it holds sklearn.preprocessing._function_transformer.Func"),
        ("trees without texts", "it holds sklearn.preprocessing._function_transformer.Func"),
        ("trees in front", "it holds sklearn.ensemble._forest.RandomTreesEmbedding"),
        ("cut off", "it is not a sound skops file"),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, kind: str, reason: str) -> None:
    path = tmp_path / "m.skops"
    hostile(kind, path)
    with pytest.raises(UntrustedModelError) as caught:
        load_model(path)
    assert reason in str(caught.value)


QUICK = [
    r"\S+",
    r"(?u)#?\w+",
    r"[@#]?[a-z0-9_]{2,}",
    r"\w+(?:[-']\w+)*",
    r"[a-z]+(?:'[a-z]+)?|[!?]",
    r"(\d+(?:\.\d+)*)",
    r"(?i)\bno\b|\bnot\b|\w\w+",
    r"[:;]-?[()DP]|\w+?\b",
]
SLOW = [
    r"(\w+\s?)+",
    r"\w+(?:-?\w+)*",
    r"\w+(?:\w'\w+)*",
    r"\S+(?:'\S+)*",
    r"(?:[a-z]+|[0-9]+)*",
    r"\w*\w*x",
    r"(?:\w{1,500}){1,500}",
    r"(\w)\1",
    r"(?<=a)b",
]


@pytest.mark.slow
@pytest.mark.parametrize("pattern", QUICK)
def test_models_with_patterns_of_their_own_are_saved(
    reviews: pd.DataFrame, tmp_path: Path, pattern: str
) -> None:
    features = ours.TfidfVectorizer(token_pattern=pattern)
    pipeline = make_pipeline(features, LogisticRegression())
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    save_model(pipeline, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    assert (loaded.predict(reviews) == pipeline.predict(reviews)).all()
    start = time.process_time()
    for character in "a-'1.:#":
        re.findall(pattern, character * 1000)
        re.findall(pattern, f"a{character}" * 500 + "!")
    assert time.process_time() - start < 5


@pytest.mark.parametrize("pattern", SLOW)
def test_patterns_that_may_be_slow_are_loaded_from_own_files_only(
    tmp_path: Path, pattern: str
) -> None:
    texts = pd.DataFrame({"text": ["a bb 1 x", "a'bb x c-c ab"]})
    features = ours.TfidfVectorizer(token_pattern=r"\w+")
    pipeline = make_pipeline(features, LogisticRegression()).fit(texts, ["n", "p"])
    features.token_pattern = pattern
    save_model(pipeline, tmp_path / "m.skops")
    with pytest.raises(UntrustedModelError, match="a token pattern that may take for ever"):
        load_model(tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops", digest_file(tmp_path / "m.skops"))
    assert loaded["features"].token_pattern == pattern


@pytest.mark.parametrize(
    "model",
    [
        BaggingClassifier(LogisticRegression(), n_estimators=2, random_state=0),
        BernoulliNB(),
        CalibratedClassifierCV(LinearSVC(), method="isotonic", cv=2),
        DecisionTreeClassifier(random_state=0),
        ExtraTreesClassifier(3, random_state=0),
        AdaBoostClassifier(n_estimators=3, random_state=0),
        LogisticRegressionCV(
            cv=2, Cs=2, l1_ratios=(0,), use_legacy_attributes=False, scoring="neg_log_loss"
        ),
        MLPClassifier((5,), tol=1.0, n_iter_no_change=1, random_state=0),
        MLPClassifier((5,), solver="sgd", tol=1.0, n_iter_no_change=1, random_state=0),
        OneVsRestClassifier(LogisticRegression()),
        SGDClassifier(loss="modified_huber", random_state=0),
        Pipeline([("svd", TruncatedSVD(5, random_state=0)), ("bayes", GaussianNB())]),
        Pipeline([("svd", TruncatedSVD(5, random_state=0)), ("lda", LinearDiscriminantAnalysis())]),
        Pipeline([("scale", MaxAbsScaler()), ("forest", RandomForestClassifier(3))]),
        VotingClassifier([("a", RandomForestClassifier(3)), ("b", ComplementNB())], voting="soft"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_models_of_scikit_learn_are_saved(
    reviews: pd.DataFrame, tmp_path: Path, model: BaseEstimator
) -> None:
    pipeline = make_pipeline(ours.TfidfVectorizer(max_features=200), model)
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    save_model(pipeline, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    expected = pipeline.predict_proba(reviews)
    np.testing.assert_allclose(loaded.predict_proba(reviews), expected, rtol=0, atol=1e-9)


def test_models_of_hashed_features_are_saved(reviews: pd.DataFrame, tmp_path: Path) -> None:
    pipeline = make_pipeline(HashingVectorizer(n_features=500), LogisticRegression())
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    save_model(pipeline, tmp_path / "m.skops")
    loaded = load_model(tmp_path / "m.skops")
    assert (loaded.predict(reviews) == pipeline.predict(reviews)).all()


def test_a_model_of_a_larger_machine_takes_all_cores_of_this_one(
    reviews: pd.DataFrame, tmp_path: Path
) -> None:
    pipeline = make_pipeline(ours.CountVectorizer(), RandomForestClassifier(3, n_jobs=1))
    pipeline.fit(reviews, reviews["label"].to_numpy(str))
    pipeline["model"].n_jobs = 1000
    save_model(pipeline, tmp_path / "m.skops")
    assert load_model(tmp_path / "m.skops")["model"].n_jobs == -1
