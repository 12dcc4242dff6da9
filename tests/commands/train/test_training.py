import errno
import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import mlflow
import numpy as np
import pandas as pd
import pytest

from sentiment.commands.train import job as training
from sentiment.commands.train.job import TrainingResult, train
from sentiment.config import Job, compose
from sentiment.config.metrics import describe_expected, list_measured
from sentiment.errors import ConfigError, FitError, TooFewRowsError, UntrustedModelError
from sentiment.modeling.evaluation import score, scores_file
from sentiment.modeling.model_files import load_model
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.scoring import Predictor

Train = Callable[..., TrainingResult]
FIGURES = {
    f"{split}_{name}.png"
    for split in ("validation", "test")
    for name in ("confusion", "roc", "precision_recall", "reliability")
}


def write_classes(path: Path, reviews: pd.DataFrame, classes: int) -> Path:
    """Write real reviews under labels that a model can distinguish, in classes of unequal size."""
    frame = reviews.assign(topic=[f"topic {min(n % 5, classes - 1)}" for n in range(len(reviews))])
    frame["text"] = (
        frame["text"].str.slice(0, 200) + " about " + frame["topic"].str.replace(" ", "")
    )
    frame[["text", "topic"]].to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_a_run_records_all_that_it_did(train_quickly: Train, store: Path) -> None:
    result = train_quickly("cv=3", "seed=5")
    assert result.score == result.metrics["cv/accuracy"]
    run = mlflow.get_run(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["features.max_features"] == "500"
    assert run.data.params["seed"] == "5"
    assert run.data.params["data.limit"] == "300"
    assert run.data.params["cv"] == "3"
    expected = {f"{split}/{name}" for split in ("validation", "test") for name in list_measured()}
    expected |= {f"cv/{name}_{part}" for name in list_measured() for part in ("mean", "std")}
    expected |= {"rows/train", "rows/validation", "rows/test", "model/size_mb"}
    expected |= {"stage/fit_seconds", "stage/fit_peak_mb", "deploy/rows_per_second"}
    assert expected <= set(run.data.metrics)
    assert run.data.metrics["rows/train"] == 210
    tags = run.data.tags
    assert tags["data"] == "imdb"
    assert tags["data.fingerprint"] == result.data.fingerprint
    assert tags["sample"] == "true"
    assert tags["command"] == "python scripts/train.py cv=3 seed=5"
    assert tags["mlflow.source.name"] == "train.py"
    [logged] = run.inputs.dataset_inputs
    assert logged.dataset.name == "imdb"
    assert result.data.fingerprint.startswith(logged.dataset.digest)
    assert len(tags["git.commit"]) == 40
    assert tags["git.dirty"] in ("true", "false")
    client = mlflow.MlflowClient()
    files = {f.path for f in client.list_artifacts(result.run_id)}
    assert {
        "config.yaml",
        "overrides.txt",
        "versions.json",
        "quality.json",
        "metrics.json",
        "terms.csv",
        "figures",
        "scores",
    } <= files
    figures = {Path(f.path).name for f in client.list_artifacts(result.run_id, "figures")}
    assert figures == FIGURES | {"terms.png"}
    for split in ("validation", "test"):
        path = mlflow.artifacts.download_artifacts(
            run_id=result.run_id, artifact_path=scores_file(split)
        )
        table, rows = pd.read_parquet(path), getattr(result.data, split)
        kept = score(Predictions.from_frame(table))
        assert kept == {name: result.metrics[f"{split}/{name}"] for name in list_measured()}
        assert table["excerpt"].tolist() == rows["text"].str[:200].tolist()
    config = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/config.yaml")
    assert "max_features: 500" in config
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/overrides.txt") == "cv=3\nseed=5"
    versions = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/versions.json"))
    assert {"python", "scikit-learn", "mlflow", "sentiment"} <= set(versions)
    assert json.loads((result.folder / "quality.json").read_text())["rows"] == 25_000


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(train_quickly: Train) -> None:
    first, second, other = (train_quickly(f"seed={seed}", "tracking=off") for seed in (3, 3, 4))
    same = [key for key in first.metrics if key.startswith(("validation/", "test/"))]
    assert {k: first.metrics[k] for k in same} == {k: second.metrics[k] for k in same}
    assert first.data.fingerprint == second.data.fingerprint != other.data.fingerprint


@pytest.mark.slow
def test_data_that_are_passed_are_not_read_again(
    train_quickly: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train_quickly()

    def refuse(*facts: object) -> None:
        raise AssertionError("the data are read again")

    monkeypatch.setattr(training, "prepare_data", refuse)
    again = train_quickly(data=first.data)
    assert again.data is first.data
    for split in ("validation", "test"):
        for name in list_measured():
            assert again.metrics[f"{split}/{name}"] == first.metrics[f"{split}/{name}"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", ["logistic_regression", "svm", "naive_bayes", "sgd", "random_forest", "ensemble"]
)
@pytest.mark.parametrize("classes", [2, 4])
def test_every_model_takes_two_and_more_classes(
    train_quickly: Train, reviews: pd.DataFrame, tmp_path: Path, model: str, classes: int
) -> None:
    path = write_classes(tmp_path / "topics.csv", reviews, classes)
    result = train_quickly(
        "data=csv",
        f"data.path={path}",
        "data.label_column=topic",
        "data.limit=null",
        f"model={model}",
        *(["model.n_estimators=20"] if model == "random_forest" else []),
        "tracking=off",
    )
    assert result.data.classes == [f"topic {k}" for k in range(classes)]
    assert np.isfinite([result.metrics[f"test/{name}"] for name in list_measured()]).all()
    assert result.metrics["test/accuracy"] > 0.5
    linear = model != "random_forest"
    assert {p.name for p in (result.folder / "figures").iterdir()} == FIGURES | (
        {"terms.png"} if linear else set()
    )
    if linear:
        terms = pd.read_csv(result.folder / "terms.csv")
        best = terms[terms["rank"] == 1].set_index("label")["term"].to_dict()
        if model == "logistic_regression":
            assert best == {f"topic {k}": f"abouttopic{k}"[5:] for k in range(classes)}


@pytest.mark.slow
def test_without_tracking_the_model_stays_in_the_folder(train_quickly: Train) -> None:
    result = train_quickly("tracking=off")
    assert result.run_id is None
    assert Path(result.model) == result.folder / "model.skops"
    assert (result.folder / "metrics.json").is_file()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimize=acuracy",
            f"optimize is 'acuracy'; expected {describe_expected()}. Did you mean 'accuracy'?",
        ),
        ("cv=1", "cv is 1; expected a whole number of folds from 2, or auto, or null."),
        ("seed=-1", "seed is -1; expected a whole number from 0 to 2**32 - 1."),
    ],
)
def test_settings_are_checked_before_the_work(
    train_quickly: Train, override: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        train_quickly(override)
    assert str(caught.value) == message


def test_more_folds_than_rows_of_a_class(train_quickly: Train) -> None:
    wanted = r"but cross-validation of training rows \(cv=200\) needs at least 200"
    with pytest.raises(TooFewRowsError, match=wanted):
        train_quickly("cv=200", "tracking=off")


@pytest.mark.slow
def test_classes_too_small_for_folds_inside_of_a_model_are_named_before_the_work(
    train_quickly: Train, tmp_path: Path
) -> None:
    sizes = {"a": 40, "b": 30, "c": 4, "d": 5, "e": 9}
    rows = [(f"text {n} of {label}", label) for label, size in sizes.items() for n in range(size)]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "few.csv", index=False)
    given = ["data=csv", f"data.path={tmp_path / 'few.csv'}", "model=svm", "tracking=off"]
    wanted = (
        r"1 of 5 classes is too small \('c': 2\), but cross-validation of training rows "
        r"\(CalibratedClassifierCV\(cv=3\)\) .* data.rare=merge, with data.min_per_class=5\)"
    )
    with pytest.raises(TooFewRowsError, match=wanted):
        train_quickly(*given)
    train_quickly(*given, "data.rare=drop", "data.min_per_class=5")


