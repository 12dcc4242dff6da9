"""Searches: speed against plain scikit-learn, two workers, and gain in accuracy."""

import statistics
import time
from itertools import pairwise
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

import numpy as np
from processes import run_script
from scipy.stats import binomtest
from sklearn.feature_extraction import text as sklearn_text
from sklearn.metrics import accuracy_score
from sklearn.pipeline import Pipeline
from timing import Figure, Plan, make_ratio

from sentiment.commands.search.results import JobResult, read_results
from sentiment.commands.search.trial import read_data
from sentiment.config import compose, make, read_overrides
from sentiment.modeling.pipeline import fit, make_pipeline
from sentiment.ngrams.cleaning import clean_text
from sentiment.ngrams.weighting import compute_log_count_ratio

_NAME = "logistic_regression"
_TRIALS, _SAMPLE, _MORE_TRIALS = 50, 5, 100
# Parameters of our vectorizer only.
_OWN = ("log_count_ratio", "alpha", "n_jobs", "memory")
# Quantile of the normal distribution for a two-sided 95 % interval.
_Z = 1.96


class RatioTfidf(sklearn_text.TfidfVectorizer):
    """scikit-learn's vectorizer with the log-count ratio, in a few lines."""

    def fit_transform(self, raw_documents: Any, y: Any = None) -> Any:
        """Learn terms and weights."""
        counts = sklearn_text.CountVectorizer.fit_transform(self, raw_documents)
        self._tfidf = sklearn_text.TfidfTransformer(sublinear_tf=self.sublinear_tf).fit(counts)
        self._tfidf.idf_ *= np.abs(compute_log_count_ratio(counts, y == max(y), 1.0))
        return self._tfidf.transform(counts)


def search(folder: Path, *overrides: str) -> tuple[float, float]:
    """Search on the embedded reviews in a process; return its wall time and processor seconds."""
    start, usage_before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    run_script("scripts/train.py", "-m", f"search={_NAME}", f"outputs={folder}", *overrides)
    seconds, usage_after = time.perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    return (
        seconds,
        usage_after.ru_utime + usage_after.ru_stime - usage_before.ru_utime - usage_before.ru_stime,
    )


def read_trials(folder: Path) -> list[JobResult]:
    """Return the results of a search in the order of the starts of its trials."""
    results = read_results(folder / "search" / _NAME).values()
    return sorted(results, key=lambda result: result.started)


def list_overrides(result: JobResult) -> list[str]:
    """Return the overrides that train a trial on its own."""
    return read_overrides(result.tags) or []


def choose_sample(results: list[JobResult]) -> list[JobResult]:
    """Return a few representative trials: short and long n-grams in proportion."""
    ordered = sorted(
        results, key=lambda r: (r.settings["features.ngram_range"], r.settings["model.C"])
    )
    step = len(ordered) / _SAMPLE
    return [ordered[int((k + 0.5) * step)] for k in range(_SAMPLE)]


def time_plainly(result: JobResult) -> tuple[float, float, float]:
    """Return a trial's wall time with plain scikit-learn, its processor seconds and accuracy.

    Reading, cleaning and splitting are not counted.
    """
    cfg = compose("train", list_overrides(result))
    data = read_data(cfg)
    texts = [[clean_text(t) for t in part["text"]] for part in (data.train, data.validation)]
    labels = data.train["label"].to_numpy(dtype=str)
    settings = make(cfg, "features").get_params()
    maker = RatioTfidf if settings["log_count_ratio"] else sklearn_text.TfidfVectorizer
    vectorizer = maker(**{key: value for key, value in settings.items() if key not in _OWN})
    start, before = time.perf_counter(), time.process_time()
    pipeline = Pipeline([("features", vectorizer), ("model", make(cfg, "model"))])
    predicted = pipeline.fit(texts[0], labels).predict(texts[1])
    seconds, busy = time.perf_counter() - start, time.process_time() - before
    return seconds, busy, accuracy_score(data.validation["label"], predicted)


def compare_search(seconds: float, busy: float, results: list[JobResult]) -> Figure:
    """Return the speed-up of the search, with the spread over leaving out one trial.

    The two are not timed in turn, so the figure also has the ratio of processor seconds, which
    other processes on the machine hardly affect.
    """
    sample = choose_sample(results)
    timed = [time_plainly(result) for result in sample]
    durations = [value for value, _, _ in timed]
    theirs_busy = statistics.mean(value for _, value, _ in timed) * _TRIALS
    differences = [
        abs(result.metrics["validation/accuracy"] - accuracy)
        for result, (_, _, accuracy) in zip(sample, timed, strict=True)
    ]
    ratio = _TRIALS / seconds
    without = [statistics.mean(durations[:k] + durations[k + 1 :]) * ratio for k in range(_SAMPLE)]
    return Figure(
        what=f"{_TRIALS}-trial search, whole process, against plain scikit-learn: "
        f"{_SAMPLE} of its trials timed and extrapolated; spread: one of them left out",
        unit="x",
        value=statistics.mean(durations) * ratio,
        low=min(without),
        high=max(without),
        target=15,
        aim=40,
        seconds={f"scikit-learn, each of {_SAMPLE}": durations},
        more={
            "search s": seconds,
            f"scikit-learn s, {_TRIALS} trials (extrapolated)": statistics.mean(durations)
            * _TRIALS,
            "processor seconds, x": theirs_busy / busy,
            "search without start and winner s": results[-1].ended - results[0].started,
            "largest difference in accuracy": max(differences),
        },
    )


