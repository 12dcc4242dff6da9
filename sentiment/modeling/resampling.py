"""Fast metrics of bootstrap resamples and permutations.

A bootstrap resample is equivalent to weights: how often each row is drawn. With weights, every
metric follows from a few weighted sums over rows: one matrix product for all metrics, and one pass
over the sorted scores for the area under the ROC curve. A permutation of two models has weights of
0 and 1 for the rows of both.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import rankdata

from sentiment.config.metrics import ALL_BUILT_IN
from sentiment.modeling.evaluation import CALIBRATION_BINS, find_bins, list_own_measures
from sentiment.modeling.metrics import AREAS, KAPPA, measure_rows
from sentiment.modeling.outcomes import OF_COUNTS, ClassCounts, divide, mean_of_known, measure_kappa
from sentiment.modeling.predictions import Predictions

# Numbers in a batch of resamples, 16 MB: enough for an efficient matrix product.
_BATCH = 2_000_000


class RowSums:
    """Sums over the predictions of one model, from which metrics under weights are computed.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows and `k` classes.
    names : sequence of str, optional
        Metrics to compute; default: all.
    ranks : ndarray of shape (n, k), optional
        The order of the rows for the area under the ROC curve; default: the probabilities.
    """

    def __init__(
        self,
        predictions: Predictions,
        names: Sequence[str] | None = None,
        ranks: np.ndarray | None = None,
    ) -> None:
        self.names = list(predictions.metrics if names is None else names)
        self.rows, self.classes = predictions.probabilities.shape
        self._predictions = predictions
        own = list_own_measures() if set(self.names) - set(ALL_BUILT_IN) else {}
        self._own = {name: own[name] for name in self.names if name in own}
        self._means = measure_rows(predictions, self.names)
        if KAPPA in self.names:  # only its sum of squares; the rest follows from counts
            self._means[KAPPA] = np.square(predictions.rank_errors).astype(float)
        self._outcomes, self._has_second = predictions.outcomes, predictions.has_second
        self._gaps = _find_gaps(predictions) if "ece" in self.names else None
        ranked: Iterable[int] = ()
        if set(self.names) & set(AREAS):
            ranked = [1] if self._has_second else range(self.classes)
        order = predictions.probabilities if ranks is None else ranks
        self._ranked = [_Ranking(order[:, k], predictions.find_rows(k)) for k in ranked]

    def score(self, weights: np.ndarray) -> np.ndarray:
        """Return the metrics under each row of `weights`, shape (r, metrics).

        Parameters
        ----------
        weights : ndarray of shape (r, n)
            Weight of each row.
        """
        counts = self._outcomes.count(weights, has_second=self._has_second)
        found = {name: weights @ column for name, column in self._means.items()}
        if self._gaps is not None:
            found["ece"] = np.abs(weights @ self._gaps).sum(axis=1)
        pairs = [ranking.count_pairs(weights) for ranking in self._ranked]
        known = self._combine(counts, found, pairs)
        chosen = (np.repeat(np.arange(self.rows), w.astype(int)) for w in weights)
        return self._gather(known, chosen)

    def score_with_each(self, change: float) -> np.ndarray:
        """Return the metrics after a change of the weight of one row, for each row.

        Parameters
        ----------
        change : float
            Change of the weight, which is 1 for all rows; -1 leaves the row out.

        Returns
        -------
        ndarray of shape (n, metrics)
        """
        # Rows with the same true and predicted classes change the counts equally.
        _, firsts, of_row = np.unique(self._outcomes.kinds, return_index=True, return_inverse=True)
        ones = self._outcomes.count(np.ones((1, self.rows)), has_second=self._has_second)
        made: dict[str, list[np.ndarray]] = {}
        step = max(1, _BATCH // self.classes)
        for start in range(0, len(firsts), step):
            chosen = firsts[start : start + step]
            right, predicted, true = (
                part[chosen].toarray()
                for part in (self._outcomes.right, self._outcomes.predicted, self._outcomes.true)
            )
            counts = ClassCounts(
                ones.right + change * right,
                ones.predicted + change * predicted,
                ones.true + change * true,
                np.full(len(chosen), self.rows + change),
                self._has_second,
            )
            for name in self.names:
                if name in OF_COUNTS:
                    made.setdefault(name, []).append(OF_COUNTS[name](counts))
            if KAPPA in self.names:
                squares = (
                    self._means[KAPPA].sum() + change * self._predictions.rank_errors[chosen] ** 2
                )
                kappa = measure_kappa(counts, np.arange(self.classes), squares)
                made.setdefault(KAPPA, []).append(kappa)
        known = {name: np.concatenate(parts)[of_row] for name, parts in made.items()}
        total = self.rows + change
        for name, column in self._means.items():
            if name != KAPPA:
                known[name] = (column.sum() + change * column) / total
        if self._gaps is not None:
            gaps = self._gaps.sum(axis=0) + change * self._gaps.toarray()
            known["ece"] = np.abs(gaps).sum(axis=1) / total
        if self._ranked:
            areas = [ranking.measure_with_each(change) for ranking in self._ranked]
            area = mean_of_known(np.column_stack(areas))
            known |= dict.fromkeys(AREAS, area)
        rows = np.arange(self.rows)
        return self._gather(known, (np.delete(rows, row) for row in rows))

    def _combine(
        self, counts: ClassCounts, sums: dict[str, np.ndarray], pairs: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        found = {name: sums[name] / counts.rows for name in sums}
        if KAPPA in sums:
            found[KAPPA] = measure_kappa(counts, np.arange(self.classes), sums[KAPPA])
        found |= {name: OF_COUNTS[name](counts) for name in self.names if name in OF_COUNTS}
        if pairs:
            true = counts.true[:, 1:] if self._has_second else counts.true
            possible = true * (counts.rows[:, None] - true)
            area = mean_of_known(divide(np.column_stack(pairs), possible, np.nan))
            found |= dict.fromkeys(AREAS, area)
        return found

    def _gather(self, known: dict[str, np.ndarray], chosen: Iterable[np.ndarray]) -> np.ndarray:
        """Return the columns of `known` and those of the user's metrics, of the `chosen` rows."""
        if self._own:
            taken = map(self._predictions.take, chosen)
            own = [[measure(made) for measure in self._own.values()] for made in taken]
            known |= dict(zip(self._own, np.array(own).T, strict=True))
        return np.column_stack([known[name] for name in self.names])


