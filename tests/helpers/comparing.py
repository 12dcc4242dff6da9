"""Predictions to compare, made up."""

import numpy as np

from sentiment.commands.compare.contenders import Contender
from sentiment.modeling.predictions import Predictions
from sentiment.tracking import ModelChoice, StoredRun


def predict_like(
    rng: np.random.Generator, truth: np.ndarray, classes: int, skill: float, digits: int = 6
) -> Predictions:
    """Return probabilities of a model that is the better, the larger its `skill`."""
    names = np.array([f"class {k}" for k in range(classes)])
    logits = rng.normal(size=(len(truth), classes))
    logits[np.arange(len(truth)), truth] += skill
    raised = np.exp(logits)
    # Few digits make ties.
    p = np.round(raised / raised.sum(axis=1, keepdims=True), digits)
    return Predictions(names[truth], p / p.sum(axis=1, keepdims=True), names)


def make_contenders(
    skills: list[float], rows: int = 400, classes: int = 2, excerpt: str = "a text", seed: int = 1
) -> list[Contender]:
    """Return runs that were never stored, of the same rows."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, rows)
    excerpts = np.array([f"{excerpt} {n}" for n in range(rows)], dtype=object)
    made = []
    for key, skill in zip("ABCDEFGH", skills, strict=False):
        tags = {"data": "made-up", "data.fingerprint": "abc", "command": f"train.py skill={skill}"}
        run = StoredRun(f"run-{key}", f"skill {skill}", tags, {}, {"model/size_mb": 1.0})
        choice = ModelChoice("models:/m-0", None, run.id, run.name, "it was named")  # type: ignore[arg-type]
        predictions = predict_like(rng, truth, classes, skill)
        made.append(Contender(key, choice, run, predictions, excerpts))
    return made
