"""Sentences about a comparison, for the terminal, the page and the records."""

import math
import re

from sentiment.cli.terminal import describe_size
from sentiment.commands.compare.estimates import Estimate
from sentiment.commands.compare.measuring import Comparison, PairwiseComparison
from sentiment.config.metrics import METRICS
from sentiment.errors import count_of, show_share
from sentiment.modeling.evaluation import EXCERPT

# Metrics that are shares of rows, shown in percent.
_SHARES = ("accuracy", "precision", "recall")
# Outcome of a test that is not significant.
NO_DIFFERENCE = "no evidence of a difference"
# Line breaks in the HTML of reviews, and white space.
_BREAKS = re.compile(r"(?:<br\s*/?>|\s)+")


def describe_outcome(comparison: Comparison, pair: PairwiseComparison) -> str:
    """Return which model is better by the deciding metric, or that no difference is evident."""
    first, second, metric = pair.first.key, pair.second.key, comparison.metric
    outcome = pair.judge(metric, comparison.level)
    if outcome == 0:
        rows = f"{comparison.rows:,} test rows"
        return f"{rows} show {NO_DIFFERENCE} between {first} and {second} in {metric}"
    return f"{second} is {'better' if outcome > 0 else 'worse'} than {first}"


def describe_evidence(comparison: Comparison, pair: PairwiseComparison) -> str:
    """Return the numbers behind the outcome: ``right on 91.53 % against 90.59 % (...)``."""
    metric, level = comparison.metric, comparison.level
    second, first = (
        _format_value(
            comparison.scores[comparison.contenders.index(contender)][metric].value, metric
        )
        for contender in (pair.second, pair.first)
    )
    verb = "right on" if metric == "accuracy" else metric
    difference = format_difference(pair.differences[metric], metric, level)
    evidence = f"{verb} {second} against {first} ({difference}, {_format_test(pair, metric)})"
    detectable = pair.compute_detectable_effect(metric, 1 - level)
    if pair.judge(metric, level) == 0 and detectable > 0:  # 0 if both models agree on every row
        size = _format_difference_size(detectable, metric)
        evidence += f"; a loss of {size} would probably have been noticed"
    return evidence


def describe_verdict(comparison: Comparison, pair: PairwiseComparison) -> str:
    """Return outcome and evidence as one sentence."""
    return f"{describe_outcome(comparison, pair)}: {describe_evidence(comparison, pair)}."


def format_difference(difference: Estimate, metric: str, level: float) -> str:
    """Return a difference with its interval: ``+1.7 points, 95 % interval +0.9 to +2.4``."""
    scale, unit = (100, " points") if metric in _SHARES else (1, "")
    digits = 2 if metric in _SHARES else 4
    if math.isnan(difference.low):
        return f"{scale * difference.value:+.{digits}f}{unit}, too few rows for an interval"
    value, low, high = (
        f"{scale * x:+.{digits}f}" for x in (difference.value, difference.low, difference.high)
    )
    return f"{value}{unit}, {100 * level:.4g} % interval {low} to {high}"


def _format_test(pair: PairwiseComparison, metric: str) -> str:
    """Return the test with its p-value, such as ``McNemar p = 0.012``."""
    name = "McNemar" if metric == "accuracy" else "permutation test"
    return f"{name} {format_p_value(pair.p[metric])}"


def format_p_value(p: float) -> str:
    """Return ``p = 0.012``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.995 else "p = 1"


def _format_value(value: float, metric: str) -> str:
    if metric in _SHARES:
        return show_share(value, 2)
    return f"{value:.4f}"


def _format_difference_size(value: float, metric: str) -> str:
    return f"{100 * value:.2f} points" if metric in _SHARES else f"{value:.4f}"


def describe_earlier(comparisons: int, promotions: int) -> str:
    """Return the number of earlier comparisons on these test rows, in words.

    Parameters
    ----------
    comparisons : int
        Earlier comparisons on the same data and splits.
    promotions : int
        The number of these comparisons that decided on a promotion.
    """
    if not comparisons:
        return "the first comparison on these test rows"
    sentence = f"{count_of(comparisons, 'earlier comparison')} used these test rows"
    if promotions:
        sentence += f", {promotions} of them for a promotion"
    return sentence


def list_metrics(comparison: Comparison) -> list[tuple[str, str]]:
    """Return the metrics of a comparison with an arrow in the direction that is better."""
    return [(name, "↑" if METRICS[name] else "↓") for name in comparison.scores[0]]


def describe_agreement(pair: PairwiseComparison) -> list[tuple[str, int, str]]:
    """Return the rows that both models, only one, or neither get right: name, count and share."""
    first, second, errors = pair.first.key, pair.second.key, pair.errors
    counts = {
        "both right": errors.both,
        f"only {first} right": errors.only_first,
        f"only {second} right": errors.only_second,
        "both wrong": errors.neither,
    }
    rows = sum(counts.values())
    return [(name, count, show_share(count / rows, 1)) for name, count in counts.items()]


def format_number(value: float, sign: str = "") -> str:
    """Return a number with four digits, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:{sign}.4f}"


def format_interval(estimate: Estimate, sign: str = "") -> str:
    """Return an interval as ``0.9041 to 0.9312``, or a dash for an estimate without one."""
    if math.isnan(estimate.low):
        return "–"
    return f"{format_number(estimate.low, sign)} to {format_number(estimate.high, sign)}"


def format_excerpt(text: object) -> str:
    """Return the beginning of a text on one line, without control characters."""
    line = _BREAKS.sub(" ", str(text)).strip() + "…" * (len(str(text)) == EXCERPT)
    return "".join(c if c.isprintable() else " " for c in line)


def format_size(megabytes: float | None) -> str:
    """Return a size with its unit, or "not known".

    Examples
    --------
    >>> format_size(0.047), format_size(None)
    ('47 kB', 'not known')
    """
    return "not known" if megabytes is None or math.isnan(megabytes) else describe_size(megabytes)


def format_speed(rows: float | None) -> str:
    """Return rows per second, or "not known"."""
    return "not known" if rows is None or math.isnan(rows) else f"{rows:,.0f} rows/s"
