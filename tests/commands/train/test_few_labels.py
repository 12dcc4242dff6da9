"""Few labels and many texts through the commands: data.unlabelled and experiment=few_labels."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io

import sentiment
from sentiment.commands.finalize.job import finalize
from sentiment.commands.predict.models import Models
from sentiment.commands.train.fitting import Fitting
from sentiment.commands.train.view import show_training
from sentiment.config import compose
from sentiment.data.datasets import EmbeddedReviews
from sentiment.errors import DataChangedError, TooFewRowsError
from sentiment.modeling.thresholds import choose_rule
from sentiment.tracking.stages import Stages


class Place:
    """A folder with some labelled reviews, more without a label, and a run on both."""

    def __init__(self, folder: Path) -> None:
        rows = EmbeddedReviews(name="rotten_tomatoes", source="rotten_tomatoes").read()
        rows = rows.drop_duplicates("text").sample(1200, random_state=0)
        self.folder, self.new = folder, rows[900:]
        rows[:120].to_csv(folder / "labelled.csv", index=False)
        rows[100:900][["text"]].to_csv(folder / "more.csv", index=False)
        self.words = [
            "experiment=few_labels", "data=csv", f"data.path={folder}/labelled.csv",
            "features.min_df=1", "model.n_topics=20", "memory=null",
        ]  # fmt: skip
        self.where = f"outputs={folder}/outputs"
        self.more = f"data.unlabelled={folder}/more.csv"
        self.run = sentiment.train(*self.words, self.more, "refit=null", self.where)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("few"))


@pytest.mark.slow
def test_the_run_records_what_the_model_learned_from(place: Place) -> None:
    assert place.run.metrics["rows/unlabelled"] == 780  # 20 of them have a label
    assert place.run.metrics["rows/fitted"] == place.run.metrics["rows/train"]
    quality = place.run.data.report
    assert (quality.unlabelled, quality.unlabelled_dropped) == (780, {"labelled": 20})
    mlflow.set_tracking_uri(f"sqlite:///{place.folder}/outputs/mlflow.db")
    run = mlflow.get_run(place.run.run_id)
    assert run.data.tags["data.unlabelled"] == place.run.data.unlabelled_fingerprint
    assert run.data.params["data.unlabelled"] == f"{place.folder}/more.csv"


@pytest.mark.slow
def test_few_rows_are_cross_validated(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    run, made = place.run, place.run.predictions["cv"]
    assert run.folds == 5
    rows = run.data.gather(["train", "validation"])
    assert made.labels.tolist() == rows["label"].tolist()
    assert run.metrics["rows/cv"] == len(rows) == 96
    assert run.metrics["cv/accuracy"] == pytest.approx(run.metrics["cv/accuracy_mean"], abs=0.01)
    (low, high), (least, most) = (run.intervals[f"{k}/accuracy"] for k in ("cv", "validation"))
    assert high - low < (most - least) / 2
    table = pd.read_parquet(run.folder / "scores" / "cv.parquet")
    assert table["excerpt"].tolist() == rows["text"].str[:200].tolist()
    assert run.score == run.metrics["cv/accuracy"]
    show_training(replace(run, metrics=run.metrics | {"cv/accuracy": 0.1}))
    assert "weak     cross-validated accuracy 0.1000 is not above 0.5" in capsys.readouterr().out
    assert "| metric | cv | validation | test |" in (run.folder / "card.md").read_text()


@pytest.mark.slow
def test_thresholds_are_chosen_on_cross_validated_rows(place: Place) -> None:
    settings = ["input=x.csv", f"deploy.run={place.run.run_id}", "deploy.threshold=max_f1"]
    models = Models(compose("predict", [*settings, place.where]))
    rule = models.load(models.choose(None)).predictor.rule
    made = place.run.predictions["cv"]
    assert rule == choose_rule("max_f1", 0.0, made.classes, made)
    assert rule != choose_rule("max_f1", 0.0, made.classes, place.run.predictions["validation"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "rare", "folds"), [(260, 80, 0), (240, 80, 5), (20, 3, 3), (20, 1, 0)]
)
def test_folds_are_as_many_as_rows_need_and_classes_allow(
    place: Place, rows: int, rare: int, folds: int
) -> None:
    """The bounds are those of docs/concepts/splitting.md."""
    fitting = Fitting(compose("train", ["cv=auto", "memory=null"]), Stages())
    train = pd.DataFrame({"text": "a text", "label": ["a"] * 100 + ["b"] * rare})
    validation = pd.DataFrame({"text": "a text", "label": ["a"] * rows})
    fitting.prepare(lambda: replace(place.run.data, train=train, validation=validation))
    assert fitting.folds == folds


@pytest.mark.slow
def test_a_job_fails_if_only_it_cannot_be_cross_validated(place: Place) -> None:
    """Its score would be one of other rows than those of the other jobs."""
    train = pd.DataFrame({"text": "a text", "label": ["a"] * 9 + ["b"] * 3})
    data = replace(place.run.data, train=train)
    for model, error in (
        ("logistic_regression", nullcontext()),
        # The least of all numbers of folds: three of four rows are left.
        ("svm", pytest.raises(TooFewRowsError, match=r"cv=4\) needs at least 4 ")),
    ):
        cfg = compose("train", ["cv=auto", "memory=null", f"model={model}"])
        with error:
            Fitting(cfg, Stages(), compared=True).prepare(lambda: data)
        assert Fitting(cfg, Stages()).prepare(lambda: data) is data


@pytest.mark.slow
def test_self_training_is_saved_as_a_plain_linear_model(place: Place) -> None:
    (path,) = place.run.folder.rglob("model.skops")
    kinds = skops.io.get_untrusted_types(file=path)
    assert not [kind for kind in kinds if kind.startswith("sentiment.")]
    loaded = sentiment.load(str(path))
    texts = place.new["text"].tolist()
    expected = place.run.pipeline.predict(pd.DataFrame({"text": texts}))
    assert list(loaded.predict(texts)) == list(expected)
    assert loaded.explain("a wonderful, moving film")


@pytest.mark.slow
def test_self_training_works_without_unlabelled_texts(place: Place) -> None:
    run = sentiment.train(*place.words, "cv=null", "refit=null", place.where, "tracking=off")
    assert "rows/unlabelled" not in run.metrics
    assert run.data.fingerprint == place.run.data.fingerprint


@pytest.mark.slow
def test_rows_may_have_several_labels(place: Place, tmp_path: Path) -> None:
    rows = pd.read_csv(place.folder / "labelled.csv")
    long = np.where(rows["text"].str.len() > rows["text"].str.len().median(), ";long", ";")
    rows.assign(label=rows["label"] + long).to_csv(tmp_path / "sets.csv", index=False)
    words = [word for word in place.words if not word.startswith("data.path")]
    words += [f"data.path={tmp_path}/sets.csv", "data.label_separator=';'", "refit=null"]
    run = sentiment.train(*words, place.more, "cv=null", f"outputs={tmp_path}")
    plain = sentiment.train(*words, "cv=null", f"outputs={tmp_path}", "tracking=off")
    assert run.metrics["rows/unlabelled"] == 780
    assert run.pipeline["model"].estimator.sharpening == 1
    assert run.metrics["test/log_loss"] != plain.metrics["test/log_loss"]
    (path,) = run.folder.rglob("model.skops")
    assert not [kind for kind in skops.io.get_untrusted_types(file=path) if "sentiment" in kind]


@pytest.mark.slow
def test_each_fold_learns_from_the_unlabelled_texts(place: Place) -> None:
    settings = ["cv=2", "refit=null", "tracking=off", place.where]
    run = sentiment.train(*place.words, place.more, *settings)
    plain = sentiment.train(*place.words, *settings)
    assert run.metrics["cv/log_loss_mean"] != plain.metrics["cv/log_loss_mean"]


@pytest.mark.slow
def test_finalizing_learns_from_all_labels_and_the_same_texts(place: Place) -> None:
    asked = [f"run={place.run.run_id}", place.where]
    result = finalize(compose("finalize", asked))
    assert result.metrics["rows/fitted"] == 120
    more = place.folder / "more.csv"
    content = more.read_text()
    more.write_text(f"{content}one more text\n")
    with pytest.raises(DataChangedError, match="unlabelled texts"):
        finalize(compose("finalize", asked))
    more.write_text(content)
