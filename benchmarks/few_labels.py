"""Few labels and many texts: experiment=few_labels against experiment=best on the labels alone."""

import itertools
import time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from classes import read_docstrings
from label_sets import read_topics
from reviews import SEED, read_different_reviews
from sklearn.pipeline import Pipeline
from timing import OURS, Figure, Plan, compare, summarize, time_in_turn

from sentiment.config import compose, make
from sentiment.modeling.evaluation import evaluate, score
from sentiment.modeling.linear import make_fast
from sentiment.modeling.pipeline import fit, make_pipeline, precompute_counts

DRAWS = 5
HELD_OUT = 0.2
# Topics; number of draws of label sets, and of labelled rows of each.
LABELS = ("comedy", "family", "horror", "murder", "music", "romance", "television", "war")
SET_DRAWS, SETS = 3, 500
# By number of labels: target and aim, in points above experiment=best.
GOALS = {100: (6.0, 9.0), 500: (3.0, 5.0), 2_000: (1.2, 2.0)}


def bench_reviews(plan: Plan) -> dict[str, Figure]:
    """Measure the gain on the embedded reviews, whose other texts are used without labels."""
    return _measure(plan, "reviews", _shuffle_reviews(), [100, 500, 2_000])


def bench_docstrings(plan: Plan) -> dict[str, Figure]:
    """Measure the gain on docstrings, labelled with their packages, of which there are twelve."""
    return _measure(plan, "docstrings", read_docstrings(), [100, 500])


def bench_label_sets(plan: Plan) -> dict[str, Figure]:
    """Measure the gain by unlabelled texts for label sets: eight topics that reviews may name."""
    frame = read_topics()
    names = frame["label"].map(lambda joined: sorted({*joined.split(";")} & {*LABELS}))
    held_out, pool = _split(frame.assign(label=names.str.join(";")))
    held_out, scores = held_out[held_out["label"] != ""], dict[str, list[dict[str, float]]]()
    precompute_counts(_make("few_labels", memory := f"memory={plan.folder}/counts"), pool["text"])
    for draw in range(SET_DRAWS):
        labelled = pool.sample(SETS, random_state=draw)
        for name, texts in (("alone", None), ("all", pool.drop(labelled.index)["text"])):
            pipeline = _make("few_labels", memory, "data.label_separator=';'", separator=";")
            fit(pipeline, labelled, texts)
            scores.setdefault(name, []).append(score(evaluate(pipeline, held_out)))
    ranked = {k: [100 * run["roc_auc_ovr"] for run in v] for k, v in scores.items()}
    gains = np.subtract(ranked["all"], ranked["alone"])
    mean, error = gains.mean(), gains.std(ddof=1) / np.sqrt(SET_DRAWS)
    return {
        "few_label_sets": Figure(
            what=f"label sets, {SETS:,} labelled reviews and {len(pool) - SETS:,} texts: mean "
            "area under the ROC curve with experiment=few_labels, minus that without these texts; "
            f"spread: two standard errors over {SET_DRAWS} draws",
            unit="%",
            value=float(mean),
            low=float(mean - 2 * error),
            high=float(mean + 2 * error),
            more={f"{k}: area": float(np.mean(v)) for k, v in ranked.items()}
            | {
                f"{k}: {name}": float(np.mean([run[name] for run in v]))
                for k, v in scores.items()
                for name in ("log_loss", "label_ranking_precision")
            },
        )
    }


