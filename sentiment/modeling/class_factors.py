"""Factors of classes for the best macro-F1: the answer is the largest product with a factor."""

import numpy as np
from sklearn.model_selection import StratifiedKFold

from sentiment.modeling.metrics import Outcomes

# Rounds over all classes end with one that gains less than this, a tenth of what tables show.
_LEAST_OF_ROUND = 1e-5
_ROUNDS = 10
# Gains below it are rounding.
_LEAST_GAIN = 1e-9
_FOLDS = 5


def find_factors(probabilities: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return a factor of each class with which the answers have the best macro-F1 found.

    Coordinate ascent: the factor of one class after another is set to the best of all its values,
    given those of the others, until none is to be improved. It starts from equal factors, and from
    the inverse shares of the classes; the better end is taken.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of rows that the model was not fitted on.
    codes : ndarray of int, of shape (n,)
        Places of their true classes.

    Returns
    -------
    ndarray of shape (n_classes,)
        Above 0, with a geometric mean of 1. A class that no row is of has the factor that it
        starts with.

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
    scores = [measure_macro_f1(probabilities * end, codes) for end in ends]
    best = ends[int(scores[1] > scores[0] + _LEAST_GAIN)]  # the simpler one of equals
    factors: np.ndarray = best / np.exp(np.mean(np.log(best)))
    return factors


def estimate_gain(probabilities: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Return the macro-F1 without factors and with them, on rows that they were not chosen on.

    Five stratified folds; the answers to all rows are measured together. Of a class with fewer rows
    than folds, some folds choose without it.

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
    factors, scores = start.astype(float), probabilities * start
    rows = np.arange(len(scores))
    first, second = _find_two(scores)
    score = measure_macro_f1(scores, codes)
    for _ in range(_ROUNDS):
        for k in np.flatnonzero(counts).tolist():
            rivals = np.where(first == k, second, first)
            factor = _choose_factor(
                probabilities[:, k], scores[rows, rivals], rivals, codes, counts, k, factors[k]
            )
            if factor is None:
                continue
            factors[k] = factor
            scores[:, k] = probabilities[:, k] * factor
            moved = (first == k) | (second == k) | (scores[:, k] >= scores[rows, second])
            first[moved], second[moved] = _find_two(scores[moved])
        before, score = score, measure_macro_f1(scores, codes)
        if score < before + _LEAST_OF_ROUND:
            break
    return factors


def _find_two(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the largest and the second largest score of each row."""
    first = np.argmax(scores, axis=1)
    rest = scores.copy()
    rest[np.arange(len(rest)), first] = -1  # below all
    return first, np.argmax(rest, axis=1)


def _choose_factor(
    own: np.ndarray, rival_scores: np.ndarray, rivals: np.ndarray, codes: np.ndarray,
    counts: np.ndarray, k: int, factor: float,
) -> float | None:  # fmt: skip
    """Return the best factor of class `k`, None if `factor` is as good.

    Rows are of the class if the factor is above their ratio of the score of their best other class
    to the probability of the class. So along the sorted ratios, one row after another changes from
    its rival to the class, and the F1 of only these two changes.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(own > 0, rival_scores / own, np.inf)
    order = np.argsort(ratios)
    ratios, rivals, codes = ratios[order], rivals[order], codes[order]
    hits = np.concatenate([[0], np.cumsum(codes == k)])
    taken = np.arange(len(codes) + 1)
    sums = 2 * hits / (taken + counts[k]) + _sum_rivals(rivals, codes, counts, k)
    # Rows of the same ratio change together, and those of an infinite one never.
    possible = np.append(True, ratios[1:] != ratios[:-1])
    possible = np.append(possible, True) & np.append(True, np.isfinite(ratios))
    best = float(np.max(sums[possible]))
    if best <= sums[np.searchsorted(ratios, factor)] + _LEAST_GAIN:
        return None
    places = np.flatnonzero(possible & (sums >= best - _LEAST_GAIN))
    choices = np.array([_pick_between(ratios, place) for place in places.tolist()])
    return float(choices[np.argmin(np.abs(np.log(choices / factor)))])


def _sum_rivals(rivals: np.ndarray, codes: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Return the sum of the F1 of the classes besides `k`, shape (n + 1,).

    Entry `i` is that after the first `i` rows have left their rivals for `k`.
    """
    size = len(counts)
    right = codes == rivals
    predicted = np.bincount(rivals, minlength=size)
    hits = np.bincount(rivals[right], minlength=size)
    start = np.sum(np.where(counts > 0, 2 * hits / np.maximum(predicted + counts, 1), 0))
    # Row by row within each rival: how many have left it, this one included.
    small = rivals.astype(np.min_scalar_type(size))  # which are sorted in linear time
    order = np.argsort(small, kind="stable")
    groups, sorted_right = rivals[order], right[order]
    begins = (np.cumsum(predicted) - predicted)[groups]
    left = np.arange(len(order)) - begins + 1
    sums = np.cumsum(sorted_right)
    right_left = sums - np.append(0, sums)[begins]
    wanted = counts[groups]

    def measure(gone: np.ndarray, gone_right: np.ndarray) -> np.ndarray:
        both = predicted[groups] - gone + wanted
        f1: np.ndarray = 2 * (hits[groups] - gone_right) / np.maximum(both, 1)
        return np.where(wanted > 0, f1, 0)

    steps = np.empty(len(order))
    steps[order] = measure(left, right_left) - measure(left - 1, right_left - sorted_right)
    total: np.ndarray = start + np.append(0, np.cumsum(steps))
    return total


def _pick_between(ratios: np.ndarray, place: int) -> float:
    """Return a factor with which the first `place` rows are of the class, and no more."""
    low = ratios[place - 1] if place else 0.0
    high = ratios[place] if place < len(ratios) else np.inf
    if low == 0:
        return float(high / 2) if np.isfinite(high) and high > 0 else 1.0
    middle = float(np.sqrt(low) * np.sqrt(high)) if np.isfinite(high) else 2 * float(low)
    return middle if low < middle < high else float(np.nextafter(low, np.inf))
