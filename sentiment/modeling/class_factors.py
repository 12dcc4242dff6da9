"""Factors of classes for the best macro-F1, by which probabilities are multiplied."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.model_selection import StratifiedKFold

from sentiment.modeling.outcomes import Outcomes
from sentiment.ngrams.compiling import kernel

# Rounds over all classes end with one that gains less than this, a tenth of what tables show.
_LEAST_OF_ROUND = 1e-5
_ROUNDS = 10
# Gains below it are rounding.
_LEAST_GAIN = 1e-9
_FOLDS = 5
# A class of `c` rows has an F1 below 2 / 33 where it takes more rows than these.
_LEAST_SORTED, _SORTED_PER_ROW = 1000, 32


def find_factors(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return a factor for each class such that predictions have the best macro-F1 found.

    Coordinate ascent: the factor of one class after another is set to the best of all its values,
    given those of the others, until no change improves the F1. It starts once from equal factors
    and once from the inverse shares of the classes. The better result is returned, or equal factors
    if these are as good: it does not foresee which of two equal scores is predicted.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of rows that the model was not fitted on.
    codes : ndarray of int, of shape (n,)
        Places of their true classes.

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
    ends = [_climb(probabilities, codes, counts, start) for start in starts]
    choices = [starts[0], *(end / np.exp(np.mean(np.log(end))) for end in ends)]
    scores = np.array([measure_macro_f1(probabilities * choice, codes) for choice in choices])
    best: np.ndarray = choices[int(np.argmax(scores >= scores.max() - _LEAST_GAIN))]
    return best  # the first of equals is the simplest


def estimate_gain(probabilities: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return the macro-F1 without factors and with them, on rows that they were not chosen on.

    Five stratified folds; the predictions for all rows are measured together. If a class has fewer
    rows than there are folds, some folds choose factors without it.

    Parameters
    ----------
    probabilities, codes : ndarray
        As of `find_factors`; fewer than five rows are measured as they are.
    """
    weighted = probabilities.copy()
    if len(codes) >= _FOLDS:
        for chosen, others in _cut(codes):
            weighted[others] *= find_factors(probabilities[chosen], codes[chosen])
    return measure_macro_f1(probabilities, codes), measure_macro_f1(weighted, codes)


def measure_macro_f1(scores: np.ndarray, codes: np.ndarray) -> float:
    """Return the macro-F1 of the classes with the largest scores, shape (n, n_classes)."""
    outcomes = Outcomes.of_codes(codes, np.argmax(scores, axis=1), scores.shape[1])
    return float(outcomes.count(np.ones((1, len(codes))), has_second=False).macro("f1")[0])