def _find_gaps(predictions: Predictions) -> csr_array:
    """Return accuracy minus confidence of each row, in the column of its bin."""
    confidence, bins = find_bins(predictions)
    gaps = predictions.right - confidence
    rows = len(gaps)
    return csr_array((gaps, bins, np.arange(rows + 1)), shape=(rows, CALIBRATION_BINS))


class _Ranking:
    """Rows sorted by the score of one class, for the area under its ROC curve.

    The area is the share of the pairs of a row of the class and another row in which the first has
    the higher score, ties counting half (Hanley and McNeil, 1982).
    """

    def __init__(self, scores: np.ndarray, truth: np.ndarray) -> None:
        self._order = np.argsort(scores, kind="stable")
        ranked = scores[self._order]
        self._truth = truth[self._order].astype(float)
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self._tied = len(self._starts) < len(ranked)

    def count_pairs(self, weights: np.ndarray) -> np.ndarray:
        """Return the weight of the pairs that are in order, shape (r,)."""
        ranked = weights[:, self._order]
        yes = ranked * self._truth
        no = ranked - yes
        if self._tied:
            yes, no = (np.add.reduceat(part, self._starts, axis=1) for part in (yes, no))
        below = np.cumsum(no, axis=1)
        below -= no / 2
        pairs: np.ndarray = np.einsum("ij,ij->i", yes, below)
        return pairs

    def measure_with_each(self, change: float) -> np.ndarray:
        """Return the area with another weight of each row, shape (n,)."""
        yes, no = (np.add.reduceat(part, self._starts) for part in (self._truth, 1 - self._truth))
        below, above = np.cumsum(no) - no / 2, yes.sum() - np.cumsum(yes) + yes / 2
        sizes = np.diff(np.r_[self._starts, len(self._truth)])
        mine = self._truth == 1
        pairs = yes @ below + change * np.where(
            mine, np.repeat(below, sizes), np.repeat(above, sizes)
        )
        possible = (yes.sum() + change * mine) * (no.sum() + change * ~mine)
        areas = np.empty(len(mine))
        areas[self._order] = divide(pairs, possible, np.nan)
        return areas


def resample(
    models: Sequence[RowSums],
    resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Return the metrics of all `models` on the same resamples of their rows.

    Parameters
    ----------
    models : sequence of RowSums
        Of the same rows in the same order.
    resamples : int
        Number of resamples, each of as many rows as the split, drawn with replacement (Efron,
        1979).
    seed : int
        Of the draws.
    report : callable, optional
        Called from time to time with the number of finished resamples.

    Returns
    -------
    ndarray of shape (models, resamples, metrics)
        In the order of their names. A metric that is not defined for a resample, such as the area
        under a curve if only one class was drawn, is NaN.
    """
    rng, rows = np.random.default_rng(seed), models[0].rows
    batch = max(1, _BATCH // rows)
    scores = np.empty((len(models), resamples, len(models[0].names)))
    for start in range(0, resamples, batch):
        stop = min(start + batch, resamples)
        drawn = rng.integers(0, rows, (stop - start, rows), dtype=np.int32)
        weights = np.stack([np.bincount(one, minlength=rows) for one in drawn]).astype(float)
        for place, model in enumerate(models):
            scores[place, start:stop] = model.score(weights)
        report(stop)
    return scores


def permute(
    first: Predictions,
    second: Predictions,
    permutations: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Return the differences of two models after random exchanges of their outputs.

    Each permutation exchanges the predictions of the two models for each row with probability 1/2.
    If the models only differ by chance, all permutations are equally probable, so a test that
    counts them is exact for any number of rows (Fisher, 1935). Rows are ranked within each model
    first, so that the area under the ROC curve does not depend on calibration (Venkatraman and
    Begg, 1996).

    Parameters
    ----------
    first, second : Predictions
        Of the same `n` rows in the same order.
    permutations : int
        Number of permutations.
    seed : int
        Seed of the exchanges.
    names : sequence of str, optional
        Metrics to compute; default: all.

    Returns
    -------
    ndarray of shape (permutations, metrics)
        Second minus first, in the order of `names`.
    """
    both = replace(
        first,
        labels=np.concatenate([first.labels, second.labels]),
        probabilities=np.concatenate([first.probabilities, second.probabilities]),
    )
    ranks = [rankdata(one.probabilities, axis=0) for one in (first, second)]
    sums = RowSums(both, names, np.concatenate(ranks))
    rng, rows = np.random.default_rng(seed), len(first.labels)
    batch = max(1, _BATCH // (2 * rows))
    differences = np.empty((permutations, len(sums.names)))
    for start in range(0, permutations, batch):
        stop = min(start + batch, permutations)
        kept = rng.integers(0, 2, (stop - start, rows)).astype(float)
        ones, others = np.hstack([kept, 1 - kept]), np.hstack([1 - kept, kept])
        differences[start:stop] = sums.score(others) - sums.score(ones)
    return differences
