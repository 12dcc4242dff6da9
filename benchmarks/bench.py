"""Measure what the README quotes: python benchmarks/bench.py [name ...].

Each figure is the median of five runs after one that is not counted; whole processes are timed
from outside. The result is printed and written to outputs/bench.json.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from sentiment.config import compose, make
from sentiment.data.datasets import EmbeddedReviews, TableFile
from sentiment.data.preparation import prepare_data
from sentiment.pipeline import make_pipeline

ROOT = Path(__file__).resolve().parents[1]
RUNS = 5
REVIEWS = EmbeddedReviews(name="imdb", source="imdb")


def time_calls(work: Callable[[], object]) -> dict[str, float]:
    """Return median, minimum and maximum of the seconds that `work` takes."""
    work()
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
    }


def time_script(*arguments: str, code: int = 0) -> dict[str, float]:
    """Time a script as a whole process."""

    def work() -> None:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}")

    return time_calls(work)


def time_training(folder: Path, *overrides: str) -> dict[str, float]:
    """Time train.py as a whole process; peak memory and model size are those it records."""
    figures = time_script("scripts/train.py", f"outputs={folder}", *overrides)
    metrics = json.loads(next(folder.glob("train/*/*/metrics.json")).read_text())
    peak = max(value for name, value in metrics.items() if name.endswith("_peak_mb"))
    return figures | {"peak_mb": peak, "model_mb": metrics["model/size_mb"]}


def write_reviews(path: Path, rows: int) -> Path:
    """Write `rows` different reviews as the Kaggle file has them."""
    texts = REVIEWS.read()
    copies = [texts.assign(text=texts["text"] + f" {n}") for n in range(-(-rows // len(texts)))]
    frame = pd.concat(copies).head(rows).rename(columns={"text": "review", "label": "sentiment"})
    frame.to_csv(path, index=False)
    return path


def bench_help(folder: Path) -> dict[str, float]:
    """train.py --help, whole process."""
    return time_script("scripts/train.py", "--help")


def bench_mistake(folder: Path) -> dict[str, float]:
    """train.py model=svn, from the command to the message."""
    return time_script("scripts/train.py", "model=svn", code=2)


def bench_data(folder: Path) -> dict[str, float]:
    """50,000 reviews read, cleaned, checked, de-duplicated and split."""
    path = write_reviews(folder / "reviews.csv", 50_000)
    dataset = TableFile(
        name="kaggle", path=str(path), text_column="review", label_column="sentiment"
    )
    return time_calls(lambda: prepare_data(dataset, 42))


def bench_fit_2000(folder: Path) -> dict[str, float]:
    """Fit of tfidf_unigram and logistic regression on 2,000 reviews."""
    cfg = compose("train", ["features=tfidf_unigram"])
    train = REVIEWS.read().sample(2000, random_state=0)
    labels = train["label"].to_numpy(dtype=str)
    return time_calls(
        lambda: make_pipeline(make(cfg, "features"), make(cfg, "model")).fit(train, labels)
    )


def bench_train_unigram(folder: Path) -> dict[str, float]:
    """train.py features=tfidf_unigram, whole process, tracking on."""
    return time_training(folder, "features=tfidf_unigram")


def bench_train(folder: Path) -> dict[str, float]:
    """train.py, whole process, tracking on."""
    return time_training(folder)


def bench_predict(folder: Path) -> dict[str, float]:
    """predict.py on 25,000 reviews with the 1-2-gram model, whole process."""
    train = [sys.executable, "scripts/train.py", f"outputs={folder}"]
    subprocess.run(train, cwd=ROOT, check=True, capture_output=True)
    path = write_reviews(folder / "reviews.csv", 25_000)
    figures = time_script(
        "scripts/predict.py", f"input={path}", f"outputs={folder}", "overwrite=true"
    )
    return figures | {"rows_per_second": 25_000 / figures["median_s"]}


def main() -> None:
    """Run the benchmarks that were named, or all."""
    known = {name.removeprefix("bench_"): f for name, f in globals().items() if "bench_" in name}
    wanted = sys.argv[1:] or list(known)
    strangers = [name for name in wanted if name not in known]
    if strangers:
        sys.exit(f"no benchmark {strangers[0]!r}; there are {', '.join(known)}")
    results = {}
    table = Table("figure", "median", "min-max", "more")
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            figures = known[name](Path(folder))
        results[name] = figures
        more = {k: v for k, v in figures.items() if not k.endswith("_s")}
        table.add_row(
            f"{name}: {known[name].__doc__}",
            f"{figures['median_s']:.2f} s",
            f"{figures['min_s']:.2f}-{figures['max_s']:.2f}",
            ", ".join(f"{k} {v:,.0f}" for k, v in more.items()),
        )
    Console(width=120).print(table)
    output = ROOT / "outputs" / "bench.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({"cores": os.cpu_count(), "figures": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
