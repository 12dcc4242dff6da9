"""Training and scoring against fastText and Vowpal Wabbit, which the extra `bench` installs.

Both read files of prepared texts: lower-cased words and punctuation, separated by spaces. Writing
these files does not count for them, while cleaning the raw texts counts for this project.
"""

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from accuracy import has_experiment
from reviews import SEED, read_different_reviews, read_reviews
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from timing import OURS, Figure, Plan, make_ratio, time_in_turn

from sentiment.config import compose, make
from sentiment.modeling.linear import make_fast
from sentiment.modeling.pipeline import make_pipeline
from sentiment.ngrams.cleaning import clean_text

FASTTEXT, VW = "fastText", "Vowpal Wabbit"
HOLDOUT = 5_000
_MODULES = {FASTTEXT: "fasttext", VW: "vowpalwabbit"}
_TOKENS = re.compile(r"\w+|[!?.,]")
# 2 ** 22 weights: with 2 ** 18, the default, pairs collide and accuracy falls by a point; with
# 2 ** 24 it does not change and reading takes longer.
_VW_TRAIN = "--loss_function logistic --ngram 2 -b 22 --passes 3 --holdout_off -k --quiet"
_VW_PREDICT = "--testonly --link logistic --quiet"
FASTTEXT_TRAIN = {"wordNgrams": 2, "epoch": 5, "thread": 2, "verbose": 0}


def find_peer(name: str) -> ModuleType | None:
    """Return the module of a peer; if it is missing, print how to install it and return None."""
    try:
        return importlib.import_module(_MODULES[name])
    except ImportError:
        print(f'{name} is not installed and left out: pip install -e ".[bench]"')
        return None


def prepare_texts(frame: pd.DataFrame) -> list[str]:
    """Return the words and punctuation of each text, lower-cased and separated by spaces."""
    return [" ".join(_TOKENS.findall(clean_text(text).lower())) for text in frame["text"]]


def write_lines(path: Path, frame: pd.DataFrame, marks: dict[str, str]) -> Path:
    """Write one line per text, with the prefix that `marks` has for its label."""
    rows = zip(frame["label"], prepare_texts(frame), strict=True)
    path.write_text("".join(f"{marks[label]} {text}\n" for label, text in rows), encoding="utf-8")
    return path


def write_vw(path: Path, frame: pd.DataFrame) -> Path:
    """Write texts in the format of Vowpal Wabbit."""
    return write_lines(path, frame, {"positive": "1 |t", "negative": "-1 |t"})


def write_fasttext(path: Path, frame: pd.DataFrame) -> Path:
    """Write texts in the format of fastText."""
    return write_lines(path, frame, {name: f"__label__{name}" for name in ("positive", "negative")})


def run_vw(vw: ModuleType, *arguments: str) -> Any:
    """Run Vowpal Wabbit like its command line, whose own parser and loop read the file."""
    return vw.Workspace(" ".join(arguments))


def train_vw(vw: ModuleType, data: Path) -> Any:
    """Return a workspace trained on a file."""
    return run_vw(vw, _VW_TRAIN, f"-d {data} --cache_file {data}.cache")


def predict_vw(vw: ModuleType, data: Path, model: Path) -> Path:
    """Return the path of the probabilities of the positive class, one per line."""
    predictions = data.with_suffix(".predictions")
    run_vw(vw, _VW_PREDICT, f"-d {data} -i {model} -p {predictions}").finish()
    return predictions


def fit(pipeline: Pipeline, frame: pd.DataFrame) -> Pipeline:
    """Return a fitted copy of `pipeline`."""
    return clone(pipeline).fit(frame[["text"]], frame["label"].to_numpy(dtype=str))


def compose_pipeline(*overrides: str) -> Pipeline:
    """Return the pipeline of a config, without the count cache."""
    cfg = compose("train", [*overrides, "memory=null"])
    return make_pipeline(make(cfg, "features"), make(cfg, "model"))


