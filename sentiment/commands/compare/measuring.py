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
        The two.
    differences : dict of str to Estimate
        Second less first, by metric.
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
        """Return how much better the second is; negative if it is worse."""
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

    def find_detectable(self, metric: str, alpha: float) -> float:
        """Return the smallest loss that a one-sided test on these rows notices four times in five.

        ``(z_alpha + z_power) * standard error``, as for any test of a normal estimate.
        """
        error = self.differences[metric].error
        return float((ndtri(1 - alpha) + ndtri(_POWER)) * error)

    def list_disagreements(self) -> pd.DataFrame:
        """Return the rows that only one of the two gets right, the most different first.

        Returns
        -------
        DataFrame
            ``row`` (number in the split), ``right`` (the key of who is), ``label``, ``excerpt``,
            and of each run ``<key>`` (its prediction) and ``<key>_probability`` (of the true
            label).
        """
        columns: dict[str, np.ndarray] = {}
        true = []
        for one in (self.first, self.second):
            made = one.predictions
            true.append(made.confidence)
            columns |= {one.key: made.predicted, f"{one.key}_probability": true[-1]}
        labels = self.first.predictions.labels
        right = [columns[one.key] == labels for one in (self.first, self.second)]
        table = pd.DataFrame(
            {
                "row": np.arange(len(labels)),
                "right": np.where(right[0], self.first.key, self.second.key),
                "label": labels,
                **columns,
                "excerpt": self.first.excerpts,
            }
        )
        order = np.argsort(-np.abs(true[1] - true[0]), kind="stable")
        apart = order[(right[0] != right[1])[order]]
        return pd.DataFrame(table.iloc[apart]).reset_index(drop=True)


@dataclass(frozen=True)
class Comparison:
    """Several runs, each against the first.

    Attributes
    ----------
    contenders : list of Contender
        The runs; the first is what the others are compared with.
    scores : list of dict of str to Estimate
        Of each run, every metric with its interval.
    pairs : list of PairwiseComparison
        Of each other run with the first.
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
        Two or more, of the same rows.
    metric : str
        The deciding metric; of more than two classes, an average, see `name_average`.
    level : float
        Confidence of the intervals, such as 0.95.
    resamples, seed : int
        Of the bootstrap.
    report : callable, optional
        Called with the number of resamples that are done.
    """
    made = [one.predictions for one in contenders]
    classes = len(made[0].classes)
    several = made[0].separator is not None
    if several and metric not in made[0].metrics:
        raise ConfigError(
            [
                f"the runs are of rows with several labels, which lack the metric {metric}; "
                f"expected one of {', '.join(made[0].metrics)}."
            ]
        )
    metric = metric if several else name_average(metric, classes)
    ordered = made[0].scale is not None
    names = list_shown(classes, metric, ordered=ordered, multilabel=several)
    models = [RowSums(one, names) for one in made]
    samples = resample(models, resamples, seed, report)
    whole = [model.score(np.ones((1, model.rows)))[0] for model in models]
    without = [model.score_with_each(-1) for model in models]
    scores = [
        estimate_scores(made[i], names, whole[i], samples[i], without[i], level)
        for i in range(len(models))
    ]
    right = [one.right for one in made]
    others = range(1, len(models))
    errors = [McNemar.count(right[0], right[i]) for i in others]
    tests = [
        _test(
            names,
            errors[i - 1],
            whole[i] - whole[0],
            permute(made[0], made[i], resamples, seed, names),
        )
        for i in others
    ]
    adjusted = {
        name: adjust_p_values([found[name].p for found in tests]).tolist() for name in names
    }
    pairs = []
    for i in others:
        differences = estimate_differences(
            made[0], made[i], names, whole[i] - whole[0], samples[i] - samples[0],
            without[i] - without[0], level,
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
    found = {
        name: PairedTest.by_permutation(observed[i], permuted[:, i]) for i, name in enumerate(names)
    }
    return found | {"accuracy": errors.test()}
