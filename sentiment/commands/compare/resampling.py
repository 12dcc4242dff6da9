"""Metrics of resampled and of permuted rows, thousands of times in seconds.

A bootstrap resample of rows is the same as counting how often each row is drawn. With those counts
for weights, every metric is made of a few weighted sums over rows: one matrix product for all of
them, and one pass over the sorted scores for the area under the ROC curve. A permutation of two
models is the same with weights of 0 and 1 for the rows of both.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.stats import rankdata

from sentiment.config.metrics import BUILT_IN, METRICS
from sentiment.modeling.evaluation import CALIBRATION_BINS, Predictions, list_own_measures

# Numbers of a batch of resamples: many enough that one matrix product pays, 16 MB.
_BATCH = 2_000_000


class RowSums:
    """The predictions of one model, ready to be scored under weights.

    Parameters
    ----------
    predictions : Predictions
        Of `n` rows and `k` classes.
    ranks : ndarray of shape (n, k), optional
        The order of the rows for the area under the ROC curve; default: the probabilities.
    """

    def __init__(self, predictions: Predictions, ranks: np.ndarray | None = None) -> None:
        p, truth = predictions.probabilities, predictions.indicators.astype(float)
        self.rows, self.classes = truth.shape
        self._predictions, self._own = predictions, list_own_measures()
        guess = np.eye(self.classes)[p.argmax(axis=1)]
        hit = (guess * truth).sum(axis=1)
        tiny = np.finfo(p.dtype).eps  # as scikit-learn's log_loss has it
        loss = -np.log(np.clip((p * truth).sum(axis=1), tiny, 1 - tiny))
        squared = np.square(p - truth).sum(axis=1) / (2 if self.classes == 2 else 1)
        # Bins as in `evaluation.calibration_table`.
        confidence = p.max(axis=1)
        bins = np.clip(np.ceil(confidence * CALIBRATION_BINS) - 1, 0, CALIBRATION_BINS - 1)
        gaps = np.eye(CALIBRATION_BINS)[bins.astype(int)] * (hit - confidence)[:, None]
        self._columns = np.column_stack(
            [loss, squared, gaps, guess * truth, guess, truth]
        )  # what is summed over rows
        ranked = [1] if self.classes == 2 else range(self.classes)
        order = p if ranks is None else ranks
        self._ranked = [_Ranking(order[:, k], truth[:, k]) for k in ranked]

    def score(self, weights: np.ndarray) -> np.ndarray:
        """Return every metric of `METRICS` under each row of `weights`, shape (r, metrics).

        Parameters
        ----------
        weights : ndarray of shape (r, n)
            How often each row counts.
        """
        areas = [ranking.count_pairs(weights) for ranking in self._ranked]
        known = self._combine(weights @ self._columns, np.column_stack(areas))
        return self._add_own(
            known, (np.repeat(np.arange(self.rows), w.astype(int)) for w in weights)
        )

    def score_without_each(self) -> np.ndarray:
        """Return every metric without the first row, without the second and so on: (n, metrics)."""
        areas = [ranking.count_pairs_without_each() for ranking in self._ranked]
        known = self._combine(self._columns.sum(axis=0) - self._columns, np.column_stack(areas))
        rows = np.arange(self.rows)
        return self._add_own(known, (np.delete(rows, row) for row in rows))

    def _add_own(self, known: np.ndarray, chosen: Iterable[np.ndarray]) -> np.ndarray:
        """Return `known` with a column for each of the user's metrics, of the `chosen` rows."""
        if not self._own:
            return known
        taken = map(self._predictions.take, chosen)
        own = [[measure(made) for measure in self._own.values()] for made in taken]
        return np.hstack([known, np.array(own)])

    def _combine(self, sums: np.ndarray, pairs: np.ndarray) -> np.ndarray:
        cuts = np.cumsum([1, 1, CALIBRATION_BINS, self.classes, self.classes])
        loss, squared, gaps, right, guessed, there = np.split(sums, cuts, axis=1)
        total = there.sum(axis=1)
        positive = slice(1, 2) if self.classes == 2 else slice(None)
        right_, guessed_, there_ = (part[:, positive] for part in (right, guessed, there))
        # A class without a row is left out of the means, as in `evaluation.score`.
        precision, f1 = _divide(right_, guessed_, 0), _divide(2 * right_, guessed_ + there_, 0)
        precision[there_ <= 0] = f1[there_ <= 0] = np.nan
        metrics = {
            "accuracy": right.sum(axis=1) / total,
            "precision": _mean_of_known(precision),
            "recall": _mean_of_known(_divide(right_, there_, np.nan)),
            "f1": _mean_of_known(f1),
            "roc_auc": _mean_of_known(_divide(pairs, there_ * (total[:, None] - there_), np.nan)),
            "log_loss": loss[:, 0] / total,
            "brier": squared[:, 0] / total,
            "ece": np.abs(gaps).sum(axis=1) / total,
        }
        return np.column_stack([metrics[name] for name in BUILT_IN])


