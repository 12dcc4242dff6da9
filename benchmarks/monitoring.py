"""Duration of monitor.py on many rows, as a whole process, and its rate of false alarms."""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from omegaconf import OmegaConf
from predicting import repeat_reviews
from processes import run_script
from reviews import SEED, read_different_reviews
from timing import Figure, Plan, time_calls

from sentiment.commands.monitor.comparison import compare
from sentiment.commands.monitor.current import CurrentRows
from sentiment.config import CONF
from sentiment.config.schemas import ThresholdSettings
from sentiment.data.copies import add_keys
from sentiment.data.quality import check_quality, find_unusable
from sentiment.modeling.descriptors import TextReader, find_tokenization
from sentiment.modeling.estimators.logistic_regression import LogisticRegression
from sentiment.modeling.evaluation import evaluate
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.reference import make_reference
from sentiment.ngrams.vectorizers import TfidfVectorizer
from sentiment.tracking.stages import SilentObserver

_ROWS, _HALVES = 200_000, 200
_DRIFT = 3


def bench_monitor(plan: Plan) -> dict[str, Figure]:
    """Time monitor.py on 200,000 predictions for repeated reviews, which are drift."""
    outputs = f"outputs={plan.folder}"
    run_script("scripts/train.py", outputs)
    source = repeat_reviews(plan.folder / "reviews.csv", _ROWS)
    run_script("scripts/predict.py", f"input={source}", outputs)
    path = source.with_name("reviews.predictions.csv")
    run_monitor = partial(
        run_script, "scripts/monitor.py", f"current={path}", outputs, codes=(_DRIFT,)
    )
    what = f"monitor.py on {_ROWS:,} predictions, whole process"
    figure = time_calls(what, run_monitor, plan.rounds)
    return {"monitor": replace(figure, target=60, aim=30)}


def bench_false_alarms(plan: Plan) -> dict[str, Figure]:
    """Compare random halves of the reviews that a model has not seen."""
    frame = read_different_reviews().sample(frac=1, random_state=SEED)
    keyed = add_keys(frame)
    report = check_quality(keyed, find_unusable(keyed))
    pipeline = fit(make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression()), frame.head(5000))
    unseen = frame.iloc[5000:].reset_index(drop=True)
    predictions, tokenization = evaluate(pipeline, unseen), find_tokenization(pipeline)
    predicted_rows = unseen.assign(
        prediction=predictions.predicted.astype(str),
        probability=predictions.probabilities.max(axis=1),
    )
    thresholds = ThresholdSettings.of(OmegaConf.load(CONF / "monitor.yaml"))
    rng, alarms, start = np.random.default_rng(SEED), 0, time.perf_counter()
    for _ in range(_HALVES):
        first, second = np.array_split(rng.permutation(len(unseen)), 2)
        half_predictions = Predictions(
            predictions.labels[first], predictions.probabilities[first], predictions.classes
        )
        reference = make_reference(
            pipeline, unseen["text"].iloc[first], half_predictions, report, SEED
        )
        rows: pd.DataFrame = predicted_rows.iloc[second].reset_index(drop=True)
        comparison = compare(
            reference, CurrentRows(rows, len(rows), 0), TextReader(tokenization), thresholds, 10,
            SilentObserver(),
        )  # fmt: skip
        alarms += bool(comparison.drifted)
    share = 100 * alarms / _HALVES
    figure = Figure(
        f"{_HALVES} random halves of the same reviews: runs with a false alarm", "% of runs",
        share, share, share, target=1, aim=0,
        more={"seconds a comparison": (time.perf_counter() - start) / _HALVES},
    )  # fmt: skip
    return {"false_alarms": figure}
