"""Predictions of labels on a scale: their expected values, and the order of their columns."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import sentiment
from sentiment.commands.compare.job import compare
from sentiment.commands.explain.job import explain
from sentiment.commands.finalize.job import finalize
from sentiment.commands.monitor.job import monitor
from sentiment.commands.predict.job import predict
from sentiment.commands.predict.view import show_prediction
from sentiment.config import compose

STARS = [str(n) for n in range(1, 11)]
TEXTS = ["a great film", "a bore", "well"]


class Place:
    """A folder with films of one to ten stars, and a run on them for each of some settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        stars = np.tile(np.arange(1, 11), 30)
        words = [" ".join(rng.choice(["bore", "film"], 3)) + " great" * s for s in stars]
        rows = pd.DataFrame(
            {"text": [f"{text} {n}" for n, text in enumerate(words)], "stars": stars}
        )
        rows.to_csv(folder / "films.csv", index=False)
        grades = rows.assign(stars=np.where(stars < 4, "bad", np.where(stars < 8, "fair", "good")))
        grades.to_csv(folder / "grades.csv", index=False)
        pd.DataFrame({"text": TEXTS}).to_csv(folder / "new.csv", index=False)
        self.where = f"outputs={folder}/outputs"
        self.words = ["data=csv", "data.label_column=stars", "features=tfidf_unigram", self.where]

    def train(self, name: str, *overrides: str) -> Any:
        return sentiment.train(*self.words, f"data.path={self.folder}/{name}.csv", *overrides)

    def predict(self, run: str, *overrides: str) -> pd.DataFrame:
        settings = [f"input='{self.folder}/new.csv'", f"deploy.run={run}", self.where]
        done = predict(compose("predict", [*settings, "overwrite=true", *overrides]))
        return pd.read_csv(done.output, dtype={"prediction": str})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("stars"))


@pytest.fixture(scope="module")
def run_id(place: Place) -> str:
    return str(place.train("films", "data.ordered=true", "model=ordinal").run_id)


@pytest.mark.slow
def test_the_expected_value_is_the_sum_of_values_times_probabilities(
    place: Place, run_id: str
) -> None:
    scored = place.predict(run_id, "deploy.probabilities=all", "deploy.top_k=2")
    assert scored.columns.tolist() == [
        "text", "prediction", "probability", "expected", "prediction_2", "probability_2",
        *(f"p:{star}" for star in STARS),
    ]  # fmt: skip
    by_hand = sum(int(star) * scored[f"p:{star}"] for star in STARS)
    np.testing.assert_allclose(scored["expected"], by_hand, atol=1e-9)
    assert scored["expected"].between(1, 10).all()
    assert scored["expected"][0] > scored["expected"][1]
    # Where rows are left open, it is there as well.
    left_open = place.predict(run_id, "deploy.abstain=0.4")
    assert left_open.columns.tolist()[1:] == ["prediction", "probability", "likeliest", "expected"]
    np.testing.assert_allclose(left_open["expected"], by_hand, atol=1e-9)
    # So says the library.
    model = sentiment.load(run_id, place.where)
    np.testing.assert_allclose(model.predict_expected(TEXTS), by_hand, atol=1e-9)


@pytest.mark.slow
def test_listed_labels_have_their_places_for_values(place: Place) -> None:
    run = str(place.train("grades", "data.ordered=[bad,fair,good]").run_id)
    scored = place.predict(run, "deploy.probabilities=all")
    by_hand = scored["p:bad"] + 2 * scored["p:fair"] + 3 * scored["p:good"]
    np.testing.assert_allclose(scored["expected"], by_hand, atol=1e-9)


@pytest.mark.slow
def test_a_final_model_keeps_the_scale_and_the_factors(place: Place, run_id: str) -> None:
    final = finalize(compose("finalize", [place.where, f"run={run_id}"]))
    assert "expected" in place.predict(str(final.run_id))
    best = "deploy.threshold=max_f1"
    rules = [sentiment.load(str(run), place.where, best).rule for run in (run_id, final.run_id)]
    assert rules[0] == rules[1]
    stored_rule = json.loads((final.folder / "decision_rules.json").read_text())["max_f1"]
    assert stored_rule == dict(zip(STARS, rules[0].factors, strict=True))
    # Test rows are compared as `predict` would decide them.
    plain, metric = str(place.train("films", "data.ordered=true").run_id), "metric=f1_macro"
    overrides = [place.where, f"runs=[{run_id},{plain}]", metric, "resamples=200"]
    comparison = compare(compose("compare", [*overrides, "threshold=max_f1"])).comparison
    for contender in comparison.contenders:
        model, predictions = (
            sentiment.load(contender.run.id, place.where, best),
            contender.predictions,
        )
        products = predictions.probabilities * model.rule.factors
        assert (
            predictions.predicted.tolist() == predictions.classes[products.argmax(axis=1)].tolist()
        )
        f1 = f1_score(predictions.labels, predictions.predicted, average="macro", zero_division=0)
        assert comparison.scores[comparison.contenders.index(contender)][
            "f1_macro"
        ].value == pytest.approx(f1)


