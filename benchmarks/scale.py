"""Growth of the time with the number of texts, and memory of a fit."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
from reviews import shuffle_among, write_reviews
from timing import Figure, Plan, summarize, time_in_turn
from vectorizing import PAIRS

from sentiment.ngrams.vectorizers import TfidfVectorizer

SIZES = (12_500, 25_000, 50_000, 100_000, 200_000)
PEAK = Path(__file__).with_name("peak.py")


def fit_exponent(sizes: list[int], seconds: list[float]) -> float:
    """Return the slope of log seconds over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def bench_growth(plan: Plan) -> dict[str, Figure]:
    """Measure the exponent of the time of fit_transform, words and pairs."""
    texts = shuffle_among(max(SIZES))
    texts_by_size = {f"{size:,}": texts[:size] for size in SIZES}

    def fit(name: str) -> None:
        TfidfVectorizer(**PAIRS).fit_transform(texts_by_size[name])

    seconds, _ = time_in_turn(
        {name: partial(fit, name) for name in texts_by_size}, plan.slow_rounds
    )
    rounds = [fit_exponent(list(SIZES), list(row)) for row in zip(*seconds.values(), strict=True)]
    medians = [float(np.median(row)) for row in seconds.values()]
    figure = Figure(
        what="growth of the time of fit_transform from 12,500 to 200,000 texts",
        unit="exponent",
        value=fit_exponent(list(SIZES), medians),
        low=min(rounds),
        high=max(rounds),
        target=1.05,
        seconds=seconds,
    )
    return {"growth": figure}


def bench_memory(plan: Plan) -> dict[str, Figure]:
    """Measure the peak memory of a fresh process that reads and fits 50,000 reviews."""
    path = write_reviews(plan.folder / "reviews.csv", 50_000)
    figures = {}
    for name, longest, target in (("pairs", 2, 1024), ("triples", 3, 2048)):
        command = [sys.executable, str(PEAK), str(path), str(longest)]
        peaks = [
            float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            for _ in range(plan.rounds + 1)
        ]
        what = f"peak memory of reading and fitting 50,000 reviews, 1-{longest}-grams"
        figures[f"memory_{name}"] = summarize(what, "MB", peaks[1:], target=target)
    return figures