def test_what_scikit_learn_refuses_is_reported_and_recorded(
    train_quickly: Train, tmp_path: Path
) -> None:
    with pytest.raises(FitError, match="could not fit the pipeline: max_df corresponds to"):
        train_quickly("features.min_df=100000")
    runs = mlflow.search_runs(experiment_names=[tmp_path.name], output_format="list")
    assert [run.info.status for run in runs] == ["FAILED"]
    assert runs[0].data.params["features.min_df"] == "100000"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["+model.l1_ratio=1.0"],
            r"could not fit the pipeline: Solver lbfgs supports only",
        ),
        (
            ["model=naive_bayes", "~model.alpha", "+model.radius=1.0e-9",
             "model._target_=sklearn.neighbors.RadiusNeighborsClassifier"],
            r"could not evaluate the pipeline: No neighbors found for test samples",
        ),
    ],
)  # fmt: skip
def test_whatever_an_estimator_raises_is_reported(
    train_quickly: Train, tmp_path: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(FitError, match=message):
        train_quickly(*settings, "tracking=off")
    assert [path.name for path in tmp_path.rglob("*.skops")] == []


def test_an_error_that_is_not_meant_for_users_is_named(train_quickly: Train) -> None:
    name = "sentiment.ngrams.vectorizers.tfidf.TfidfVectorizer.fit_transform"
    with (
        patch(name, side_effect=TypeError("sparse rows")),
        pytest.raises(FitError, match="could not fit the pipeline: TypeError: sparse rows"),
    ):
        train_quickly("tracking=off")


def test_a_disk_failure_during_a_fit_is_not_blamed_on_the_user(train_quickly: Train) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        patch("sentiment.ngrams.vectorizers.tfidf.TfidfVectorizer.fit_transform", side_effect=full),
        pytest.raises(OSError, match="No space left"),
    ):
        train_quickly("tracking=off")


