"""Fast metrics of bootstrap resamples and permutations.

A bootstrap resample is equivalent to weights, the number of times that each row is drawn. Every
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
from sentiment.modeling.outcomes import OF_COUNTS, ClassCounts, divide, measure_kappa, nan_mean
from sentiment.modeling.predictions import Predictions

# Numbers in a batch of resamples (16 MB), enough for an efficient matrix product.
_BATCH = 2_000_000


class RowSums:
    """Computation of the metrics of one model for weighted rows.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows and `k` classes.
    names : sequence of str, optional
        Metrics to compute; default: all.
    ranks : ndarray of shape (n, k), optional
        Scores that order the rows for the area under the ROC curve; default: the probabilities.
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
        measures = list_own_measures() if set(self.names) - set(ALL_BUILT_IN) else {}
        self._own_measures = {name: measures[name] for name in self.names if name in measures}
        self._means = measure_rows(predictions, self.names)
        if KAPPA in self.names:  # kappa follows from its sum of squares and the counts
            self._means[KAPPA] = np.square(predictions.rank_errors).astype(float)
        self._outcomes, self._has_second = predictions.outcomes, predictions.has_second
        self._gaps = _find_gaps(predictions) if "ece" in self.names else None
        ranked_classes: Iterable[int] = ()
        if set(self.names) & set(AREAS):
            ranked_classes = [1] if self._has_second else range(self.classes)
        scores = predictions.probabilities if ranks is None else ranks
        self._rankings = [_Ranking(scores[:, k], predictions.find_rows(k)) for k in ranked_classes]

    def score(self, weights: np.ndarray) -> np.ndarray:
        """Return the metrics for each row of `weights`, shape (r, metrics).

        Parameters
        ----------
        weights : ndarray of shape (r, n)
            Weight of each row.
        """
        counts = self._outcomes.count(weights, has_second=self._has_second)
        sums = {name: weights @ column for name, column in self._means.items()}
        if self._gaps is not None:
            sums["ece"] = np.abs(weights @ self._gaps).sum(axis=1)
        pairs = [ranking.count_pairs(weights) for ranking in self._rankings]
        metrics = self._combine(counts, sums, pairs)
        resamples = (np.repeat(np.arange(self.rows), w.astype(int)) for w in weights)
        return self._gather(metrics, resamples)

    def score_row_changes(self, change: float) -> np.ndarray:
        """Return the metrics with a change of the weight of one row, for each row.

        Parameters
        ----------
        change : float
            Change of a weight of 1; -1 leaves the row out.

        Returns
        -------
        ndarray of shape (n, metrics)
        """
        # Rows with the same true and predicted classes change the counts equally.
        kinds = self._outcomes.kinds
        _, examples, inverse = np.unique(kinds, return_index=True, return_inverse=True)
        totals = self._outcomes.count(np.ones((1, self.rows)), has_second=self._has_second)
        batches: dict[str, list[np.ndarray]] = {}
        step = max(1, _BATCH // self.classes)
        for start in range(0, len(examples), step):
            rows = examples[start : start + step]
            right, predicted, true = (
                matrix[rows].toarray()
                for matrix in (self._outcomes.right, self._outcomes.predicted, self._outcomes.true)
            )
            counts = ClassCounts(
                totals.right + change * right,
                totals.predicted + change * predicted,
                totals.true + change * true,
                np.full(len(rows), self.rows + change),
                self._has_second,
            )
            for name in self.names:
                if name in OF_COUNTS:
                    batches.setdefault(name, []).append(OF_COUNTS[name](counts))
            if KAPPA in self.names:
                squares = (
                    self._means[KAPPA].sum() + change * self._predictions.rank_errors[rows] ** 2
                )
                kappa = measure_kappa(counts, np.arange(self.classes), squares)
                batches.setdefault(KAPPA, []).append(kappa)
        metrics = {name: np.concatenate(arrays)[inverse] for name, arrays in batches.items()}
        total = self.rows + change
        for name, column in self._means.items():
            if name != KAPPA:
                metrics[name] = (column.sum() + change * column) / total
        if self._gaps is not None:
            gaps = self._gaps.sum(axis=0) + change * self._gaps.toarray()
            metrics["ece"] = np.abs(gaps).sum(axis=1) / total
        if self._rankings:
            areas = [ranking.measure_row_changes(change) for ranking in self._rankings]
            area = nan_mean(np.column_stack(areas))
            metrics |= dict.fromkeys(AREAS, area)
        rows = np.arange(self.rows)
        return self._gather(metrics, (np.delete(rows, row) for row in rows))

    def _combine(
        self, counts: ClassCounts, sums: dict[str, np.ndarray], pairs: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        metrics = {name: sums[name] / counts.rows for name in sums}
        if KAPPA in sums:
            metrics[KAPPA] = measure_kappa(counts, np.arange(self.classes), sums[KAPPA])
        metrics |= {name: OF_COUNTS[name](counts) for name in self.names if name in OF_COUNTS}
        if pairs:
            true = counts.true[:, 1:] if self._has_second else counts.true
            possible = true * (counts.rows[:, None] - true)
            area = nan_mean(divide(np.column_stack(pairs), possible, np.nan))
            metrics |= dict.fromkeys(AREAS, area)
        return metrics

    def _gather(
        self, metrics: dict[str, np.ndarray], resamples: Iterable[np.ndarray]
    ) -> np.ndarray:
        """Return the columns of `metrics` and of the user's metrics, for the rows of resamples."""
        if self._own_measures:
            values = [
                [measure(predictions) for measure in self._own_measures.values()]
                for predictions in map(self._predictions.take, resamples)
            ]
            metrics |= dict(zip(self._own_measures, np.array(values).T, strict=True))
        return np.column_stack([metrics[name] for name in self.names])


def _find_gaps(predictions: Predictions) -> csr_array:
    """Return accuracy minus confidence of each row, in the column of its bin."""
    confidence, bins = find_bins(predictions)
    gaps = predictions.right - confidence
    rows = len(gaps)
    return csr_array((gaps, bins, np.arange(rows + 1)), shape=(rows, CALIBRATION_BINS))


class _Ranking:
    """Rows sorted by the score of one class, for the area under its ROC curve.

    The area is the share of the pairs of a row of the class and another row in which the first has
    the higher score; ties count half (Hanley and McNeil, 1982).
    """

    def __init__(self, scores: np.ndarray, truth: np.ndarray) -> None:
        self._order = np.argsort(scores, kind="stable")
        ranked = scores[self._order]
        self._truth = truth[self._order].astype(float)
        self._starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self._has_ties = len(self._starts) < len(ranked)

    def count_pairs(self, weights: np.ndarray) -> np.ndarray:
        """Return the weight of the pairs that are in order, shape (r,)."""
        ranked = weights[:, self._order]
        positive = ranked * self._truth
        negative = ranked - positive
        if self._has_ties:
            positive, negative = (
                np.add.reduceat(array, self._starts, axis=1) for array in (positive, negative)
            )
        below = np.cumsum(negative, axis=1)
        below -= negative / 2
        pairs: np.ndarray = np.einsum("ij,ij->i", positive, below)
        return pairs

    def measure_row_changes(self, change: float) -> np.ndarray:
        """Return the area after a change of the weight of each row, shape (n,)."""
        positive, negative = (
            np.add.reduceat(array, self._starts) for array in (self._truth, 1 - self._truth)
        )
        below = np.cumsum(negative) - negative / 2
        above = positive.sum() - np.cumsum(positive) + positive / 2
        sizes = np.diff(np.r_[self._starts, len(self._truth)])
        is_positive = self._truth == 1
        pairs = positive @ below + change * np.where(
            is_positive, np.repeat(below, sizes), np.repeat(above, sizes)
        )
        possible = (positive.sum() + change * is_positive) * (
            negative.sum() + change * ~is_positive
        )
        areas = np.empty(len(is_positive))
        areas[self._order] = divide(pairs, possible, np.nan)
        return areas


def resample(
    models: Sequence[RowSums],
    resamples: int,
    seed: int,
    report: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Return the metrics of all `models` on the same resamples of their rows.

    Parameters
    ----------
    models : sequence of RowSums
        Of the same rows in the same order.
    resamples : int
        Number of resamples. Each has as many rows as the split, drawn with replacement (Efron,
        1979).
    seed : int
        Seed of the draws.
    report : callable, optional
        Progress callback, called with the number of finished resamples.

    Returns
    -------
    ndarray of shape (models, resamples, metrics)
        In the order of their names. A metric is NaN if it is not defined for a resample, such as
        the area under a curve if only one class was drawn.
    """
    rng, rows = np.random.default_rng(seed), models[0].rows
    batch = max(1, _BATCH // rows)
    scores = np.empty((len(models), resamples, len(models[0].names)))
    for start in range(0, resamples, batch):
        stop = min(start + batch, resamples)
        drawn = rng.integers(0, rows, (stop - start, rows), dtype=np.int32)
        weights = np.stack([np.bincount(draw, minlength=rows) for draw in drawn]).astype(float)
        for k, model in enumerate(models):
            scores[k, start:stop] = model.score(weights)
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
    If the models differ only by chance, all permutations are equally probable, so a test that
    counts them is exact for any number of rows (Fisher, 1935). Rows are first ranked within each
    model, so that the area under the ROC curve does not depend on calibration (Venkatraman and
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
    pooled = replace(
        first,
        labels=np.concatenate([first.labels, second.labels]),
        probabilities=np.concatenate([first.probabilities, second.probabilities]),
    )
    ranks = [rankdata(predictions.probabilities, axis=0) for predictions in (first, second)]
    sums = RowSums(pooled, names, np.concatenate(ranks))
    rng, rows = np.random.default_rng(seed), len(first.labels)
    batch = max(1, _BATCH // (2 * rows))
    differences = np.empty((permutations, len(sums.names)))
    for start in range(0, permutations, batch):
        stop = min(start + batch, permutations)
        keep = rng.integers(0, 2, (stop - start, rows)).astype(float)
        first_weights, second_weights = np.hstack([keep, 1 - keep]), np.hstack([1 - keep, keep])
        differences[start:stop] = sums.score(second_weights) - sums.score(first_weights)
    return differences
