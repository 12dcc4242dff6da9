"""Factors of classes: multipliers of probabilities for the best macro-F1."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.model_selection import StratifiedKFold

from sentiment.modeling.outcomes import Outcomes
from sentiment.ngrams.compiling import kernel

# Stop after a round over all classes that gains less than this, a tenth of what tables show.
_MIN_ROUND_GAIN = 1e-5
_MAX_ROUNDS = 10
# Smaller gains are rounding errors.
_MIN_GAIN = 1e-9
_FOLDS = 5
# A class of `c` rows that is predicted for more than 32 `c` rows has an F1 below 2 / 33.
_MIN_SORTED, _SORTED_PER_ROW = 1000, 32


def find_factors(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return a factor for each class such that predictions have the best macro-F1 found.

    Coordinate ascent sets the factor of one class after another to its best value, given those of
    the others, until no change improves the F1. It starts once from equal factors and once from the
    inverse shares of the classes. The better result is returned, or equal factors if these are as
    good, since the ascent ignores which of two equal scores is predicted.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of rows that the model was not fitted on.
    codes : ndarray of int, of shape (n,)
        Indices of their true classes.

    Returns
    -------
    ndarray of shape (n_classes,)
        Above 0, with a geometric mean of 1. A class without rows keeps the factor that it starts
        with.

    Examples
    --------
    >>> p = np.array([[0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [0.3, 0.6, 0.1], [0.5, 0.1, 0.4]])
    >>> factors = find_factors(p, np.array([0, 0, 1, 2]))
    >>> np.argmax(p * factors, axis=1).tolist()
    [0, 0, 1, 2]
    """
    counts = np.bincount(codes, minlength=probabilities.shape[1])
    starts = [np.ones(len(counts)), len(codes) / np.maximum(counts, 1) / len(counts)]
    optima = [_ascend(probabilities, codes, counts, start) for start in starts]
    choices = [starts[0], *(optimum / np.exp(np.mean(np.log(optimum))) for optimum in optima)]
    scores = np.array([measure_macro_f1(probabilities * choice, codes) for choice in choices])
    best: np.ndarray = choices[int(np.argmax(scores >= scores.max() - _MIN_GAIN))]
    return best  # the first of equals is the simplest


