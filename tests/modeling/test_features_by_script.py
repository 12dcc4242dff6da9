from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer

from sentiment.commands.train.job import train
from sentiment.commands.train.view import show_training
from sentiment.config import Job, compose, make
from sentiment.modeling.estimators.by_script import FeaturesByScript, choose_features
from sentiment.modeling.model_files import load_model, save_model
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.ngrams.vectorizers import TfidfVectorizer
from sentiment.tracking import RunFolder

ENGLISH = [f"a {word} film, number {n}" for n in range(90) for word in ("good", "bad")]
CHINESE = ["这部电影真的非常好看我很喜欢", "这本书太差了一点意思也没有"]


def make_auto() -> FeaturesByScript:
    features: FeaturesByScript = make(compose("train", ["features=auto"]), "features")
    return features


@pytest.mark.parametrize(
    ("unspaced", "expected"), [(0, "words"), (18, "words"), (20, "characters"), (200, "characters")]
)
def test_characters_are_chosen_from_a_tenth_of_such_texts_on(unspaced: int, expected: str) -> None:
    texts = [*ENGLISH, *(CHINESE * 100)[:unspaced]]
    features, choice = choose_features(make_auto(), texts)
    assert choice == expected
    assert features.analyzer == {"words": "word", "characters": "char_wb"}[expected]


def test_characters_are_chosen_for_emoji_and_tell_them_apart() -> None:
    frame = pd.DataFrame({"text": [f"{mark} {n % 7}" for n in range(40) for mark in ("😀", "😡")]})
    frame["label"] = ["good", "bad"] * 40
    assert choose_features(make_auto(), frame["text"])[1] == "characters"
    model = fit(make_pipeline(make_auto(), LogisticRegression()), frame)
    assert list(model.predict(pd.DataFrame({"text": ["😡😡", "😀"]}))) == ["bad", "good"]


def test_parts_of_unions_and_pipelines_are_chosen() -> None:
    inner = Pipeline([("auto", make_auto()), ("norm", Normalizer())])
    union = FeatureUnion([("first", inner), ("other", TfidfVectorizer()), ("none", "drop")])
    features, choice = choose_features(union, CHINESE)
    assert choice == "characters"
    assert type(features.transformer_list[0][1].steps[0][1]) is TfidfVectorizer
    assert choose_features(TfidfVectorizer(), CHINESE)[1] == ""


def test_it_chooses_by_itself_where_nobody_did(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"{text}{n}" for n in range(20) for text in CHINESE]})
    frame["label"] = ["good", "bad"] * 20
    model = fit(make_pipeline(make_auto(), LogisticRegression()), frame)
    save_model(model, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert type(loaded["features"]) is TfidfVectorizer
    np.testing.assert_allclose(loaded.predict_proba(frame), model.predict_proba(frame))
    assert (
        len(model["features"].get_feature_names_out())
        == model["features"].transform(frame["text"]).shape[1]
    )


@pytest.mark.parametrize("refit", ["null", "all"])
def test_a_run_records_what_it_chose_by_its_training_rows(
    store: Path, tmp_path: Path, refit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"{text}{n}", label, "train" if n < 40 else "dev")
            for n in range(60) for text, label in zip(CHINESE, "ab", strict=True)]  # fmt: skip
    rows += [(f"a {word} film {n}", label, "test") for n in range(900)
             for word, label in (("good", "a"), ("bad", "b"))]  # fmt: skip
    path = tmp_path / "x.csv"
    pd.DataFrame(rows, columns=["text", "label", "part"]).to_csv(path, index=False)
    words = [
        "features=auto", "data=csv", f"data.path={path}", "data.split_column=part",
        f"refit={refit}", "tracking=off", f"outputs={store}",
    ]  # fmt: skip
    result = train(compose("train", words), Job(folder=tmp_path / "job", overrides=words))
    assert RunFolder.open(result.folder)[1].params["features.chosen"] == "characters"
    assert result.pipeline["features"].analyzer == "char_wb"
    show_training(result)
    assert "features characters, by the script of" in capsys.readouterr().out
    model = load_model(result.folder / "model.skops")
    assert model["features"].ngram_range == (1, 4)
