"""Labels on a scale: the error of model=ordinal against that of the default."""

import re

import numpy as np
import pandas as pd
from reviews import SEED, read_reviews
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from timing import Figure, Plan

from sentiment.config import compose, make
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.pipeline import fit, make_pipeline

FOLDS, RESAMPLES = 5, 10_000
# "8/10" and "8 / 10"; not a date, "1/10/2004", nor a fraction, "8.5/10".
_RATING = re.compile(r"(?<![\d./])(10|[1-9]) ?/ ?10(?![\d/])")


def read_rated_reviews() -> pd.DataFrame:
    """Return embedded reviews that name one rating out of ten, with the rating removed."""
    frame = read_reviews().drop_duplicates("text")
    ratings = [{int(n) for n in _RATING.findall(text)} for text in frame["text"]]
    rows = [k for k, values in enumerate(ratings) if len(values) == 1]
    return pd.DataFrame(
        {
            "text": [_RATING.sub(" ", frame["text"].iloc[k]) for k in rows],
            "label": [str(*ratings[k]) for k in rows],
        }
    )


def bench_ordinal(plan: Plan) -> dict[str, Figure]:
    """Measure the mean absolute error of model=ordinal minus that of the default, over folds."""
    frame = read_rated_reviews()
    truth = frame["label"].to_numpy(dtype=float)
    errors = {
        name: np.abs(_predict_folds([f"model={name}", "data.ordered=true"], frame) - truth)
        for name in ("logistic_regression", "ordinal")
    }
    differences = errors["ordinal"] - errors["logistic_regression"]
    rng = np.random.default_rng(SEED)
    means = [differences[rng.integers(0, len(frame), len(frame))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "ordinal": Figure(
            what=f"mean absolute error of model=ordinal on {len(frame):,} reviews with ratings "
            "of 1 to 10, minus that of the default; spread: 95 % interval, paired",
            unit="stars",
            value=float(differences.mean()),
            low=float(low),
            high=float(high),
            target=0.0,
            more={f"error_{name}": float(values.mean()) for name, values in errors.items()},
        )
    }


def _predict_folds(overrides: list[str], frame: pd.DataFrame) -> np.ndarray:
    """Return the predicted rating of each row, by a fit on the other folds."""
    cfg = compose("train", [*overrides, "memory=null"])
    pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
    predicted = np.empty(len(frame))
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, held_out in splitter.split(frame, frame["label"]):
        fitted = fit(clone(pipeline), frame.iloc[train])
        predicted[held_out] = evaluate(fitted, frame.iloc[held_out]).predicted.astype(float)
    return predicted
