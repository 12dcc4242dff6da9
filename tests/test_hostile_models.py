"""No file that a stranger may hand over does anything but to be refused."""

import io
import time
import tracemalloc
import zipfile
from pathlib import Path

import hostile_parts
import hostile_schemas
import numpy as np
import pandas as pd
import pytest
import skops.io
from hostile_files import HOSTILE, Bench
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from sentiment.errors import UntrustedModelError
from sentiment.features.vectorizers import TfidfVectorizer
from sentiment.model_files import load_model, make_savable
from sentiment.models.voting import make_soft_vote
from sentiment.pipeline import make_pipeline

assert hostile_schemas and hostile_parts  # they enter their files in HOSTILE

MODELS = {
    "linear": LogisticRegression(),
    "forest": RandomForestClassifier(3, random_state=0),
    "network": MLPClassifier((5,), tol=1.0, n_iter_no_change=1, random_state=0),
    "vote": make_soft_vote({"a": LogisticRegression(), "b": ComplementNB()}),
    "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2, ensemble=False),
}


@pytest.fixture(scope="module")
def models(reviews: pd.DataFrame) -> dict[str, bytes]:
    """Sound models in plain scikit-learn, as skops writes them."""
    made = {}
    for name, model in MODELS.items():
        pipeline = make_pipeline(TfidfVectorizer(max_features=300), model)
        pipeline.fit(reviews[["text"]], reviews["label"].to_numpy(str))
        made[name] = skops.io.dumps(make_savable(pipeline))
    return made


@pytest.fixture
def bench(models: dict[str, bytes], tmp_path: Path) -> Bench:
    return Bench(tmp_path / "model.skops", tmp_path / "canary", models)


@pytest.mark.parametrize("model", MODELS)
def test_models_that_are_not_tampered_with_are_loaded(bench: Bench, model: str) -> None:
    bench.dump(bench.load(model))
    load_model(bench.path)
    bench.write(*bench.open(model))
    load_model(bench.path)
    bench.write(*bench.open(model), method=0)
    load_model(bench.path)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(bench: Bench, kind: str) -> None:
    make, reason = HOSTILE[kind]
    make(bench)
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(UntrustedModelError) as caught:
            load_model(bench.path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    assert not bench.canary.exists()
    assert time.process_time() - start < 20
    assert peak < 2**27