class _Ranking:
    """Rows sorted by the score of one class, for the area under its ROC curve.

    The area is the share of the pairs of a row of the class and another row in which the first has
    the higher score, ties counting half (Hanley and McNeil, 1982).
    """

    def __init__(self, scores: np.ndarray, truth: np.ndarray) -> None:
        self._order = np.argsort(scores, kind="stable")
        ranked = scores[self._order]
        self._truth = truth[self._order]
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

    def count_pairs_without_each(self) -> np.ndarray:
        """Return the number of pairs that are in order without each row, shape (n,)."""
        yes, no = (np.add.reduceat(part, self._starts) for part in (self._truth, 1 - self._truth))
        below, above = np.cumsum(no) - no / 2, yes.sum() - np.cumsum(yes) + yes / 2
        sizes = np.diff(np.r_[self._starts, len(self._truth)])
        own = np.where(self._truth == 1, np.repeat(below, sizes), np.repeat(above, sizes))
        left = np.empty(len(own))
        left[self._order] = yes @ below - own
        return left


def _divide(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    """Return the quotients, and `otherwise` where one would be of nothing."""
    quotients = np.full(above.shape, otherwise, dtype=float)
    np.divide(above, below, out=quotients, where=below > 0)
    return quotients


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0).sum(axis=1), known.sum(axis=1), np.nan)


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
        How many; each has as many rows as there are, drawn with replacement (Efron, 1979).
    seed : int
        Of the draws.
    report : callable, optional
        Called with the number that are done, from time to time.

    Returns
    -------
    ndarray of shape (models, resamples, metrics)
        In the order of `METRICS`. A metric that a resample does not have, such as the area under
        a curve where only one class was drawn, is not a number.
    """
    rng, rows = np.random.default_rng(seed), models[0].rows
    batch = max(1, _BATCH // rows)
    scores = np.empty((len(models), resamples, len(METRICS)))
    for start in range(0, resamples, batch):
        stop = min(start + batch, resamples)
        drawn = rng.integers(0, rows, (stop - start, rows), dtype=np.int32)
        weights = np.stack([np.bincount(one, minlength=rows) for one in drawn]).astype(float)
        for place, model in enumerate(models):
            scores[place, start:stop] = model.score(weights)
        report(stop)
    return scores


def permute(first: Predictions, second: Predictions, permutations: int, seed: int) -> np.ndarray:
    """Return the differences of two models after random exchanges of their outputs.

    Each permutation exchanges what the two models predict for a row, or does not, by the toss of a
    coin. If the models are the same but for chance, all permutations are equally probable, so that
    a test that counts them is exact for any number of rows (Fisher, 1935). Rows are ranked within
    each model first, so that the area under the ROC curve does not depend on calibration
    (Venkatraman and Begg, 1996).

    Parameters
    ----------
    first, second : Predictions
        Of the same `n` rows in the same order.
    permutations : int
        Number of permutations.
    seed : int
        Seed of the coin.

    Returns
    -------
    ndarray of shape (permutations, metrics)
        Second minus first, in the order of `METRICS`.
    """
    both = Predictions(
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.probabilities, second.probabilities]),
        first.classes,
    )
    ranks = [rankdata(one.probabilities, axis=0) for one in (first, second)]
    sums = RowSums(both, np.concatenate(ranks))
    rng, rows = np.random.default_rng(seed), len(first.labels)
    batch = max(1, _BATCH // (2 * rows))
    differences = np.empty((permutations, len(METRICS)))
    for start in range(0, permutations, batch):
        stop = min(start + batch, permutations)
        kept = rng.integers(0, 2, (stop - start, rows)).astype(float)
        ones, others = np.hstack([kept, 1 - kept]), np.hstack([1 - kept, kept])
        differences[start:stop] = sums.score(others) - sums.score(ones)
    return differences
