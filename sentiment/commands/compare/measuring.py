"""Comparison of runs: metrics with intervals, paired tests, and rows where models disagree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from sentiment.commands.compare.contenders import Contender
from sentiment.commands.compare.estimates import Estimate, McNemar, PairedTest
from sentiment.commands.compare.intervals import estimate_differences, estimate_scores
from sentiment.config.metrics import METRICS, list_shown, name_average
from sentiment.errors import ConfigError
from sentiment.modeling.resampling import RowSums, permute, resample
from sentiment.modeling.statistics import adjust_p_values

# The usual power of a test.
_POWER = 0.8


@dataclass(frozen=True)
class PairwiseComparison:
    """Two runs on the same rows.

    Attributes
    ----------
    first, second : Contender
        The two runs.
    differences : dict of str to Estimate
        Second minus first, by metric.
    errors : McNemar
        Counts of rows on which each is right.
    tests : dict of str to PairedTest
        By metric: McNemar's exact test for accuracy, a paired permutation test for the others.
    p : dict of str to float
        Two-sided p-values by metric; with more than one pair, adjusted (Holm) over the pairs.
    """

    first: Contender
    second: Contender
    differences: dict[str, Estimate]
    errors: McNemar
    tests: dict[str, PairedTest]
    p: dict[str, float]

    def measure_gain(self, metric: str) -> float:
        """Return the advantage of the second run; negative if it is worse."""
        value = self.differences[metric].value
        return value if METRICS[metric] else -value

    def test_worse(self, metric: str) -> float:
        """Return the one-sided p-value of "the second is worse than the first"."""
        test = self.tests[metric]
        return test.p_less if METRICS[metric] else test.p_greater

    def judge(self, metric: str, level: float) -> int:
        """Return 1 if the second is better, -1 if it is worse, 0 if the rows show neither."""
        if not self.p[metric] < 1 - level:
            return 0
        return 1 if self.measure_gain(metric) > 0 else -1

    def compute_detectable_effect(self, metric: str, alpha: float) -> float:
        """Return the smallest loss that a one-sided test on these rows detects with a power of 0.8.

        ``(z_alpha + z_power) * standard error``, as for any test of a normal estimate.
        """
        error = self.differences[metric].error
        return float((ndtri(1 - alpha) + ndtri(_POWER)) * error)

    def list_disagreements(self) -> pd.DataFrame:
        """Return the rows that only one of the two gets right, the largest difference first.

        Returns
        -------
        DataFrame
            ``row`` (number in the split), ``right`` (the key of the run that is right), ``label``,
            ``excerpt`` and, for each run, ``<key>`` (its prediction) and ``<key>_probability`` (its
            probability of the true label).
        """
        first, second = self.first, self.second
        labels = first.predictions.labels
        predicted = [run.predictions.predicted for run in (first, second)]
        confidence = [run.predictions.confidence for run in (first, second)]
        is_right = [predicted[0] == labels, predicted[1] == labels]
        table = pd.DataFrame(
            {
                "row": np.arange(len(labels)),
                "right": np.where(is_right[0], first.key, second.key),
                "label": labels,
                first.key: predicted[0],
                f"{first.key}_probability": confidence[0],
                second.key: predicted[1],
                f"{second.key}_probability": confidence[1],
                "excerpt": first.excerpts,
            }
        )
        order = np.argsort(-np.abs(confidence[1] - confidence[0]), kind="stable")
        disagreements = order[(is_right[0] != is_right[1])[order]]
        return pd.DataFrame(table.iloc[disagreements]).reset_index(drop=True)


@dataclass(frozen=True)
class Comparison:
    """Comparison of several runs, each with the first.

    Attributes
    ----------
    contenders : list of Contender
        The runs; the first is the reference of all pairs.
    scores : list of dict of str to Estimate
        For each run, every metric with its interval.
    pairs : list of PairwiseComparison
        Comparison of each other run with the first.
    metric : str
        The deciding metric.
    level : float
        Confidence of the intervals.
    resamples : int
        Number of bootstrap resamples behind the intervals.
    """

    contenders: list[Contender]
    scores: list[dict[str, Estimate]]
    pairs: list[PairwiseComparison]
    metric: str
    level: float
    resamples: int

    @property
    def rows(self) -> int:
        """Number of test rows."""
        return len(self.contenders[0].predictions.labels)


def measure(
    contenders: Sequence[Contender],
    metric: str,
    level: float,
    resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> Comparison:
    """Return metrics, differences and tests of runs on the same test rows.

    Parameters
    ----------
    contenders : sequence of Contender
        Two or more, with predictions for the same rows.
    metric : str
        The deciding metric; with more than two classes, an average, see `name_average`.
    level : float
        Confidence of the intervals, such as 0.95.
    resamples, seed : int
        Number of bootstrap resamples, and the seed.
    report : callable, optional
        Progress callback; called with the number of finished resamples.
    """
    predictions = [contender.predictions for contender in contenders]
    first = predictions[0]
    n_classes, is_multilabel = len(first.classes), first.separator is not None
    if not is_multilabel:
        metric = name_average(metric, n_classes)
    elif metric not in first.metrics:
        raise ConfigError(
            [
                f"the runs are of rows with several labels, which lack the metric {metric}; "
                f"expected one of {', '.join(first.metrics)}."
            ]
        )
    is_ordered = first.scale is not None
    names = list_shown(n_classes, metric, ordered=is_ordered, multilabel=is_multilabel)
    sums = [RowSums(model, names) for model in predictions]
    samples = resample(sums, resamples, seed, report)
    values = [model.score(np.ones((1, model.rows)))[0] for model in sums]
    without_each = [model.score_row_changes(-1) for model in sums]
    scores = [
        estimate_scores(predictions[i], names, values[i], samples[i], without_each[i], level)
        for i in range(len(contenders))
    ]
    other_indices = range(1, len(contenders))
    is_right = [model.right for model in predictions]
    errors = [McNemar.count(is_right[0], is_right[i]) for i in other_indices]
    tests = [
        _test(
            names,
            errors[i - 1],
            values[i] - values[0],
            permute(first, predictions[i], resamples, seed, names),
        )
        for i in other_indices
    ]
    adjusted = {name: adjust_p_values([test[name].p for test in tests]).tolist() for name in names}
    pairs = []
    for i in other_indices:
        differences = estimate_differences(
            first, predictions[i], names, values[i] - values[0], samples[i] - samples[0],
            without_each[i] - without_each[0], level,
        )  # fmt: skip
        p = {name: adjusted[name][i - 1] for name in names}
        pairs.append(
            PairwiseComparison(
                contenders[0], contenders[i], differences, errors[i - 1], tests[i - 1], p
            )
        )
    return Comparison(list(contenders), scores, pairs, metric, level, resamples)


def _test(
    names: Sequence[str], errors: McNemar, observed: np.ndarray, permuted: np.ndarray
) -> dict[str, PairedTest]:
    """Return the test of every metric."""
    tests = {
        name: PairedTest.by_permutation(observed[i], permuted[:, i]) for i, name in enumerate(names)
    }
    return tests | {"accuracy": errors.test()}
