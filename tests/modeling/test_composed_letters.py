"""NFC and NFD are the same text, to everything that reads texts."""

from pathlib import Path
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from sentiment.modeling.explanation import explain_text
from sentiment.modeling.linear import LinearTextClassifier, make_fast
from sentiment.modeling.model_files import LOADED_TYPES, load_model, save_model
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.ngrams.cleaning import Cleaner
from sentiment.ngrams.vectorizers import TfidfVectorizer

TEXTS = [
    f"{first} {second}, {end}"
    for first in ("très bon", "déçu", "đẹp lắm", "ệ ậ", "फ़िल्म", "영화")
    for second in ("señor", "über", "naïve façade", "한국어")
    for end in ("né", "œuvre", "Ångström")
]


def make_frame(form: str) -> pd.DataFrame:
    return pd.DataFrame({"text": [normalize(form, text) for text in TEXTS]})


def train(form: str, analyzer: str) -> Pipeline:
    labels = ["good" if "bon" in text or "영" in text else "bad" for text in TEXTS]
    model = make_pipeline(TfidfVectorizer(analyzer=analyzer), LogisticRegression())
    return fit(model, make_frame(form).assign(label=labels))


@pytest.mark.parametrize("analyzer", ["word", "char_wb", "char"])
def test_composed_and_decomposed_texts_are_the_same(analyzer: str, tmp_path: Path) -> None:
    models = [train(form, analyzer) for form in ("NFC", "NFD")]
    assert models[0]["features"].vocabulary_ == models[1]["features"].vocabulary_
    save_model(models[0], tmp_path / "model.skops")
    models.append(load_model(tmp_path / "model.skops"))
    assert isinstance(models[-1]["clean"], Cleaner)
    # It is plain scikit-learn.
    models.append(skops.io.load(tmp_path / "model.skops", trusted=LOADED_TYPES))
    fast = make_fast(models[0])
    assert isinstance(fast, LinearTextClassifier) == (analyzer == "word")
    expected = models[0].predict_proba(make_frame("NFC"))
    for model in [*models, fast]:
        for form in ("NFC", "NFD"):
            probabilities = model.predict_proba(make_frame(form))
            np.testing.assert_allclose(probabilities, expected, rtol=1e-9)
    forms = [explain_text(models[0], normalize(form, TEXTS[0])) for form in ("NFC", "NFD")]
    assert forms[0] == forms[1]


def test_models_that_did_not_compose_letters_still_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentiment.ngrams import cleaning

    model = train("NFC", "word")
    with monkeypatch.context() as patch:
        steps = {k: step for k, step in cleaning.CLEANING_STEPS.items() if k != "compose"}
        patch.setattr(cleaning, "CLEANING_STEPS", steps)
        save_model(model, tmp_path / "old.skops")
    old = load_model(tmp_path / "old.skops")
    assert isinstance(old["clean"], Cleaner)
    expected = model.predict_proba(make_frame("NFC"))
    np.testing.assert_allclose(old.predict_proba(make_frame("NFC")), expected, rtol=1e-9)
