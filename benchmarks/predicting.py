"""Speed and memory of predict.py on large files, and resuming after kills."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from peers import FASTTEXT, FASTTEXT_TRAIN, find_peer, prepare_texts, write_fasttext
from processes import ROOT, run_script
from reviews import SEED, read_reviews
from timing import OURS, Figure, Plan, compare, summarize, time_calls, time_in_turn

_ROWS, _LARGE_ROWS = 500_000, 3_750_000  # the second is a file of 5 GB
_KILLS = 30
# About the duration of a whole prediction, so that kills come at any moment.
_LONGEST = 10.0
# The usual script: read a frame, predict with scikit-learn, write a frame.
_BY_HAND = """
import sys
import mlflow.sklearn, pandas as pd
uri, source, target = sys.argv[1:]
mlflow.set_tracking_uri(uri)
found = mlflow.search_runs(search_all_experiments=True, output_format="list")[0]
model = mlflow.sklearn.load_model(f"models:/{found.outputs.model_outputs[-1].model_id}")
frame = pd.read_csv(source)
texts = frame.rename(columns={"review": "text"})[["text"]]
probabilities = model.predict_proba(texts)
frame["prediction"] = model.classes_[probabilities.argmax(axis=1)]
frame["probability"] = probabilities.max(axis=1)
frame.to_csv(target, index=False)
"""


# fastText's own predict on prepared texts; like ours, it loads a model and writes a label and a
# probability for each line.
_FASTTEXT = """
import sys
import fasttext
model, source, target = sys.argv[1:]
found = fasttext.load_model(model)
with open(source) as lines, open(target, "w") as out:
    while block := lines.readlines(4_000_000):
        labels, probabilities = found.predict([line.rstrip("\\n") for line in block])
        out.writelines(f"{a[0]} {b[0]:.6f}\\n" for a, b in zip(labels, probabilities))
