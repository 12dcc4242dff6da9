"""Error rates of the tests, intervals and choices behind promotions and thresholds.

Every figure is a simulation with known truth: pairs of models that find the same texts hard and
otherwise differ by chance. The usual textbook methods are measured beside ours.
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import binom
from timing import Figure, Plan

from sentiment.commands.compare.estimates import McNemar, PairedTest, estimate
from sentiment.commands.compare.intervals import estimate_differences, estimate_scores
from sentiment.config.metrics import list_shown
from sentiment.errors import ConfigError
from sentiment.modeling.evaluation import score
from sentiment.modeling.intervals import FEWEST_ROWS, measure_intervals
from sentiment.modeling.predictions import Predictions
from sentiment.modeling.resampling import RowSums, permute, resample
from sentiment.modeling.thresholds import choose_rule

_NAMES = list_shown(2)
_SIZES = (10, 20, 50, 200, 1000)
_TRIALS, _DRAWS, _LEVEL = 600, 399, 0.95
_CLASSES = np.array(["negative", "positive"])


def predict_alike(
    rng: np.random.Generator, rows: int, skills: tuple[float, float]
) -> list[Predictions]:
    """Return the predictions of two models for the same rows; equal skills make a true null."""
    labels = (rng.random(rows) < 0.5).astype(int)
    labels[:2] = [0, 1]
    hard = rng.normal(size=rows)
    predictions = []
    for skill in skills:
        margin = skill * (2 * labels - 1) + 0.8 * hard + 0.6 * rng.normal(size=rows)
        second = 1 / (1 + np.exp(-2 * skill * margin))
        predictions.append(
            Predictions(_CLASSES[labels], np.column_stack([1 - second, second]), _CLASSES)
        )
    return predictions


def _score(predictions: Predictions) -> np.ndarray:
    scores: np.ndarray = RowSums(predictions, _NAMES).score(np.ones((1, len(predictions.labels))))[
        0
    ]
    return scores


def _bound(share: float, cells: int) -> float:
    """Return the percentage that the largest of `cells` counts exceeds in one of 20 measurements.

    Each count is one of `_TRIALS` trials with the probability `share`. It is Bonferroni's bound.
    """
    return 100 * float(binom.isf(0.05 / cells, _TRIALS, share)) / _TRIALS


def _report(what: str, unit: str, value: float, target: float, more: dict[str, float]) -> Figure:
    return Figure(what, unit, value, min(more.values()), max(more.values()), target, more=more)


def bench_tests(plan: Plan) -> dict[str, Figure]:
    """Count how often two models of the same skill are called different at 5 %."""
    more: dict[str, float] = {}
    bootstrap: dict[str, float] = {}
    for rows in _SIZES:
        alarms, bootstrap_alarms = np.zeros(len(_NAMES)), np.zeros(len(_NAMES))
        for trial in range(_TRIALS):
            pair = predict_alike(np.random.default_rng((rows, trial)), rows, (0.8, 0.8))
            observed = _score(pair[1]) - _score(pair[0])
            permuted = permute(*pair, _DRAWS, trial, _NAMES)
            tests = [
                PairedTest.by_permutation(difference, drawn)
                for difference, drawn in zip(observed, permuted.T, strict=False)
            ]
            tests[0] = McNemar.count(*(model.predicted == model.labels for model in pair)).test()
            alarms += [test.p <= 1 - _LEVEL + 1e-9 for test in tests]
            first, second = resample([RowSums(model, _NAMES) for model in pair], _DRAWS, trial)
            drawn = second - first
            tails = np.minimum((drawn <= 0).mean(axis=0), (drawn >= 0).mean(axis=0))
            bootstrap_alarms += 2 * tails <= 1 - _LEVEL
        more |= {
            f"{name}, {rows} rows": 100 * n / _TRIALS
            for name, n in zip(_NAMES, alarms, strict=True)
        }
        bootstrap |= {
            f"{name}, {rows} rows": 100 * n / _TRIALS
            for name, n in zip(_NAMES, bootstrap_alarms, strict=True)
        }
    bound = _bound(1 - _LEVEL, len(more))
    what = f"false alarms at 5 %, largest of all metrics and sizes, {_TRIALS} pairs each"
    return {
        "false_alarms_of_tests": _report(what, "% of pairs", max(more.values()), bound, more),
        "false_alarms_of_bootstrap": _report(
            f"the same of the paired bootstrap, {what}",
            "% of pairs",
            max(bootstrap.values()),
            bound,
            bootstrap,
        ),
    }


def bench_intervals(plan: Plan) -> dict[str, Figure]:
    """Count how often 95 % intervals cover the truth, where there is an interval."""
    skills, more, bca_coverage = (1.2, 1.4), dict[str, float](), dict[str, float]()
    population = predict_alike(np.random.default_rng(1), 2_000_000, skills)
    truth = [_score(predictions) for predictions in population]
    for rows in (*_SIZES[:4], 2 * FEWEST_ROWS + 60, 1000):
        our_hits: dict[str, list[bool]] = {}
        bca_hits: dict[str, list[bool]] = {}
        for trial in range(_TRIALS):
            pair = predict_alike(np.random.default_rng((rows, trial)), rows, skills)
            sums = [RowSums(model, _NAMES) for model in pair]
            samples, observed = resample(sums, _DRAWS, trial), [_score(model) for model in pair]
            without = [model_sums.score_row_changes(-1) for model_sums in sums]
            scores = (observed[0], samples[0], without[0])
            differences = [values[1] - values[0] for values in (observed, samples, without)]
            score_intervals = estimate_scores(pair[0], _NAMES, *scores, _LEVEL)
            gap_intervals = estimate_differences(*pair, _NAMES, *differences, _LEVEL)
            for i, name in enumerate(_NAMES):
                gap = truth[1][i] - truth[0][i]
                for what, value, estimates, interval in (
                    (name, truth[0][i], scores, score_intervals[name]),
                    (f"{name} B-A", gap, differences, gap_intervals[name]),
                ):
                    if not np.isnan(interval.low):
                        our_hits.setdefault(what, []).append(interval.low <= value <= interval.high)
                    whole, drawn, left_out = estimates
                    bca = estimate(
                        whole[i], drawn[:, i], left_out[:, i], _LEVEL, center=name == "ece"
                    )
                    bca_hits.setdefault(what, []).append(bca.low <= value <= bca.high)
        more |= {f"{what}, {rows} rows": 100 * float(np.mean(n)) for what, n in our_hits.items()}
        bca_coverage |= {
            f"{what}, {rows} rows": 100 * float(np.mean(n)) for what, n in bca_hits.items()
        }
    bound = 100 - _bound(1 - _LEVEL, len(more))
    what = f"coverage of 95 % intervals, least of all metrics and sizes, {_TRIALS} pairs each"
    return {
        "coverage": _report(what, "%", min(more.values()), bound, more),
        "coverage_of_bca": _report(
            f"the same if all were BCa, {what}",
            "%",
            min(bca_coverage.values()),
            bound,
            bca_coverage,
        ),
    }


def bench_scores(plan: Plan) -> dict[str, Figure]:
    """Count how often 95 % intervals beside the scores of a training miss the truth.

    A sample that is too small for an interval misses nothing: only wrong intervals that a person
    would see count.
    """
    more: dict[str, float] = {}
    for classes, rarest, rows in (
        (2, 0.5, 250), (2, 0.1, 1000), (2, 0.02, 2500), (5, 0.02, 2500), (5, 0.1, 500),
        (20, 0.01, 1000), (20, 0.05, 2500),
    ):  # fmt: skip
        shares = np.full(classes, (1 - rarest) / (classes - 1))
        shares[-1] = rarest
        names = [*list_shown(classes), "f1_macro", "matthews_corrcoef", "roc_auc"]
        for skill in (1.0, 2.0, 3.5):
            truth = score(_predict(np.random.default_rng(0), shares, 300_000, skill))
            missed = dict.fromkeys(names, 0)
            for trial in range(_TRIALS // 2):
                rng = np.random.default_rng((trial, classes, rows))
                predictions = _predict(rng, shares, rows, skill)
                for name, (low, high) in measure_intervals(predictions, names, _LEVEL).items():
                    missed[name] += not np.isnan(low) and not low <= truth[name] <= high
            what = f"{classes} classes, {rows} rows, {rarest * rows:.0f} of the rarest, {skill}"
            more |= {f"{n}, {what}": 200 * count / _TRIALS for n, count in missed.items()}
    what = f"samples with a 95 % interval that misses, largest of all, {_TRIALS // 2} each"
    worst = max(more, key=lambda name: more[name])
    details = {worst: more[worst], "mean": float(np.mean(list(more.values())))}
    return {"missed_scores": _report(what, "%", more[worst], 10, details)}


def _predict(rng: np.random.Generator, shares: np.ndarray, rows: int, skill: float) -> Predictions:
    """Return predictions for rows of unequal classes, calibrated for a `skill` of 1."""
    truth = rng.choice(len(shares), rows, p=shares)
    margins = rng.normal(size=(rows, len(shares))) + np.log(shares)
    margins[np.arange(rows), truth] += skill
    raised = np.exp(margins)
    names = np.array([f"class {k:02}" for k in range(len(shares))])
    return Predictions(names[truth], raised / raised.sum(axis=1, keepdims=True), names)


def bench_thresholds(plan: Plan) -> dict[str, Figure]:
    """Count how many new files miss ``precision>=0.9``, chosen on as many rows."""
    more: dict[str, float] = {}
    for rows in (500, 1000, 2500, 5000):
        n_missed, n_chosen, missed_by_point = 0, 0, 0
        for trial in range(_TRIALS):
            rng = np.random.default_rng((rows, trial))
            chosen_on, new = (predict_alike(rng, rows, (1.1, 1.1))[0] for _ in range(2))
            missed_by_point += _miss(new, _choose_by_point(chosen_on))
            try:
                rule = choose_rule("precision>=0.9", 0.0, _CLASSES, chosen_on)
            except ConfigError:
                continue
            n_chosen += 1
            n_missed += _miss(new, rule.threshold)
        more[f"missed, {rows} rows"] = 100 * n_missed / max(n_chosen, 1)
        more[f"no threshold, {rows} rows"] = 100 * (1 - n_chosen / _TRIALS)
        more[f"missed by point estimate, {rows} rows"] = 100 * missed_by_point / _TRIALS
    worst = max(value for name, value in more.items() if name.startswith("missed,"))
    what = f"new files below precision>=0.9, chosen on as many rows, {_TRIALS} pairs of files each"
    return {"missed_goals": _report(what, "% of files", worst, 10, more)}


def _miss(new: Predictions, threshold: float) -> bool:
    is_positive = new.probabilities[:, 1] >= threshold
    return bool(is_positive.any() and np.mean(new.labels[is_positive] == _CLASSES[1]) < 0.9)


def _choose_by_point(predictions: Predictions) -> float:
    second = np.sort(predictions.probabilities[:, 1])[::-1]
    hits = np.cumsum(
        predictions.labels[np.argsort(-predictions.probabilities[:, 1])] == _CLASSES[1]
    )
    reached = np.flatnonzero(hits / np.arange(1, len(hits) + 1) >= 0.9)
    return float(second[reached[-1]]) if len(reached) else 1.0


def bench_anchor(plan: Plan) -> dict[str, Figure]:
    """Offer 30 challengers, each 0.2 points worse than the champion; margin 0.5 points."""
    figures: dict[str, Figure] = {}
    for key, anchored in (("drift_with_anchor", True), ("drift_without_anchor", False)):
        more: dict[str, float] = {}
        for rows in (1000, 2500, 5000, 10_000):
            lost = [
                _promote_nightly(np.random.default_rng((rows, trial)), rows, anchored=anchored)
                for trial in range(_TRIALS // 6)
            ]
            more[f"mean, {rows} rows"] = float(np.mean(lost))
            more[f"95 % of series, {rows} rows"] = float(np.quantile(lost, 0.95))
        worst = max(value for name, value in more.items() if name.startswith("mean"))
        what = "accuracy lost in 30 nights of challengers 0.2 points worse each"
        figures[key] = _report(
            f"{what}, {'with' if anchored else 'without'} the anchor", "points", worst, 1, more
        )
    return figures


def _promote_nightly(
    rng: np.random.Generator, rows: int, *, anchored: bool, margin: float = 0.005
) -> float:
    """Return the points that the champion has truly lost after 30 nights."""
    easy = rng.random(rows) < 0.9

    def train(loss: float) -> np.ndarray:
        """Return the rows on which a model is right; two models disagree on 5 % of the rows."""
        right: np.ndarray = np.where(
            easy, rng.random(rows) >= 0.0139 + loss / 0.9, rng.random(rows) < 0.125
        )
        return right

    champion = anchor = (0.0, train(0.0))
    for _ in range(30):
        challenger = (champion[0] + 0.002, train(champion[0] + 0.002))
        pair = McNemar.count(champion[1], challenger[1])
        loss = (pair.only_first - pair.only_second) / rows
        behind = float(anchor[1].mean() - challenger[1].mean())
        if loss > margin or (loss > 0 and pair.test().p_less < 0.05):
            continue
        if anchored and behind > margin:
            continue
        champion = challenger
        if behind <= 0:
            anchor = challenger
    return 100 * champion[0]


BENCHMARKS: dict[str, Callable[[Plan], dict[str, Figure]]] = {
    "tests": bench_tests,
    "intervals": bench_intervals,
    "scores": bench_scores,
    "thresholds": bench_thresholds,
    "anchor": bench_anchor,
}
