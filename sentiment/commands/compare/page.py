"""The page of a comparison: one self-contained HTML file, with a light and a dark theme."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sentiment.cli.pages import render_page
from sentiment.commands.compare.contenders import Contender
from sentiment.commands.compare.descriptions import (
    NO_DIFFERENCE,
    describe_agreement,
    describe_earlier,
    describe_evidence,
    describe_outcome,
    format_excerpt,
    format_interval,
    format_number,
    format_p_value,
    format_size,
    format_speed,
    list_metrics,
)
from sentiment.commands.compare.estimates import Estimate
from sentiment.commands.compare.measuring import Comparison, PairwiseComparison
from sentiment.config.metrics import METRICS
from sentiment.errors import show_share
from sentiment.modeling.intervals import FEWEST_ROWS

# Examples of each kind; the tables beside the page have all rows.
_MAX_EXAMPLES = 5
_WIDTH, _HEIGHT = 140, 24
_MARGIN = 6
_OUTCOMES = {1: "better", -1: "worse", 0: "none"}


def write_page(comparison: Comparison, facts: Mapping[str, Any], path: Path) -> None:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : Comparison
        The results.
    facts : mapping
        The record of the comparison: ``at``, ``data``, ``fingerprint``, ``command`` and so on.
    path : Path
        The file.
    """
    earlier = describe_earlier(facts["comparisons_before"], facts["promotions_before"])
    page = render_page(
        Path(__file__).with_name("page.html"),
        title=f"Comparison on {facts['data']}",
        when=facts["at"][:16].replace("T", " "),
        rows=f"{comparison.rows:,}",
        earlier=earlier.capitalize(),
        contenders=[_describe_contender(contender) for contender in comparison.contenders],
        pairs=[_describe_pair(comparison, pair) for pair in comparison.pairs],
        level=f"{100 * comparison.level:.4g}",
        resamples=f"{comparison.resamples:,}",
        fewest_rows=FEWEST_ROWS,
        metric=comparison.metric,
        facts={"command": None} | dict(facts),
        width=_WIDTH,
        height=_HEIGHT,
    )
    path.write_text(page, encoding="utf-8")


def _describe_contender(contender: Contender) -> dict[str, Any]:
    """Return the facts on the card of a run."""
    return {
        "key": contender.key,
        "name": contender.run.name,
        "why": "named" if contender.model.is_named else contender.model.why,
        "run": contender.run.id,
        "size": format_size(contender.size_mb),
        "speed": format_speed(contender.rows_per_second),
        "commit": contender.model.commit[:12],
        "command": contender.run.tags.get("command", "unknown"),
        "training_note": contender.training_note,
    }


def _describe_pair(comparison: Comparison, pair: PairwiseComparison) -> dict[str, Any]:
    evidence = describe_evidence(comparison, pair)
    kinds = ("both", "first", "second", "neither")
    return {
        "first": pair.first.key,
        "second": pair.second.key,
        "outcome": describe_outcome(comparison, pair),
        "evidence": evidence[0].upper() + evidence[1:],
        "metrics": [
            _describe_metric(comparison, pair, name, arrow)
            for name, arrow in list_metrics(comparison)
        ],
        "agreement": [
            {"kind": kind, "name": name, "count": count, "share": share}
            for kind, (name, count, share) in zip(kinds, describe_agreement(pair), strict=True)
        ],
        "discordant": f"{pair.errors.discordant:,}",
        "p": format_p_value(pair.p["accuracy"]),
        "examples": _list_examples(pair),
    }


def _describe_metric(
    comparison: Comparison, pair: PairwiseComparison, name: str, arrow: str
) -> dict[str, Any]:
    scores = [
        comparison.scores[comparison.contenders.index(contender)][name]
        for contender in (pair.first, pair.second)
    ]
    difference, outcome = pair.differences[name], pair.judge(name, comparison.level)
    verdicts = {1: f"{pair.second.key} better", -1: f"{pair.first.key} better", 0: NO_DIFFERENCE}
    scale = _make_scale(min(score.low for score in scores), max(score.high for score in scores))
    extent = max(abs(difference.low), abs(difference.high), abs(difference.value))
    is_flipped = not METRICS[name]  # better is to the right
    zero_scale = _make_scale(-extent, extent, is_flipped=is_flipped)
    return {
        "name": f"{name} {arrow}",
        "decides": name == comparison.metric,
        "scores": [_format_estimate(score) for score in scores],
        "difference": _format_estimate(difference, "+"),
        "drawn": [_place_estimate(score, scale) for score in scores],
        "drawn_difference": _place_estimate(difference, zero_scale),
        "kind": _OUTCOMES[outcome],
        "outcome": verdicts[outcome],
        "p": format_p_value(pair.p[name]),
    }


def _format_estimate(estimate: Estimate, sign: str = "") -> dict[str, str]:
    return {
        "value": format_number(estimate.value, sign),
        "interval": format_interval(estimate, sign),
    }


def _make_scale(low: float, high: float, *, is_flipped: bool = False) -> Callable[[float], float]:
    """Return the function from a value to its x coordinate in the drawing."""
    span = high - low or 1

    def scale(value: float) -> float:
        share = (value - low) / span
        return _MARGIN + (1 - share if is_flipped else share) * (_WIDTH - 2 * _MARGIN)

    return scale


def _place_estimate(estimate: Estimate, scale: Callable[[float], float]) -> dict[str, str] | None:
    if not estimate.low <= estimate.high:  # NaN: there is no interval
        return None
    values = {"low": estimate.low, "value": estimate.value, "high": estimate.high}
    return {name: f"{scale(value):.1f}" for name, value in values.items()}


def _list_examples(pair: PairwiseComparison) -> list[dict[str, Any]]:
    """Return texts that only one of the two models gets right, for each of the models."""
    table, keys = pair.list_disagreements(), (pair.first.key, pair.second.key)
    groups = []
    for right_key in keys:
        rows = table[table["right"] == right_key]
        examples = [
            {
                "text": format_excerpt(row["excerpt"]),
                "label": row["label"],
                "shares": [show_share(row[f"{key}_probability"], 1) for key in keys],
            }
            for row in rows.head(_MAX_EXAMPLES).to_dict("records")
        ]
        groups.append({"key": right_key, "count": f"{len(rows):,}", "rows": examples})
    return groups