"""


def repeat_reviews(path: Path, rows: int) -> Path:
    """Write the 25,000 reviews repeatedly, `rows` in total."""
    frame = read_reviews().rename(columns={"text": "review", "label": "sentiment"})
    header, _, body = frame.to_csv(index=False).partition("\n")
    with path.open("w") as file:
        file.write(f"{header}\n")
        for _ in range(rows // len(frame)):
            file.write(body)
    return path


def _predict(folder: Path, source: Path, target: Path, *overrides: str) -> list[str]:
    return [
        "scripts/predict.py", f"input={source}", f"output={target}", f"outputs={folder}",
        "overwrite=true", *overrides,
    ]  # fmt: skip


def bench_predict_large(plan: Plan) -> dict[str, Figure]:
    """Measure predict.py on many reviews, also against a script of pandas and scikit-learn."""
    run_script("scripts/train.py", f"outputs={plan.folder}")
    source = repeat_reviews(plan.folder / "reviews.csv", _ROWS)
    ours = _predict(plan.folder, source, plan.folder / "ours.csv")
    seconds, _ = time_in_turn({OURS: lambda: run_script(*ours)}, plan.rounds)
    rates = [_ROWS / duration for duration in seconds[OURS]]
    figures = {
        "predict_large": summarize(
            f"predict.py on {_ROWS:,} reviews, whole process", "reviews/s", rates, target=25_000,
            aim=60_000, more={"largest process MB": _peak_mb()},
        )
    }  # fmt: skip
    hand = ["-c", _BY_HAND, f"sqlite:///{plan.folder}/mlflow.db", str(source)]
    works = {
        OURS: lambda: run_script(*ours),
        "by hand": lambda: run_script(*hand, str(plan.folder / "hand.csv")),
    }
    seconds, _ = time_in_turn(works, plan.slow_rounds)
    ratios = [b / a for a, b in zip(seconds[OURS], seconds["by hand"], strict=True)]
    figures["predict_by_hand"] = summarize(
        f"predict.py against pandas and scikit-learn, {_ROWS:,} reviews", "x", ratios,
        target=8, aim=20, seconds=seconds,
    )  # fmt: skip
    return figures


def bench_predict_memory(plan: Plan) -> dict[str, Figure]:
    """Measure the peak memory of predict.py on 5 GB."""
    run_script("scripts/train.py", f"outputs={plan.folder}", "data.limit=2000")
    source = repeat_reviews(plan.folder / "reviews.csv", _LARGE_ROWS)
    arguments = _predict(plan.folder, source, plan.folder / "ours.csv")
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"predict.py ended with {status}")
    peak = usage.ru_maxrss / 1024
    gigabytes = source.stat().st_size / 1e9
    figure = Figure(
        f"peak memory of predict.py on {gigabytes:.1f} GB", "MB", peak, peak, peak, 700, 400
    )
    return {"predict_memory": figure}


def bench_predict_first(plan: Plan) -> dict[str, Figure]:
    """Time predict.py from the command to its first row."""
    run_script("scripts/train.py", f"outputs={plan.folder}")
    source = repeat_reviews(plan.folder / "reviews.csv", _ROWS)
    arguments = ["scripts/predict.py", f"input={source}", "output=-", f"outputs={plan.folder}"]

    def read_first_row() -> None:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        if not process.stdout.readline() or not process.stdout.readline():
            raise RuntimeError("predict.py wrote no row")
        process.kill()
        process.wait()
        process.stdout.close()

    what = f"predict.py on {_ROWS:,} reviews, from the command to the first row"
    return {
        "predict_first": replace(time_calls(what, read_first_row, plan.rounds), target=4, aim=2)
    }


def compare_predict_fasttext(plan: Plan) -> dict[str, Figure]:
    """Compare predict.py with fastText's predict on prepared texts, as whole processes."""
    fasttext = find_peer(FASTTEXT)
    if fasttext is None:
        return {}
    run_script("scripts/train.py", f"outputs={plan.folder}")
    frame = read_reviews()
    source = repeat_reviews(plan.folder / "reviews.csv", _ROWS)
    lines = write_fasttext(plan.folder / "train.txt", frame)
    model = plan.folder / "model.bin"
    fasttext.train_supervised(input=str(lines), **FASTTEXT_TRAIN).save_model(str(model))
    prepared = plan.folder / "prepared.txt"
    texts = "".join(f"{text}\n" for text in prepare_texts(frame))
    with prepared.open("w", encoding="utf-8") as file:
        for _ in range(_ROWS // len(frame)):
            file.write(texts)
    theirs = ["-c", _FASTTEXT, str(model), str(prepared), str(plan.folder / "theirs.txt")]
    ours = _predict(plan.folder, source, plan.folder / "ours.csv")
    works = {OURS: lambda: run_script(*ours), FASTTEXT: lambda: run_script(*theirs)}
    what = f"predict.py against fastText's predict, {_ROWS:,} reviews, whole processes"
    return {"predict_fasttext": compare(what, works, plan.rounds, target=1, aim=2)}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def bench_predict_killing(plan: Plan) -> dict[str, Figure]:
    """Kill predict.py at random moments, resume it, and compare with an undisturbed run."""
    run_script("scripts/train.py", f"outputs={plan.folder}", "data.limit=2000")
    source, rng = repeat_reviews(plan.folder / "reviews.csv", _ROWS), np.random.default_rng(SEED)
    undisturbed, target = plan.folder / "whole.csv", plan.folder / "out.csv"
    run_script(*_predict(plan.folder, source, undisturbed))
    expected, kills, finished, different = _digest(undisturbed), 0, 0, 0
    arguments = _predict(plan.folder, source, target)
    while kills < _KILLS or not target.exists():
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(rng.uniform(0, _LONGEST) if kills < _KILLS else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            time.sleep(0.01)
        if target.exists():
            finished += 1
            different += _digest(target) != expected
            if kills < _KILLS:
                target.unlink()
    value = float(different)
    figure = Figure(
        f"predict.py killed {kills} times: finished files that differ from an undisturbed one",
        "files", value, value, value, target=0, aim=0,
        more={"kills": kills, "files finished": finished},
    )  # fmt: skip
    return {"predict_killing": figure}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