def compare_scoring(plan: Plan) -> dict[str, Figure]:
    """Compare the reviews per second that each scores, ours as `predict` does.

    Both models are trained on words and pairs of the 25,000 reviews and score these. Loading is not
    counted: the seconds in which Vowpal Wabbit loads its model are subtracted.
    """
    vw = find_peer(VW)
    if vw is None:
        return {}
    frame = read_reviews()
    pipeline = fit(compose_pipeline("features=tfidf", "model=logistic_regression"), frame)
    classifier = make_fast(pipeline)
    data, empty = write_vw(plan.folder / "reviews.vw", frame), plan.folder / "nothing.vw"
    empty.touch()
    model = plan.folder / "model"
    train_vw(vw, data).save(str(model))
    scorings: dict[str, Callable[[], Any]] = {
        OURS: lambda: classifier.predict_proba(frame[["text"]]),
        VW: partial(predict_vw, vw, data, model),
        "loading": partial(predict_vw, vw, empty, model),
    }
    seconds, _ = time_in_turn(scorings, plan.rounds)
    loading = seconds.pop("loading")
    seconds[VW] = [
        total - loading_time for total, loading_time in zip(seconds[VW], loading, strict=True)
    ]
    figure = make_ratio("scoring, words and pairs", seconds, target=1, aim=2.5)
    speeds = {f"{k} reviews/s": len(frame) / float(np.median(v)) for k, v in seconds.items()}
    return {"scoring": replace(figure, more=speeds)}


def count_hits(labels: Iterable[str], predicted: Iterable[str]) -> float:
    """Return the percentage of labels that were predicted."""
    return 100 * float(np.mean([a == b for a, b in zip(labels, predicted, strict=True)]))


def compare_training(plan: Plan) -> dict[str, Figure]:
    """Compare training, from texts in memory or a prepared file to a fitted model."""
    fasttext, vw = find_peer(FASTTEXT), find_peer(VW)
    frame = read_different_reviews()
    train, held_out = train_test_split(
        frame, test_size=HOLDOUT, stratify=frame["label"], random_state=SEED
    )
    overrides = ["experiment=fast"] if has_experiment("fast") else ["features=tfidf", "model=sgd"]
    pipeline = compose_pipeline(*overrides)
    trainings: dict[str, Callable[[], Any]] = {OURS: partial(fit, pipeline, train)}
    scores: dict[str, Callable[[Any], float]] = {
        OURS: lambda fitted: count_hits(held_out["label"], fitted.predict(held_out[["text"]]))
    }
    if fasttext is not None:
        path = write_fasttext(plan.folder / "train.txt", train)
        test = write_fasttext(plan.folder / "test.txt", held_out)
        trainings[FASTTEXT] = partial(fasttext.train_supervised, str(path), **FASTTEXT_TRAIN)
        # The precision of the one label that is predicted; test() needs no numpy.
        scores[FASTTEXT] = lambda model: 100 * model.test(str(test))[1]
    if vw is not None:
        path = write_vw(plan.folder / "train.vw", train)
        test_vw = write_vw(plan.folder / "test.vw", held_out)
        trainings[VW] = partial(train_vw, vw, path)

        def score_vw(workspace: Any) -> float:
            model = plan.folder / "model"
            workspace.save(str(model))
            lines = predict_vw(vw, test_vw, model).read_text().split()
            predicted = ["positive" if float(line) > 0.5 else "negative" for line in lines]
            return count_hits(held_out["label"], predicted)

        scores[VW] = score_vw
    if len(trainings) == 1:
        return {}
    seconds, models = time_in_turn(trainings, plan.slow_rounds)
    accuracy = {name: scores[name](model) for name, model in models.items()}
    goals = {FASTTEXT: {"target": 1.0}, VW: {"aim": 1.0}}
    return {
        f"training_{_MODULES[peer]}": make_ratio(
            f"training on {len(train):,} reviews ({' '.join(overrides)})",
            {OURS: seconds[OURS], peer: seconds[peer]},
            more={f"{name} accuracy %": accuracy[name] for name in (OURS, peer)},
            **goals[peer],
        )
        for peer in seconds
        if peer != OURS
    }
