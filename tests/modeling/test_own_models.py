"""Model files of one's own runs hold more than files from elsewhere, and no code all the same."""

import importlib.util
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial, reduce
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import Birch, FeatureAgglomeration
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
)
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer
from sklearn.svm import SVC

from sentiment import api
from sentiment.commands.train.job import TrainingResult
from sentiment.config import compose, make, trust
from sentiment.errors import ModelPackageError, UnsavableModelError, UntrustedModelError
from sentiment.modeling.adapting import adapt_classifier
from sentiment.modeling.estimators.dense import name_inner
from sentiment.modeling.model_files import (
    digest_file,
    load_model,
    make_savable,
    owned,
    save_model,
    was_written_here,
)
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.tracking import RunFolder
from sentiment.tracking.recording import record

DENSE = [("topics", TruncatedSVD(5, random_state=0))]
LOGISTIC = "sklearn.linear_model._logistic"
MINE = """
from sklearn.linear_model import LogisticRegression
from sentiment.ngrams.vectorizers import TfidfVectorizer

class Bold(LogisticRegression):
    pass

class Shouting(TfidfVectorizer):
    def transform(self, texts):
        return super().transform([text.upper() for text in texts])

def double(rows):
    return 2 * rows
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module of the user's in the working folder, which nobody trusts yet."""
    monkeypatch.setattr("sentiment.config.project._typed_patterns", {})
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    import mine  # type: ignore[import-not-found]

    yield mine
    del sys.modules["mine"]


def fit(reviews: pd.DataFrame, model: Any, features: Any = None) -> Pipeline:
    pipeline = make_pipeline(features or TfidfVectorizer(max_features=100), model)
    return pipeline.fit(reviews, reviews["label"].to_numpy(str))


