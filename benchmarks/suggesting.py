"""Suggested labels against random ones: accuracy with 300 suggested and with 500 random labels."""

import numpy as np
import pandas as pd
from few_labels import HELD_OUT
from reviews import SEED, read_different_reviews
from sklearn.pipeline import Pipeline
from timing import Figure, Plan

from sentiment.config import compose, make
from sentiment.modeling.active_learning import (
    SHORTLIST,
    choose_diverse,
    choose_uncertain,
    find_text_topics,
    measure_margins,
)
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.pipeline import fit, make_pipeline, predict_probabilities

DRAWS = 3
BATCH, MOST, RANDOM = 50, 300, 500


def bench_suggestions(plan: Plan) -> dict[str, Figure]:
    """Measure the accuracy of experiment=few_labels with suggested labels minus that with random.

    There are six batches of fifty, chosen as by ``scripts/suggest.py``: the first without a model,
    each of the others by the model that was fitted on the earlier batches.
    """
    frame = read_different_reviews().sample(frac=1, random_state=SEED)
    held_out = frame[: int(HELD_OUT * len(frame))]
    pool = frame[len(held_out) :].reset_index(drop=True)
    gains: list[float] = []
    curves: list[list[float]] = []
    for draw in range(DRAWS):
        random = np.random.default_rng(draw).choice(len(pool), RANDOM, replace=False)
        expected = _score(_learn(pool, random), held_out)
        # Each draw suggests from another nine tenths of the pool.
        part = pool.sample(frac=0.9, random_state=draw).reset_index(drop=True)
        curves.append(_follow(part, held_out, draw))
        gains.append(curves[-1][-1] - expected)
    mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(DRAWS)
    levels = np.mean(curves, axis=0)
    return {
        "suggestions": Figure(
            what=f"reviews: accuracy of experiment=few_labels with {MOST} suggested labels, minus "
            f"that with {RANDOM} random ones; spread: two standard errors over {DRAWS} draws",
            unit="%",
            value=float(mean),
            low=float(mean - 2 * error),
            high=float(mean + 2 * error),
            target=0.0,
            more={
                f"accuracy with {BATCH * (k + 1)}": float(level) for k, level in enumerate(levels)
            }
            | {f"accuracy with {RANDOM} random": float(levels[-1] - mean)},
        )
    }


def _follow(pool: pd.DataFrame, held_out: pd.DataFrame, seed: int) -> list[float]:
    """Return the accuracy after each batch."""
    topics = find_text_topics(pool["text"], seed)
    labelled = choose_diverse(topics, BATCH, np.zeros(len(pool), bool), seed).rows
    accuracies = []
    while True:
        pipeline = _learn(pool, labelled)
        accuracies.append(_score(pipeline, held_out))
        if len(labelled) >= MOST:
            return accuracies
        unlabelled = np.setdiff1d(np.arange(len(pool)), labelled)
        margins = measure_margins(predict_probabilities(pipeline, pool.iloc[unlabelled][["text"]]))
        least_certain = np.argsort(margins, kind="stable")[: SHORTLIST * BATCH]
        choice = choose_uncertain(
            topics[unlabelled[least_certain]], margins[least_certain], BATCH, seed
        )
        labelled = np.concatenate([labelled, unlabelled[least_certain][choice.rows]])


def _learn(pool: pd.DataFrame, labelled: np.ndarray) -> Pipeline:
    cfg = compose("train", ["experiment=few_labels", "memory=null"])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    return fit(pipeline, pool.iloc[labelled], pool["text"].drop(index=labelled))


def _score(pipeline: Pipeline, held_out: pd.DataFrame) -> float:
    return 100 * float(evaluate(pipeline, held_out).right.mean())
