"""What a comparison finds: metrics with intervals, paired tests, and where models disagree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from sentiment.comparison.contenders import Contender
from sentiment.comparison.resampling import RowSums, resample
from sentiment.comparison.statistics import Estimate, McNemar, estimate
from sentiment.evaluation import METRICS
from sentiment.statistics import adjust_p_values

# Resampling makes it larger: a row that is drawn twice is a bin that is further off.
_INFLATED = "ece"
# How often a test should notice what there is, as is usual.
_POWER = 0.8


@dataclass(frozen=True)
class Duel:
    """Two runs on the same rows.

    Attributes
    ----------
    first, second : Contender
        The two.
    differences : dict of str to Estimate
        Second less first, by metric.
    errors : McNemar
        How often each is right.
    p : dict of str to float
        Two-sided p-values by metric: of accuracy that of McNemar's exact test, of the others that
        of the paired bootstrap; with more than one duel, corrected (Holm) over the duels.
    """

    first: Contender
    second: Contender
    differences: dict[str, Estimate]
    errors: McNemar
    p: dict[str, float]

    def measure_gain(self, metric: str) -> float:
        """Return by how much the second is better, negative if it is worse."""
        value = self.differences[metric].value
        return value if METRICS[metric] else -value

    def test_worse(self, metric: str) -> float:
        """Return the one-sided p-value of "the second is worse than the first"."""
        if metric == "accuracy":
            return self.errors.p_worse
        difference = self.differences[metric]
        return difference.p_below if METRICS[metric] else difference.p_above

    def judge(self, metric: str, level: float) -> int:
        """Return 1 if the second is better, -1 if it is worse and 0 if the rows cannot tell."""
        if not self.p[metric] < 1 - level:
            return 0
        return 1 if self.measure_gain(metric) > 0 else -1

    def find_noticeable(self, metric: str, alpha: float) -> float:
        """Return the smallest loss that a one-sided test on these rows notices four times in five.

        ``(z_alpha + z_power) * standard error``, as for any test of a normal estimate.
        """
        error = self.differences[metric].error
        return float((norm.ppf(1 - alpha) + norm.ppf(_POWER)) * error)

    def list_disagreements(self) -> pd.DataFrame:
        """Return the rows that only one of the two gets right, the most different first.

        Returns
        -------
        DataFrame
            ``row`` (number in the split), ``right`` (the key of who is), ``label``, ``excerpt``,
            and of each run ``<key>`` (what it said) and ``<key>_probability`` (of the true label).
        """
        columns: dict[str, np.ndarray] = {}
        true = []
        for one in (self.first, self.second):
            made = one.predictions
            place = np.searchsorted(made.classes, made.labels)
            true.append(made.probabilities[np.arange(len(place)), place])
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
    duels : list of Duel
        Of each other run with the first.
    metric : str
        The one that decides.
    level : float
        Confidence of the intervals.
    resamples : int
        How many the intervals were made of.
    """

    contenders: list[Contender]
    scores: list[dict[str, Estimate]]
    duels: list[Duel]
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
        The one that decides.
    level : float
        Confidence of the intervals, such as 0.95.
    resamples, seed : int
        Of the bootstrap.
    report : callable, optional
        Told how many resamples are done.
    """
    models = [RowSums(one.predictions) for one in contenders]
    samples = resample(models, resamples, seed, report)
    whole = [model.score(np.ones((1, model.rows)))[0] for model in models]
    without = [model.score_without_each() for model in models]
    scores = [
        _estimate_all(whole[i], samples[i], without[i], level, bounded=True)
        for i in range(len(models))
    ]
    differences = [
        _estimate_all(whole[i] - whole[0], samples[i] - samples[0], without[i] - without[0], level)
        for i in range(1, len(models))
    ]
    right = [one.predictions.predicted == one.predictions.labels for one in contenders]
    errors = [McNemar.count(right[0], other) for other in right[1:]]
    p = [
        {name: one.p for name, one in found.items()} | {"accuracy": counts.p}
        for found, counts in zip(differences, errors, strict=True)
    ]
    adjusted = {name: adjust_p_values([one[name] for one in p]).tolist() for name in METRICS}
    duels = [
        Duel(
            contenders[0],
            contenders[i + 1],
            differences[i],
            errors[i],
            {name: adjusted[name][i] for name in METRICS},
        )
        for i in range(len(errors))
    ]
    return Comparison(list(contenders), scores, duels, metric, level, resamples)


def _estimate_all(
    whole: np.ndarray,
    samples: np.ndarray,
    without: np.ndarray,
    level: float,
    *,
    bounded: bool = False,
) -> dict[str, Estimate]:
    made = {}
    for i, name in enumerate(METRICS):
        found = estimate(whole[i], samples[:, i], without[:, i], level, centre=name == _INFLATED)
        made[name] = found.floor() if bounded else found
    return made