@pytest.mark.slow
def test_other_labels_have_no_expected_value(place: Place) -> None:
    run = str(place.train("films").run_id)
    assert "expected" not in place.predict(run)
    with pytest.raises(ValueError, match="not ordered; train with data.ordered=true"):
        sentiment.load(run, place.where).predict_expected(TEXTS)


@pytest.mark.slow
def test_an_input_that_has_the_column_is_refused(place: Place, run_id: str) -> None:
    pd.DataFrame({"text": TEXTS, "expected": 1}).to_csv(place.folder / "has.csv", index=False)
    overrides = [f"input='{place.folder}/has.csv'", f"deploy.run={run_id}", place.where]
    with pytest.raises(sentiment.errors.ConfigError, match="already has a column 'expected'"):
        predict(compose("predict", overrides))


@pytest.mark.slow
def test_mlflow_lists_probabilities_in_the_order_of_labels(place: Place, run_id: str) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{place.folder}/outputs/mlflow.db")
    model: Any = mlflow.pyfunc.load_model(sentiment.load(run_id, place.where).source.uri)
    table = model.predict(pd.DataFrame({"text": TEXTS}), params={"probabilities": "all"})
    scored = place.predict(run_id, "deploy.probabilities=all").drop(columns=["text", "expected"])
    assert table.columns.tolist() == scored.columns.tolist()
    np.testing.assert_allclose(table.drop(columns="prediction"), scored.drop(columns="prediction"))
    # The label is the same by each way to a prediction, with factors of classes, too.
    best, rows = "deploy.threshold=max_f1", pd.read_csv(place.folder / "films.csv")
    by_api = sentiment.load(run_id, place.where, best).predict(rows["text"]).tolist()
    params = {"threshold": "max_f1"}
    assert model.predict(rows[["text"]], params=params).tolist() == by_api
    assert by_api != model.predict(rows[["text"]]).tolist()
    ranked = model.predict(rows[["text"]], params=params | {"top_k": 2})
    assert ranked["prediction"].tolist() == by_api
    assert (ranked["prediction"] != ranked["prediction_2"]).all()
    with pytest.raises(ValueError, match=r"0.3', which is for two classes, and the model has 10"):
        model.predict(rows[["text"]], params={"threshold": "0.3"})


@pytest.mark.slow
def test_several_classes_have_a_factor_each(
    place: Place, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["deploy.threshold=max_f1", "deploy.abstain=0.2"]
    path = f"input='{place.folder}/films.csv'"
    settings = [path, f"deploy.run={run_id}", place.where, "overwrite=true"]
    done = predict(compose("predict", [*settings, "deploy.probabilities=all", *overrides]))
    rows = pd.read_csv(done.output, dtype={"prediction": str, "likeliest": str})
    products = rows[[f"p:{star}" for star in STARS]].to_numpy() * done.rule.factors
    likeliest = np.array(STARS)[products.argmax(axis=1)]
    assert rows["likeliest"].tolist() == likeliest.tolist()
    sure = products.max(axis=1) / products.sum(axis=1) >= done.rule.least_confidence
    assert rows["prediction"].tolist() == np.where(sure, likeliest, "unsure").tolist()
    assert 0 < np.mean(~sure) < 0.4
    likeliest_probability = rows.to_numpy()[
        np.arange(len(rows)), [list(rows).index(f"p:{s}") for s in likeliest]
    ]
    np.testing.assert_allclose(rows["probability"], likeliest_probability.astype(float))
    # They are those of the best macro-F1 on validation rows, as the library has them.
    model = sentiment.load(run_id, place.where, *overrides)
    assert model.rule == done.rule
    assert model.predict(rows["text"]).tolist() == rows["prediction"].tolist()
    # An explanation is of the same label, whether the row is left open or not.
    moved = np.flatnonzero(likeliest != np.array(STARS)[(products / done.rule.factors).argmax(1)])
    for n in moved[:2].tolist():
        explained = model.explain(rows["text"][n])
        assert explained.label == likeliest[n]
        assert explained.prediction == rows["prediction"][n]
        typed = [f"text='{rows['text'][n]}'", f"deploy.run={run_id}", place.where, *overrides]
        by_command = explain(compose("explain", typed)).explanation
        assert by_command == explained
    show_prediction(done)
    printed = capsys.readouterr().out
    assert "probability of each class times a factor: " in printed
    assert (
        f"macro-F1 {done.rule.f1_macro[1]:.4f}, and {done.rule.f1_macro[0]:.4f} without" in printed
    )
    # The reference that they are compared with is decided in the same way.
    result = monitor(
        compose("monitor", [f"current='{done.output}'", place.where, "workspace=null"])
    )
    shares = [check for check in result.comparison.checks if check.name == "prediction"]
    assert not shares[0].drifted
    assert result.reference_rows
