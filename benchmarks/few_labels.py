"""Few labels and many texts: experiment=few_labels against experiment=best on the labels alone."""

import time

import numpy as np
import pandas as pd
from classes import read_docstrings
from reviews import SEED, read_different_reviews
from timing import Figure, Plan

from sentiment.config import compose, make
from sentiment.modeling.pipeline import fit, make_pipeline, predict

DRAWS = 5
HELD_OUT = 0.2
# Labels; points above experiment=best that are asked for, and those that are aimed at.
GOALS = {100: (6.0, 9.0), 500: (3.0, 5.0), 2_000: (1.2, 2.0)}


def bench_reviews(plan: Plan) -> dict[str, Figure]:
    """Measure the gain on the embedded reviews, whose other texts are there without labels."""
    frame = read_different_reviews().sample(frac=1, random_state=SEED)
    return _measure("reviews", frame, [100, 500, 2_000])


def bench_docstrings(plan: Plan) -> dict[str, Figure]:
    """Measure the gain on docstrings of twelve installed packages, which are their labels."""
    return _measure("docstrings", read_docstrings(), [100, 500])


def _measure(data: str, frame: pd.DataFrame, sizes: list[int]) -> dict[str, Figure]:
    held_out = frame[: int(HELD_OUT * len(frame))]
    pool = frame[len(held_out) :].reset_index(drop=True)
    figures = {}
    for size in sizes:
        gains, levels, seconds = [], [], []
        for draw in range(DRAWS):
            known = pool.groupby("label").sample(2, random_state=draw)  # each class is known
            rest = pool.drop(known.index).sample(size - len(known), random_state=draw)
            labelled = pd.concat([known, rest])
            others = pool.drop(labelled.index)["text"]
            alone, _ = _score("best", labelled, None, held_out)
            score, taken = _score("few_labels", labelled, others, held_out)
            gains.append(score - alone)
            levels.append(score)
            seconds.append(taken)
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


def _score(
    experiment: str, frame: pd.DataFrame, texts: pd.Series | None, held_out: pd.DataFrame
) -> tuple[float, float]:
    """Return the accuracy on `held_out` in percent, and the seconds that the fit took."""
    cfg = compose("train", [f"experiment={experiment}", "memory=null"])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    start = time.perf_counter()
    fit(pipeline, frame, texts)
    seconds = time.perf_counter() - start
    labels, _ = predict(pipeline, held_out)
    return 100 * float(np.mean(labels == held_out["label"].to_numpy())), seconds