def test_a_model_that_cannot_classify_is_refused_before_data_are_read(train_quickly: Train) -> None:
    kind = "model._target_=sklearn.naive_bayes.CategoricalNB"
    with pytest.raises(ConfigError, match="model: CategoricalNB takes categories"):
        train_quickly("model=naive_bayes", kind, "data=csv", "data.path=nowhere.csv")


def test_what_scikit_learn_refuses_in_a_fold_is_reported_too(train_quickly: Train) -> None:
    with pytest.raises(FitError, match="could not fit the pipeline"):
        train_quickly("features.min_df=200", "cv=5", "tracking=off")


@pytest.mark.slow
def test_a_model_that_loads_only_by_its_run_is_trained_and_saved(
    train_quickly: Train,
) -> None:
    """The saved model is loaded and has predicted the same, or training would have failed."""
    kind = "model._target_=sklearn.neighbors.KNeighborsClassifier"
    predict = Predictor.predict
    with patch.object(Predictor, "predict", autospec=True, side_effect=predict) as spy:
        result = train_quickly("model=naive_bayes", "~model.alpha", kind, "tracking=off")
    assert result.metrics["deploy/rows_per_second"] > 0
    first, second = [len(call.args[1]) for call in spy.call_args_list]
    assert first == 1 < second  # what is compiled at the first use is not timed
    with pytest.raises(UntrustedModelError, match=r"it holds .*sklearn\.neighbors"):
        load_model(Path(result.model))


@pytest.mark.slow
def test_the_score_is_the_metric_that_was_asked_for(train_quickly: Train) -> None:
    result = train_quickly("optimize=log_loss", "tracking=off")
    assert result.score == result.metrics["validation/log_loss"]


@pytest.mark.slow
def test_texts_without_spaces_are_warned_of_and_learned_by_their_characters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(1)
    words = {"good": ["非常好看", "很喜欢", "推荐"], "bad": ["太糟糕", "浪费时间", "无聊"]}
    rest = list("人天地山水火木金土日月星云雨风花草树鸟鱼")
    rows = [
        ("".join([*rng.choice(rest, 8), rng.choice(words[label]), *rng.choice(rest, 8)]), label)
        for label in ["good", "bad"] * 150
    ]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "zh.csv", index=False)
    common = ["tracking=off", "data=csv", f"data.path={tmp_path}/zh.csv"]
    job = Job(tmp_path)
    with pytest.raises(FitError):
        train(compose("train", [*common, "features=tfidf"]), job)
    assert "100 % of the texts have no words that spaces separate" in caplog.text
    assert "features=auto" in caplog.text
    caplog.clear()
    result = train(compose("train", [*common, "features=char", "features.min_df=1"]), job)
    assert result.metrics["test/accuracy"] > 0.9
    assert "words that spaces separate" not in caplog.text
    assert "words that spaces separate" not in (result.folder / "card.md").read_text("utf-8")


@pytest.mark.slow
def test_classes_with_fewer_rows_than_a_word_needs_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def warn(copies: int, *overrides: str) -> list[str]:
        rows = [
            (f"about thing{k} number{k} and {word}", f"class {k}")
            for k in range(30)
            for word in ("one", "two", "three", "four")[:copies]
        ]
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(tmp_path / "few.csv", index=False)
        given = ["tracking=off", "data=csv", f"data.path={tmp_path}/few.csv", *overrides]
        caplog.clear()
        train(compose("train", given), Job(tmp_path))
        return [one for one in caplog.messages if "min_df" in one]

    assert warn(3) == [
        "30 of 30 classes have fewer than 2 training rows, and words of fewer than 2 texts are "
        "left out (min_df), so hardly a word distinguishes these classes. Add rows, or set "
        "features.min_df=1."
    ]
    assert warn(3, "features.min_df=1") == warn(4) == warn(3, "features=char") == []
    assert "features.words.min_df=1." in warn(3, "features=auto")[0]
    assert "fewer than 3 training rows" in warn(4, "features.min_df=0.05")[0]