def bench_speed(plan: Plan) -> dict[str, Figure]:
    """Measure a fit on 500 labels and the other reviews, and predictions against a plain model."""
    held_out, pool = _split(_shuffle_reviews())
    labelled = _draw(pool, 500, 0)
    others = pool.drop(labelled.index)["text"]
    memory = f"memory={plan.folder}/counts"
    baseline = _make("few_labels", memory, "model=logistic_regression")
    pipelines = {OURS: _make("few_labels", memory), "logistic regression": baseline}
    precompute_counts(baseline, pool["text"])
    seeds = itertools.count()

    def fit_anew(pipeline: Pipeline) -> Pipeline:
        # Another seed prevents the reuse of vectors that an earlier fit has learned.
        pipeline.set_params(model__random_state=next(seeds))
        return fit(pipeline, labelled, others)

    fits = {name: partial(fit_anew, pipeline) for name, pipeline in pipelines.items()}

    def predict_often(pipeline: Any) -> None:
        for _ in range(10):  # once takes a twentieth of a second
            pipeline.predict_proba(held_out)

    seconds, fitted = time_in_turn(fits, plan.rounds)
    fast = {name: make_fast(pipeline) for name, pipeline in fitted.items()}
    return {
        "few_labels_fit": summarize(
            f"fit of experiment=few_labels, 500 labels and {len(others):,} texts, counts cached",
            "s",
            seconds[OURS],
            target=20,
            aim=8,
        ),
        "few_labels_predict": compare(
            "predictions of experiment=few_labels against those of a logistic regression on the "
            "same features",
            {name: partial(predict_often, pipeline) for name, pipeline in fast.items()},
            plan.rounds,
            target=0.95,
        ),
    }


def _measure(plan: Plan, data: str, frame: pd.DataFrame, sizes: list[int]) -> dict[str, Figure]:
    held_out, pool = _split(frame)
    memory = f"memory={plan.folder}/counts"
    for experiment in ("best", "few_labels"):
        precompute_counts(_make(experiment, memory), pool["text"])
    figures = {}
    for size in sizes:
        gains, levels, seconds = [], [], []
        for draw in range(DRAWS):
            labelled = _draw(pool, size, draw)
            others = pool.drop(labelled.index)["text"]
            alone, _ = _score(_make("best", memory), labelled, None, held_out)
            level, duration = _score(_make("few_labels", memory), labelled, others, held_out)
            gains.append(level - alone)
            levels.append(level)
            seconds.append(duration)
        mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(DRAWS)
        target, aim = GOALS[size] if data == "reviews" else (None, None)
        figures[f"few_labels_{data}_{size}"] = Figure(
            what=f"{data}, {size:,} labels and {len(others):,} texts without one: accuracy of "
            "experiment=few_labels, minus that of best on the labels alone; spread: two standard "
            f"errors over {DRAWS} draws",
            unit="%",
            value=float(mean),
            low=float(mean - 2 * error),
            high=float(mean + 2 * error),
            target=target,
            aim=aim,
            seconds={"fit of few_labels": seconds},
            more={"accuracy of few_labels": float(np.mean(levels)), "held out": len(held_out)},
        )
    return figures


def _shuffle_reviews() -> pd.DataFrame:
    return read_different_reviews().sample(frac=1, random_state=SEED)


def _split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the held-out rows, and the pool of rows to draw labels from."""
    size = int(HELD_OUT * len(frame))
    return frame[:size], frame[size:].reset_index(drop=True)


def _draw(pool: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    """Return random rows, with at least two of each class."""
    two_per_class = pool.groupby("label").sample(2, random_state=seed)
    others = pool.drop(two_per_class.index).sample(size - len(two_per_class), random_state=seed)
    return pd.concat([two_per_class, others])


def _make(experiment: str, *settings: str, separator: str | None = None) -> Pipeline:
    cfg = compose("train", [f"experiment={experiment}", *settings])
    return make_pipeline(make(cfg, "features"), make(cfg, "model"), separator)


def _score(
    pipeline: Pipeline, frame: pd.DataFrame, texts: pd.Series | None, held_out: pd.DataFrame
) -> tuple[float, float]:
    """Return the accuracy on `held_out` in percent, and the seconds of the fit."""
    start = time.perf_counter()
    fit(pipeline, frame, texts)
    seconds = time.perf_counter() - start
    return 100 * float(evaluate(make_fast(pipeline), held_out).right.mean()), seconds