def _cut(codes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows to choose on and those to measure, for each fold."""
    # The splitter warns of small classes, and refuses if all are small: those are one class to it.
    small = np.bincount(codes)[codes] < _FOLDS
    groups = np.where(small, -1, codes)
    if small.sum() < _FOLDS:
        groups[small] = np.bincount(codes).argmax()
    splitter = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    return list(splitter.split(groups, groups))


def _climb(
    probabilities: np.ndarray, codes: np.ndarray, counts: np.ndarray, start: np.ndarray
) -> np.ndarray:
    factors = start.astype(float)
    columns = np.asfortranarray(probabilities)
    best = _BestTwo.of_scores(probabilities * factors)
    score = _mean_f1(best.first, codes, counts)
    for _ in range(_ROUNDS):
        for k in np.flatnonzero(counts).tolist():
            factor = _choose_factor(columns[:, k], best, codes, counts, k, factors[k])
            if factor is None:
                continue
            factors[k] = factor
            changed = np.flatnonzero(best.is_changed_by(k, columns[:, k] * factor))
            best.replace(changed, probabilities[changed] * factors)
        before, score = score, _mean_f1(best.first, codes, counts)
        if score < before + _LEAST_OF_ROUND:
            break
    return factors


def _mean_f1(predicted: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean F1 of the classes that have rows."""
    size = len(counts)
    hits = np.bincount(codes[predicted == codes], minlength=size)
    both = np.bincount(predicted, minlength=size) + counts
    return float(np.mean((2 * hits / np.maximum(both, 1))[counts > 0]))


@dataclass
class _BestTwo:
    """Places and values of the largest and the second largest score of each row."""

    first: np.ndarray
    second: np.ndarray
    first_scores: np.ndarray
    second_scores: np.ndarray

    @classmethod
    def of_scores(cls, scores: np.ndarray) -> Self:
        """Find them in an array of shape (n, n_classes), which is changed."""
        rows = np.arange(len(scores))
        first = np.argmax(scores, axis=1)
        first_scores = scores[rows, first]
        scores[rows, first] = -1  # below all
        second = np.argmax(scores, axis=1)
        return cls(first, second, first_scores, scores[rows, second])

    def is_changed_by(self, k: int, scores: np.ndarray) -> np.ndarray:
        """Return True for each row whose best two change if class `k` has these scores."""
        has_it: np.ndarray = (self.first == k) | (self.second == k)
        return has_it | (scores >= self.second_scores)

    def replace(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Find the best two of some rows again."""
        for name, values in vars(self.of_scores(scores)).items():
            getattr(self, name)[rows] = values


def _choose_factor(
    own: np.ndarray, best: _BestTwo, codes: np.ndarray, counts: np.ndarray, k: int, factor: float
) -> float | None:
    """Return the best factor of class `k`, None if `factor` is as good.

    Rows are of the class if the factor is above their ratio of the score of their best other class
    to the probability of the class. So along the sorted ratios, one row after another changes from
    its rival to the class, and the F1 of only these two changes.
    """
    ratios, rivals = np.empty(len(own)), np.empty(len(own), np.int64)
    predicted, hits = np.zeros_like(counts), np.zeros_like(counts)
    _find_rivals(
        own, best.first, best.second, best.first_scores, best.second_scores, codes, k,
        ratios, rivals, predicted, hits,
    )  # fmt: skip
    # Of many rows, only those are sorted that the class can take without losing nearly all of its
    # precision; all of them if it has taken more.
    near, most = np.arange(len(ratios)), _LEAST_SORTED + _SORTED_PER_ROW * int(counts[k])
    is_cut = False
    if len(ratios) > 2 * most:
        parted = np.argpartition(ratios, most)
        is_cut = bool(factor < ratios[parted[most]])
        near = parted[:most] if is_cut else near
    order = near[np.argsort(ratios[near])]
    sums = np.empty(len(order) + 1)
    _sum_f1(order, rivals, codes, counts, predicted, hits, k, sums)
    ratios = ratios[order]
    # Rows of the same ratio change together, and those of an infinite one never.
    possible = np.ones(len(sums), bool)
    possible[1:-1] = ratios[1:] != ratios[:-1]
    possible[-1] = not is_cut
    possible[1:] &= np.isfinite(ratios)
    highest = float(np.max(sums[possible]))
    if highest <= sums[np.searchsorted(ratios, factor)] + _LEAST_GAIN:
        return None
    places = np.flatnonzero(possible & (sums >= highest - _LEAST_GAIN))
    choices = np.array([_pick_between(ratios, place) for place in places.tolist()])
    return float(choices[np.argmin(np.abs(np.log(choices / factor)))])


@kernel
def _find_rivals(
    own: np.ndarray, first: np.ndarray, second: np.ndarray, first_scores: np.ndarray,
    second_scores: np.ndarray, codes: np.ndarray, k: int, ratios: np.ndarray, rivals: np.ndarray,
    predicted: np.ndarray, hits: np.ndarray,
) -> None:  # fmt: skip
    """Write the best other class of each row, its ratio, and how many rows it has so."""
    for i in range(len(own)):
        is_own = first[i] == k
        rival = second[i] if is_own else first[i]
        score = second_scores[i] if is_own else first_scores[i]
        ratios[i] = score / own[i] if own[i] > 0 else np.inf
        rivals[i] = rival
        predicted[rival] += 1
        hits[rival] += codes[i] == rival


@kernel
def _sum_f1(
    order: np.ndarray, rivals: np.ndarray, codes: np.ndarray, counts: np.ndarray,
    predicted: np.ndarray, hits: np.ndarray, k: int, sums: np.ndarray,
) -> None:  # fmt: skip
    """Write the sum of the F1 of all classes after each row of `order` has changed to `k`.

    Entry 0 is that before the first one. `predicted` and `hits` are those before, and are changed.
    """
    others = 0.0
    for c in range(len(counts)):
        if counts[c] > 0:
            others += 2 * hits[c] / (predicted[c] + counts[c])
    sums[0] = others
    own_hits = 0
    for taken in range(len(order)):
        i = order[taken]
        rival = rivals[i]
        if counts[rival] > 0:
            others -= 2 * hits[rival] / (predicted[rival] + counts[rival])
        predicted[rival] -= 1
        hits[rival] -= codes[i] == rival
        if counts[rival] > 0:
            others += 2 * hits[rival] / (predicted[rival] + counts[rival])
        own_hits += codes[i] == k
        sums[taken + 1] = others + 2 * own_hits / (taken + 1 + counts[k])


def _pick_between(ratios: np.ndarray, place: int) -> float:
    """Return a factor with which the first `place` rows are of the class, and no more."""
    low = ratios[place - 1] if place else 0.0
    high = ratios[place] if place < len(ratios) else np.inf
    if low == 0:
        return float(high / 2) if np.isfinite(high) and high > 0 else 1.0
    middle = float(np.sqrt(low) * np.sqrt(high)) if np.isfinite(high) else 2 * float(low)
    return middle if low < middle < high else float(np.nextafter(low, np.inf))