def measure_overhead(results: list[JobResult]) -> Figure:
    """Return the overhead of a trial of a serial search beyond fit and score.

    Between two trials, the result is recorded, the next point is sampled and its config composed.
    Within a trial, the time outside its stages counts: reading, counting, fitting and predicting.
    """
    between, within = [], []
    for earlier, later in pairwise(results):
        stages = sum(v for k, v in later.metrics.items() if k.startswith("stage/"))
        within.append(later.seconds - stages - later.metrics["validation/predict_seconds"])
        between.append(later.started - earlier.ended)
    overhead = [a + b for a, b in zip(between, within, strict=True)]
    return Figure(
        what="overhead of a trial beyond fit and score: mean, least and most of a search",
        unit="s",
        value=statistics.mean(overhead),
        low=min(overhead),
        high=max(overhead),
        target=0.5,
        aim=0.15,
        more={
            "median s": statistics.median(overhead),
            "between trials, mean s": statistics.mean(between),
            "in a trial, mean s": statistics.mean(within),
        },
    )


def compare_found(results: list[JobResult]) -> Figure:
    """Return the gain in accuracy of the best trial of a search over train.py's defaults.

    The p-value is of McNemar's exact test on the rows that only one of the two predicts correctly.
    The best was chosen on the validation rows, so the figure has the same for the test rows, too.
    """
    best = max(results, key=lambda r: (r.metrics.get("validation/accuracy", 0), -r.number))
    right: dict[str, list[np.ndarray]] = {"validation": [], "test": []}
    for overrides in (list_overrides(best), []):
        cfg = compose("train", overrides)
        data = read_data(cfg)
        pipeline = fit(make_pipeline(make(cfg, "features"), make(cfg, "model")), data.train)
        for name, is_right in right.items():
            frame = getattr(data, name)
            is_right.append(pipeline.predict(frame[["text"]]) == frame["label"].to_numpy(dtype=str))
    more: dict[str, float] = {}
    for name, (ours, default) in right.items():
        gained, lost = int((ours & ~default).sum()), int((default & ~ours).sum())
        more |= {
            f"{name}, best %": 100 * float(ours.mean()),
            f"{name}, default %": 100 * float(default.mean()),
            f"{name}, rows won": gained,
            f"{name}, rows lost": lost,
            f"{name}, p": float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0,
        }
    rows = len(right["validation"][0])
    gained, lost = (more[f"validation, rows {what}"] for what in ("won", "lost"))
    gain = (gained - lost) / rows
    error = _Z * ((gained + lost) / rows - gain**2) ** 0.5 / rows**0.5
    return Figure(
        what=f"validation accuracy of the best of {len(results)} trials over train.py as it is, "
        "in points; spread: 95 %",
        unit="%",
        value=100 * gain,
        low=100 * (gain - error),
        high=100 * (gain + error),
        target=0,
        more=more,
    )


def bench_search(plan: Plan) -> dict[str, Figure]:
    """Measure a search, and then its continuation."""
    timing = search(plan.folder)
    results = read_trials(plan.folder)
    figures = {"search": compare_search(*timing, results)}
    figures["trial_overhead"] = measure_overhead(results)
    search(plan.folder, f"search.n_trials={_MORE_TRIALS}")
    return figures | {"search_gain": compare_found(read_trials(plan.folder))}


def bench_workers(plan: Plan) -> dict[str, Figure]:
    """Compare two workers with one on the same points."""
    common = ["hydra/sweeper/sampler=random", f"search.n_trials={_TRIALS}"]
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    runs = {"two workers": [*common, *joblib], "one": common}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    spans: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(plan.slow_rounds):
        points = []
        for name, overrides in runs.items():
            folder = plan.folder / f"{name} {number}".replace(" ", "_")
            seconds[name].append(search(folder, *overrides)[0])
            results = read_trials(folder)
            spans[name].append(max(r.ended for r in results) - results[0].started)
            points.append(sorted(str(sorted(result.settings.items())) for result in results))
        if points[0] != points[1]:
            raise RuntimeError("the two searches tried different points")
    figure = make_ratio(
        f"{_TRIALS} trials with two workers against one, whole processes",
        seconds,
        target=1.4,
        aim=1.8,
        more={
            "trials alone, without start and winner, x": statistics.median(spans["one"])
            / statistics.median(spans["two workers"])
        },
    )
    return {"two_workers": figure}
