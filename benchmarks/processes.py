"""Durations of whole processes and of single steps."""

import json
import subprocess
import sys
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from reviews import read_reviews, write_reviews
from timing import Figure, Plan, time_calls

from sentiment.config import compose, make
from sentiment.data.datasets import TableFile
from sentiment.data.preparation import prepare_data
from sentiment.modeling.pipeline import make_pipeline

ROOT = Path(__file__).resolve().parents[1]


def run_script(*arguments: str, codes: Collection[int] = (0,)) -> None:
    """Run a script in a separate process, which must end with one of `codes`."""
    completed = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if completed.returncode not in codes:
        raise RuntimeError(f"{arguments} ended with {completed.returncode}: {completed.stderr}")


def time_training(what: str, plan: Plan, *overrides: str) -> Figure:
    """Time train.py as a whole process; peak memory and model size are those that it records."""
    arguments = ["scripts/train.py", f"outputs={plan.folder}", *overrides]
    figure = time_calls(what, partial(run_script, *arguments), plan.rounds)
    metrics = json.loads(next(plan.folder.glob("train/*/*/metrics.json")).read_text())
    peak = max(value for name, value in metrics.items() if name.endswith("_peak_mb"))
    return replace(figure, more={"peak MB": peak, "model MB": metrics["model/size_mb"]})


def bench_help(plan: Plan) -> dict[str, Figure]:
    """Time train.py --help."""
    work = partial(run_script, "scripts/train.py", "--help")
    return {"help": time_calls("train.py --help, whole process", work, plan.rounds)}


def bench_mistake(plan: Plan) -> dict[str, Figure]:
    """Time train.py with an invalid override, up to its message."""
    work = partial(run_script, "scripts/train.py", "model=svn", codes=(2,))
    return {"mistake": time_calls("train.py model=svn, up to the message", work, plan.rounds)}


def bench_data(plan: Plan) -> dict[str, Figure]:
    """Time the preparation of 50,000 reviews."""
    path = write_reviews(plan.folder / "reviews.csv", 50_000)
    dataset = TableFile(
        name="kaggle", path=str(path), text_column="review", label_column="sentiment"
    )
    what = "50,000 reviews read, cleaned, checked, de-duplicated and split"
    return {"data": time_calls(what, lambda: prepare_data(dataset, 42), plan.rounds)}


def bench_fit_2000(plan: Plan) -> dict[str, Figure]:
    """Time a fit on 2,000 reviews."""
    cfg = compose("train", ["features=tfidf_unigram"])
    train = read_reviews().sample(2000, random_state=0)
    labels = train["label"].to_numpy(dtype=str)
    figure = time_calls(
        "fit of tfidf_unigram and logistic regression on 2,000 reviews",
        lambda: make_pipeline(make(cfg, "features"), make(cfg, "model")).fit(train, labels),
        plan.rounds,
    )
    return {"fit_2000": figure}


def bench_train_unigram(plan: Plan) -> dict[str, Figure]:
    """Time train.py with single words."""
    what = "train.py features=tfidf_unigram, whole process, tracking on"
    return {"train_unigram": time_training(what, plan, "features=tfidf_unigram")}


def bench_train(plan: Plan) -> dict[str, Figure]:
    """Time train.py with its defaults."""
    return {"train": time_training("train.py, whole process, tracking on", plan)}


def bench_predict(plan: Plan) -> dict[str, Figure]:
    """Time predict.py on 25,000 reviews."""
    run_script("scripts/train.py", f"outputs={plan.folder}")
    path = write_reviews(plan.folder / "reviews.csv", 25_000)
    arguments = [f"input={path}", f"outputs={plan.folder}", "overwrite=true"]
    figure = time_calls(
        "predict.py on 25,000 reviews with the 1-2-gram model, whole process",
        partial(run_script, "scripts/predict.py", *arguments),
        plan.rounds,
    )
    return {"predict": replace(figure, more={"reviews/s": 25_000 / figure.value})}