def check(pipeline: Pipeline, path: Path, rows: pd.DataFrame) -> None:
    """Only a file that a run of one's own recorded is loaded, and it predicts the same."""
    save_model(pipeline, path)
    for digest in ("", "0" * 64):
        with pytest.raises(UntrustedModelError, match="A file from elsewhere may hold parts of"):
            load_model(path, digest)
    loaded = load_model(path, digest_file(path))
    np.testing.assert_allclose(
        loaded.predict_proba(rows), pipeline.predict_proba(rows), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize(
    "model",
    [
        GaussianProcessClassifier(max_iter_predict=2),
        GradientBoostingClassifier(n_estimators=3),
        GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2),
        HistGradientBoostingClassifier(max_iter=3),
        KNeighborsClassifier(),
        Pipeline([("kept", SelectKBest(chi2, k=20)), ("bayes", MultinomialNB())]),
        Pipeline([*DENSE, ("merged", FeatureAgglomeration(2)), ("bayes", GaussianNB())]),
        Pipeline([*DENSE, ("curves", SplineTransformer()), ("bayes", GaussianNB())]),
        StackingClassifier(
            [("a", LogisticRegression()), ("b", MultinomialNB())], LogisticRegression(), cv=2
        ),
        SVC(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_any_model_of_scikit_learn_is_kept(
    reviews: pd.DataFrame, tmp_path: Path, model: Any
) -> None:
    rows = reviews.groupby("label").head(40)
    check(fit(rows, model), tmp_path / "m.skops", rows.head(20))


def test_parts_that_hold_each_other_are_not_saved(reviews: pd.DataFrame, tmp_path: Path) -> None:
    model = Pipeline([*DENSE, ("leaves", Birch(threshold=0.01)), ("bayes", GaussianNB())])
    with pytest.raises(UnsavableModelError, match="holds 'parts that hold each other'"):
        save_model(fit(reviews, model), tmp_path / "m.skops")


@pytest.mark.slow
def test_lightgbm_is_kept(reviews: pd.DataFrame, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1)
    features = TfidfVectorizer(max_features=100, dtype=np.float64)
    check(fit(reviews, model, features), tmp_path / "m.skops", reviews.head(20))


@pytest.mark.parametrize("model", ["random_forest", "naive_bayes"])
def test_what_anybody_may_load_needs_no_digest(
    reviews: pd.DataFrame, tmp_path: Path, model: str
) -> None:
    small = ["model.n_estimators=3"] if model == "random_forest" else []
    save_model(
        fit(reviews, make(compose("train", [f"model={model}", *small]), "model")),
        tmp_path / "m.skops",
    )
    expected = load_model(tmp_path / "m.skops").predict_proba(reviews)
    own_model = load_model(tmp_path / "m.skops", digest_file(tmp_path / "m.skops"))
    np.testing.assert_allclose(own_model.predict_proba(reviews), expected, rtol=0, atol=1e-14)


def test_a_class_of_the_user_is_kept_if_it_is_trusted(
    reviews: pd.DataFrame, tmp_path: Path, mine: Any
) -> None:
    pipeline = fit(reviews, mine.Bold())
    with pytest.raises(UnsavableModelError, match=r"'mine\.Bold'.*trusted = "):
        save_model(pipeline, tmp_path / "m.skops")
    assert not (tmp_path / "m.skops").exists()
    trust(["mine.Bold"])
    pipeline["model"].notes_ = reduce(lambda inner, _: {"inner": inner}, range(100), {})
    check(pipeline, tmp_path / "m.skops", reviews.head(20))
    assert type(load_model(tmp_path / "m.skops", digest_file(tmp_path / "m.skops"))["model"]) is (
        mine.Bold
    )


def test_trust_that_is_gone_is_missed_at_loading(
    reviews: pd.DataFrame, tmp_path: Path, mine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(["mine.*"])
    save_model(fit(reviews, mine.Bold()), tmp_path / "m.skops")
    monkeypatch.setattr("sentiment.config.project._typed_patterns", {})
    with pytest.raises(UntrustedModelError, match=r"which is not trusted.* a run of yours"):
        load_model(tmp_path / "m.skops", digest_file(tmp_path / "m.skops"))


@pytest.mark.parametrize("place", ["alone", "in a search", "in a bagging", "in a calibration"])
def test_labels_are_numbered_for_xgboost(reviews: pd.DataFrame, tmp_path: Path, place: str) -> None:
    """It takes no names."""
    pytest.importorskip("xgboost")
    trust(["xgboost.*"])
    config = ["model=naive_bayes", "model._target_=xgboost.XGBClassifier", "~model.alpha"]
    config += ["+model.n_estimators=3", "+model.max_depth=2", "+model.n_jobs=1"]
    model = make(compose("train", config, typed=True), "model", "fit")
    around: Callable[[Any], Any] = {
        "alone": lambda inner: inner,
        "in a search": lambda inner: GridSearchCV(inner, {"max_depth": [1, 2]}, cv=2),
        "in a bagging": lambda inner: BaggingClassifier(inner, n_estimators=3, random_state=0),
        "in a calibration": lambda inner: CalibratedClassifierCV(inner, cv=2),
    }[place]
    pipeline = fit(reviews, adapt_classifier(around(model)))
    codes, names = pd.factorize(reviews["label"], sort=True)
    counts = pipeline[:-1].transform(reviews)
    plain = around(model).fit(counts, codes)
    np.testing.assert_allclose(
        pipeline.predict_proba(reviews), plain.predict_proba(counts), rtol=1e-6
    )
    assert pipeline.predict(reviews).tolist() == names[plain.predict(counts)].tolist()
    check(pipeline, tmp_path / "m.skops", reviews.head(20))
    assert place != "alone" or name_inner(pipeline["model"]) == "XGBClassifier"


@pytest.mark.parametrize("package", ["lightgbm", "gone_package"])
def test_a_package_that_is_not_installed_is_named(
    reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """The file of a machine that had it."""
    pipeline = fit(reviews, LogisticRegression())
    path = tmp_path / "m.skops"
    save_model(pipeline, path)
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    text = members["schema.json"].decode()
    assert f'"{LOGISTIC}"' in text
    text = text.replace(f'"{LOGISTIC}"', f'"{package}.models"')
    members["schema.json"] = text.encode()
    with zipfile.ZipFile(path, "w") as target:
        for name, data in members.items():
            target.writestr(name, data)
    trust([f"{package}.*"] if package == "gone_package" else [])
    find = importlib.util.find_spec
    monkeypatch.setattr(owned, "find_spec", lambda name: find(name) if name != package else None)
    with pytest.raises(ModelPackageError, match=f"Install it: pip install {package}"):
        load_model(path, digest_file(path))
    with pytest.raises(UntrustedModelError, match=f"it holds {package}.models.LogisticRegression"):
        load_model(path)


def test_features_and_functions_of_the_user_are_kept_as_they_are(
    reviews: pd.DataFrame, tmp_path: Path, mine: Any
) -> None:
    trust(["mine.*"])
    shouting = mine.Shouting(max_features=100, lowercase=False)
    pipeline = fit(reviews, LogisticRegression(), shouting)
    assert type(make_savable(pipeline)["features"]) is mine.Shouting
    check(pipeline, tmp_path / "a.skops", reviews.head(20))
    doubled = Pipeline([("words", CountVectorizer()), ("double", FunctionTransformer(mine.double))])
    check(fit(reviews, LogisticRegression(), doubled), tmp_path / "b.skops", reviews.head(20))


def test_a_function_without_a_name_is_not_saved(reviews: pd.DataFrame, tmp_path: Path) -> None:
    steps = [("words", HashingVectorizer(n_features=50)), ("f", FunctionTransformer(lambda x: x))]
    with pytest.raises(UnsavableModelError, match="<lambda>"):
        save_model(fit(reviews, LogisticRegression(), Pipeline(steps)), tmp_path / "m.skops")


@pytest.mark.parametrize(
    "function",
    [
        subprocess.getoutput,
        eval,
        partial(map, subprocess.getoutput),
        methodcaller("to_pickle", "canary"),
        methodcaller("eval", "open('canary', 'w')"),
        partial(map, methodcaller("tofile", "canary")),
        np.load,
        api.load,
    ],
    ids=[
        "getoutput",
        "eval",
        "map",
        "to_pickle",
        "eval of a frame",
        "tofile",
        "numpy",
        "sentiment",
    ],
)
def test_no_code_is_run_for_a_store_that_somebody_else_writes_to(
    reviews: pd.DataFrame, tmp_path: Path, function: Callable[..., Any]
) -> None:
    """A digest is as good as the store that it is in; what it opens is not a pickle."""
    plain = make_savable(fit(reviews, LogisticRegression()))
    forged = Pipeline([("text", FunctionTransformer(function)), *plain.steps[1:]])
    path = tmp_path / "m.skops"
    skops.io.dump(forged, path)
    with pytest.raises(UntrustedModelError, match="is not trusted"):
        load_model(path, digest_file(path))
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("content", [b"", b"cposix\nsystem\n(S'touch canary'\ntR.", b"PK\x05\x06"])
def test_a_file_that_is_no_model_is_refused_with_a_digest_too(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "m.skops"
    path.write_bytes(content)
    with pytest.raises(UntrustedModelError, match="it is not a sound skops file"):
        load_model(path, digest_file(path))
    assert not (tmp_path / "canary").exists()


@pytest.fixture
def neighbors(train_quickly: Callable[..., TrainingResult]) -> TrainingResult:
    words = ["model=naive_bayes", "model._target_=sklearn.neighbors.KNeighborsClassifier"]
    return train_quickly("data=rotten_tomatoes", *words, "~model.alpha")


def find(result: TrainingResult, store: Path, run: str = "") -> Any:
    cfg = compose("predict", ["input=-", f"outputs={store}"])
    experiment = result.folder.parent.name
    cfg.tracking.experiment = experiment
    return make(cfg, "tracking").find_model(run or result.run_id, "accuracy")


@pytest.mark.slow
def test_a_run_keeps_a_model_that_only_its_owner_loads(
    neighbors: TrainingResult, store: Path, reviews: pd.DataFrame
) -> None:
    rows = reviews.head(20)
    for run in (neighbors.run_id, neighbors.model):
        choice = find(neighbors, store, str(run))
        assert choice.digest == digest_file(neighbors.folder / "model.skops")
        model = api.Model(choice)
        np.testing.assert_allclose(
            model.predict_proba(rows["text"]), neighbors.pipeline.predict_proba(rows), atol=1e-9
        )
    cfg = compose("predict", ["input=-", f"outputs={store}"])
    tags = make(cfg, "tracking").read_run(neighbors.run_id).tags
    assert tags["model.own"] == "true"
    assert f'sentiment.load("{neighbors.run_id}")' in tags["mlflow.note.content"]
    assert 'sentiment.load("<run id>")' in (neighbors.folder / "card.md").read_text()
    types = "scipy.sparse._csr.csr_matrix, sklearn.neighbors._classification.KNeighborsClassifier"
    assert tags["model.audit"] == f"it holds {types}"
    card = (neighbors.folder / "card.md").read_text()
    assert "from elsewhere, which is not loaded: it holds scipy" in card
    assert 'sentiment.load("model.skops")' not in card
    with pytest.raises(UntrustedModelError, match="sklearn.neighbors"):
        api.Model(replace(choice, digest=""))


@pytest.mark.slow
def test_the_folder_of_a_run_proves_nothing(
    neighbors: TrainingResult,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its digests were written by its maker, who may have said that it is one's own as well."""
    folder, facts = RunFolder.open(neighbors.folder)
    facts.key, facts.is_own = "sent", True
    folder.keep(facts)
    assert was_written_here(digest_file(folder.path / "model.skops"))
    monkeypatch.setattr("sentiment.modeling.model_files.saving._written_digests", set())
    overrides = [
        f"folder={folder.path}",
        f"outputs={store}",
        f"tracking.experiment={tmp_path.name}",
    ]
    sent = record(compose("record", overrides))
    assert sent.run_id != neighbors.run_id
    with pytest.raises(UntrustedModelError, match="sklearn.neighbors"):
        api.Model(find(neighbors, store, str(sent.run_id)))
    recorded = record(compose("record", [*overrides, "own=true"]))
    assert recorded.run_id == sent.run_id
    assert api.Model(find(neighbors, store, str(sent.run_id))).classes_.tolist() == [
        "negative",
        "positive",
    ]


@pytest.mark.slow
def test_a_model_that_was_changed_is_not_loaded(neighbors: TrainingResult, store: Path) -> None:
    choice = find(neighbors, store)
    buffer = io.BytesIO(choice.path.read_bytes() + b"x")
    choice.path.unlink()  # it may be linked to the folder of the run
    choice.path.write_bytes(buffer.getvalue())
    with pytest.raises(UntrustedModelError, match="it was changed after it was trained"):
        find(neighbors, store)
    with pytest.raises(UntrustedModelError):
        api.Model(choice)
