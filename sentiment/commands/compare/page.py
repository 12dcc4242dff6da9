"""The page of a comparison: one HTML file that needs nothing else, in light and in dark."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sentiment.cli.pages import render_page
from sentiment.commands.compare.descriptions import (
    describe_agreement,
    describe_evidence,
    describe_looks,
    describe_outcome,
    list_metrics,
    write_excerpt,
    write_interval,
    write_number,
    write_p,
    write_size,
    write_speed,
)
from sentiment.commands.compare.estimates import Estimate
from sentiment.commands.compare.measuring import Comparison, PairwiseComparison
from sentiment.config.metrics import METRICS
from sentiment.errors import show_share
from sentiment.modeling.intervals import FEWEST_ROWS

# Of each kind; the tables beside the page have all of them.
_EXAMPLES = 5
_WIDTH, _HEIGHT = 140, 24
_MARGIN = 6
_OUTCOMES = {1: "better", -1: "worse", 0: "none"}


def write_page(comparison: Comparison, facts: Mapping[str, Any], path: Path) -> None:
    """Write the page of a comparison.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    facts : mapping
        What was written of it: ``at``, ``data``, ``fingerprint``, ``command`` and so on.
    path : Path
        The file.
    """
    looks = describe_looks(facts["comparisons_before"], facts["promotions_before"])
    page = render_page(
        Path(__file__).with_name("page.html"),
        title=f"Comparison on {facts['data']}",
        when=facts["at"][:16].replace("T", " "),
        rows=f"{comparison.rows:,}",
        looks=looks.capitalize(),
        contenders=[_list_facts(one) for one in comparison.contenders],
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


def _list_facts(one: Any) -> dict[str, Any]:
    """Return what the card of a model shows."""
    return {
        "key": one.key,
        "name": one.run.name,
        "why": "named" if one.model.is_named else one.model.why,
        "run": one.run.id,
        "size": write_size(one.size_mb),
        "speed": write_speed(one.rows_per_second),
        "commit": one.model.commit[:12],
        "command": one.run.tags.get("command", "unknown"),
        "trained": one.trained,
    }


def _describe_pair(comparison: Comparison, pair: PairwiseComparison) -> dict[str, Any]:
    evidence = describe_evidence(comparison, pair)
    kinds = ("both", "first", "second", "neither")
    return {
        "first": pair.first.key,
        "second": pair.second.key,
        "outcome": describe_outcome(comparison, pair),
        "evidence": evidence[0].upper() + evidence[1:],
        "metrics": [_describe_metric(comparison, pair, *one) for one in list_metrics(comparison)],
        "agreement": [
            {"kind": kind, "name": name, "count": count, "share": share}
            for kind, (name, count, share) in zip(kinds, describe_agreement(pair), strict=True)
        ],
        "discordant": f"{pair.errors.discordant:,}",
        "p": write_p(pair.p["accuracy"]),
        "sides": _list_examples(pair),
    }


def _describe_metric(
    comparison: Comparison, pair: PairwiseComparison, name: str, arrow: str
) -> dict[str, Any]:
    contenders = (pair.first, pair.second)
    scores = [comparison.scores[comparison.contenders.index(one)][name] for one in contenders]
    difference, outcome = pair.differences[name], pair.judge(name, comparison.level)
    words = {1: f"{pair.second.key} better", -1: f"{pair.first.key} better", 0: "no difference"}
    place = _scale(min(one.low for one in scores), max(one.high for one in scores))
    reach = max(abs(difference.low), abs(difference.high), abs(difference.value))
    around_zero = _scale(-reach, reach, flipped=not METRICS[name])  # better is to the right
    return {
        "name": f"{name} {arrow}",
        "decides": name == comparison.metric,
        "scores": [_write_estimate(one) for one in scores],
        "difference": _write_estimate(difference, "+"),
        "drawn": [_place_estimate(one, place) for one in scores],
        "drawn_difference": _place_estimate(difference, around_zero),
        "kind": _OUTCOMES[outcome],
        "outcome": words[outcome],
        "p": write_p(pair.p[name]),
    }


def _write_estimate(one: Estimate, sign: str = "") -> dict[str, str]:
    return {"value": write_number(one.value, sign), "interval": write_interval(one, sign)}


def _scale(low: float, high: float, *, flipped: bool = False) -> Callable[[float], float]:
    """Return the function from a value to a place in the drawing."""
    span = high - low or 1

    def place(value: float) -> float:
        share = (value - low) / span
        return _MARGIN + (1 - share if flipped else share) * (_WIDTH - 2 * _MARGIN)

    return place


def _place_estimate(one: Estimate, place: Callable[[float], float]) -> dict[str, str] | None:
    if not one.low <= one.high:  # not a number
        return None
    places = {"low": one.low, "value": one.value, "high": one.high}
    return {name: f"{place(value):.1f}" for name, value in places.items()}


def _list_examples(pair: PairwiseComparison) -> list[dict[str, Any]]:
    """Return texts that only one of the two models gets right."""
    table, keys = pair.list_disagreements(), (pair.first.key, pair.second.key)
    sides = []
    for right in keys:
        rows = table[table["right"] == right]
        examples = [
            {
                "text": write_excerpt(row["excerpt"]),
                "label": row["label"],
                "shares": [show_share(row[f"{key}_probability"], 1) for key in keys],
            }
            for row in rows.head(_EXAMPLES).to_dict("records")
        ]
        sides.append({"key": right, "count": f"{len(rows):,}", "examples": examples})
    return sides
