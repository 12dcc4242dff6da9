"""Value of the labels of validation and test rows: refit=all against the evaluated model.

Of the 24,902 different embedded reviews, no model sees 5,000. The others are the data set: its
default split fits the evaluated model on 70 % of them, and then the same settings are fitted on all
of them. Both models are scored on the 5,000.

    python benchmarks/finalizing.py
    python benchmarks/finalizing.py experiment=best
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from sentiment.commands.train.fitting import Fitting
from sentiment.config import compose, make
from sentiment.data.preparation import prepare_data
from sentiment.modeling.evaluation import evaluate
from sentiment.tracking.stages import Stages

SEEDS = range(1, 6)
HELD_OUT = 5_000


def measure(seed: int, overrides: list[str], folder: Path) -> tuple[float, float, dict[str, float]]:
    """Return the accuracies of both models on the held-out rows, and the seconds of both fits."""
    rows = prepare_data(make(compose("train"), "data", "read"), seed=0).gather("all")
    shuffled = rows.sample(frac=1, random_state=seed)
    held_out, others = shuffled.iloc[:HELD_OUT], shuffled.iloc[HELD_OUT:]
    path = folder / f"{seed}.csv"
    others.to_csv(path, index=False)
    data = ["data=csv", f"data.path={path}", f"seed={seed}", "refit=all"]
    cfg = compose("train", [*data, *overrides])
    stages = Stages()
    fitting = Fitting(cfg, stages)
    prepared = fitting.prepare(lambda: prepare_data(make(cfg, "data", "read"), cfg.seed))
    assert not set(held_out["text"]) & set(prepared.gather("all")["text"])
    fitting.fit()
    fitting.refit()
    scores = [
        float(evaluate(model, held_out).right.mean()) for model in (fitting.pipeline, fitting.final)
    ]
    return scores[0], scores[1], {stage.name: stage.seconds for stage in stages.done}


def main(overrides: list[str]) -> None:
    """Print both accuracies for each seed, and the mean difference."""
    gains = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            evaluated, final, seconds = measure(seed, overrides, Path(folder))
            gains.append(100 * (final - evaluated))
            times = ", ".join(f"{name} {seconds[name]:.1f} s" for name in ("fit", "refit"))
            print(f"seed {seed}: {evaluated:.4f} -> {final:.4f} ({gains[-1]:+.2f} points; {times})")
    error = np.std(gains, ddof=1) / np.sqrt(len(gains))
    print(f"refit=all: {np.mean(gains):+.2f} points (standard error {error:.2f})")


if __name__ == "__main__":
    main(sys.argv[1:])