def estimate_gain(probabilities: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return the macro-F1 without factors and with them, by cross-validation.

    In each of five stratified folds, factors are chosen on the other rows; the predictions for all
    rows are scored together. If a class has fewer rows than there are folds, some folds choose
    factors without it.

    Parameters
    ----------
    probabilities, codes : ndarray
        See `find_factors`; fewer than five rows get no factors.
    """
    weighted = probabilities.copy()
    if len(codes) >= _FOLDS:
        for train, test in _split_folds(codes):
            weighted[test] *= find_factors(probabilities[train], codes[train])
    return measure_macro_f1(probabilities, codes), measure_macro_f1(weighted, codes)


def measure_macro_f1(scores: np.ndarray, codes: np.ndarray) -> float:
    """Return the macro-F1 of the classes with the largest scores, shape (n, n_classes)."""
    outcomes = Outcomes.of_codes(codes, np.argmax(scores, axis=1), scores.shape[1])
    return float(outcomes.count(np.ones((1, len(codes))), has_second=False).macro("f1")[0])


def _split_folds(codes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows to choose factors on and the rows to score, for each fold."""
    # The splitter warns about small classes, and raises if all are small, so these are merged.
    small = np.bincount(codes)[codes] < _FOLDS
    groups = np.where(small, -1, codes)
    if small.sum() < _FOLDS:
        groups[small] = np.bincount(codes).argmax()
    splitter = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    return list(splitter.split(groups, groups))


def _ascend(
    probabilities: np.ndarray, codes: np.ndarray, counts: np.ndarray, start: np.ndarray
) -> np.ndarray:
    factors = start.astype(float)
    columns = np.asfortranarray(probabilities)
    best = _BestTwo.of_scores(probabilities * factors)
    score = _mean_f1(best.first, codes, counts)
    for _ in range(_MAX_ROUNDS):
        for k in np.flatnonzero(counts).tolist():
            factor = _choose_factor(columns[:, k], best, codes, counts, k, factors[k])
            if factor is None:
                continue
            factors[k] = factor
            changed = np.flatnonzero(best.is_changed_by(k, columns[:, k] * factor))
            best.replace(changed, probabilities[changed] * factors)
        previous, score = score, _mean_f1(best.first, codes, counts)
        if score < previous + _MIN_ROUND_GAIN:
            break
    return factors


def _mean_f1(predicted: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean F1 of the classes that have rows."""
    size = len(counts)
    hits = np.bincount(codes[predicted == codes], minlength=size)
    denominators = np.bincount(predicted, minlength=size) + counts
    return float(np.mean((2 * hits / np.maximum(denominators, 1))[counts > 0]))


@dataclass
class _BestTwo:
    """Classes with the largest and the second largest score of each row, and these scores."""

    first: np.ndarray
    second: np.ndarray
    first_scores: np.ndarray
    second_scores: np.ndarray

    @classmethod
    def of_scores(cls, scores: np.ndarray) -> Self:
        """Return the best two of an array of shape (n, n_classes), which is modified."""
        rows = np.arange(len(scores))
        first = np.argmax(scores, axis=1)
        first_scores = scores[rows, first]
        scores[rows, first] = -1  # below all
        second = np.argmax(scores, axis=1)
        return cls(first, second, first_scores, scores[rows, second])

    def is_changed_by(self, k: int, scores: np.ndarray) -> np.ndarray:
        """Return True for each row whose best two change if class `k` has these scores."""
        includes_k: np.ndarray = (self.first == k) | (self.second == k)
        return includes_k | (scores >= self.second_scores)

    def replace(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Recompute the best two of some rows."""
        for name, values in vars(self.of_scores(scores)).items():
            getattr(self, name)[rows] = values


def _choose_factor(
    probabilities: np.ndarray,
    best: _BestTwo,
    codes: np.ndarray,
    counts: np.ndarray,
    k: int,
    factor: float,
) -> float | None:
    """Return the best factor of class `k`, None if `factor` is as good.

    The rival of a row is its best other class. A row is predicted as class `k` if the factor is
    above the ratio of the rival's score to the probability of the class. As the factor rises past
    the sorted ratios, one row after another changes from its rival to the class, which affects the
    F1 of these two only.
    """
    ratios, rivals = np.empty(len(probabilities)), np.empty(len(probabilities), np.int64)
    predicted, hits = np.zeros_like(counts), np.zeros_like(counts)
    _find_rivals(
        probabilities, best.first, best.second, best.first_scores, best.second_scores, codes, k,
        ratios, rivals, predicted, hits,
    )  # fmt: skip
    # If there are many rows, sort only those that the class can take before it loses nearly all of
    # its precision; all rows if it already has more.
    candidates, n_sorted = np.arange(len(ratios)), _MIN_SORTED + _SORTED_PER_ROW * int(counts[k])
    is_partial = False
    if len(ratios) > 2 * n_sorted:
        partitioned = np.argpartition(ratios, n_sorted)
        is_partial = bool(factor < ratios[partitioned[n_sorted]])
        candidates = partitioned[:n_sorted] if is_partial else candidates
    order = candidates[np.argsort(ratios[candidates])]
    f1_sums = np.empty(len(order) + 1)
    _sum_f1(order, rivals, codes, counts, predicted, hits, k, f1_sums)
    ratios = ratios[order]
    # Rows with the same ratio change together; rows with an infinite ratio never change.
    possible = np.ones(len(f1_sums), bool)
    possible[1:-1] = ratios[1:] != ratios[:-1]
    possible[-1] = not is_partial
    possible[1:] &= np.isfinite(ratios)
    highest = float(np.max(f1_sums[possible]))
    if highest <= f1_sums[np.searchsorted(ratios, factor)] + _MIN_GAIN:
        return None
    counts_changed = np.flatnonzero(possible & (f1_sums >= highest - _MIN_GAIN))
    choices = np.array([_pick_between(ratios, count) for count in counts_changed.tolist()])
    return float(choices[np.argmin(np.abs(np.log(choices / factor)))])


@kernel
def _find_rivals(
    probabilities: np.ndarray, first: np.ndarray, second: np.ndarray, first_scores: np.ndarray,
    second_scores: np.ndarray, codes: np.ndarray, k: int, ratios: np.ndarray, rivals: np.ndarray,
    predicted: np.ndarray, hits: np.ndarray,
) -> None:  # fmt: skip
    """Write the rival and the ratio of each row; count the rows and hits of each rival."""
    for i in range(len(probabilities)):
        is_predicted = first[i] == k
        rival = second[i] if is_predicted else first[i]
        score = second_scores[i] if is_predicted else first_scores[i]
        ratios[i] = score / probabilities[i] if probabilities[i] > 0 else np.inf
        rivals[i] = rival
        predicted[rival] += 1
        hits[rival] += codes[i] == rival


@kernel
def _sum_f1(
    order: np.ndarray, rivals: np.ndarray, codes: np.ndarray, counts: np.ndarray,
    predicted: np.ndarray, hits: np.ndarray, k: int, f1_sums: np.ndarray,
) -> None:  # fmt: skip
    """Write the sum of the F1 of all classes after each row of `order` has changed to `k`.

    Entry 0 is the sum before any change. `predicted` and `hits` are counts before any change, and
    are modified.
    """
    other_f1 = 0.0
    for c in range(len(counts)):
        if counts[c] > 0:
            other_f1 += 2 * hits[c] / (predicted[c] + counts[c])
    f1_sums[0] = other_f1
    class_hits = 0
    for n_changed in range(len(order)):
        i = order[n_changed]
        rival = rivals[i]
        if counts[rival] > 0:
            other_f1 -= 2 * hits[rival] / (predicted[rival] + counts[rival])
        predicted[rival] -= 1
        hits[rival] -= codes[i] == rival
        if counts[rival] > 0:
            other_f1 += 2 * hits[rival] / (predicted[rival] + counts[rival])
        class_hits += codes[i] == k
        f1_sums[n_changed + 1] = other_f1 + 2 * class_hits / (n_changed + 1 + counts[k])


def _pick_between(ratios: np.ndarray, count: int) -> float:
    """Return a factor with which exactly the first `count` rows are predicted as the class."""
    low = ratios[count - 1] if count else 0.0
    high = ratios[count] if count < len(ratios) else np.inf
    if low == 0:
        return float(high / 2) if np.isfinite(high) and high > 0 else 1.0
    middle = float(np.sqrt(low) * np.sqrt(high)) if np.isfinite(high) else 2 * float(low)
    return middle if low < middle < high else float(np.nextafter(low, np.inf))
