"""The page of a comparison: one HTML file that needs nothing else, in light and in dark."""

from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from sentiment.commands.compare.estimates import Estimate
from sentiment.commands.compare.intervals import FEWEST_ROWS
from sentiment.commands.compare.measuring import Comparison, PairwiseComparison
from sentiment.commands.compare.wording import (
    describe_agreement,
    describe_evidence,
    describe_looks,
    describe_outcome,
    list_metrics,
    write_excerpt,
    write_interval,
    write_number,
    write_p,
    write_unit,
)
from sentiment.config.metrics import METRICS

# Of each kind; the tables beside the page have all of them.
_EXAMPLES = 5
_WIDTH, _HEIGHT = 140, 24
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
    title = f"Comparison on {facts['data']}"
    verdicts = "".join(_write_verdict(comparison, pair) for pair in comparison.pairs)
    when = facts["at"][:16].replace("T", " ")
    cards = "".join(_write_card(comparison, index) for index in range(len(comparison.contenders)))
    pairs = "".join(_write_pair(comparison, pair) for pair in comparison.pairs)
    looks = describe_looks(facts["comparisons_before"], facts["promotions_before"])
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    path.write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<p class="kicker">{escape(title)} · {comparison.rows:,} test rows · {escape(when)}</p>
{verdicts}<p class="quiet">{escape(looks.capitalize())}.</p>
</header>
<section class="cards">{cards}</section>
{pairs}
{_write_method(comparison, facts)}
</body>
</html>
""",
        encoding="utf-8",
    )


def _write_verdict(comparison: Comparison, pair: PairwiseComparison) -> str:
    evidence = describe_evidence(comparison, pair)
    return (
        f"<h1>{escape(describe_outcome(comparison, pair))}</h1>"
        f'<p class="verdict">{escape(evidence[0].upper() + evidence[1:])}.</p>'
    )


def _write_card(comparison: Comparison, index: int) -> str:
    one = comparison.contenders[index]
    why = "named" if one.model.why == "it was named" else one.model.why
    lines = {
        "chosen": escape(why),
        "run": f"<code>{escape(one.run.id)}</code>",
        "size": write_unit(one.size_mb, "MB"),
        "speed": f"{write_unit(one.rows_per_second, 'rows/s')}, when it was trained",
        "commit": f"<code>{escape(one.model.commit[:12])}</code>",
        "command": f"<code>{escape(one.run.tags.get('command', 'unknown'))}</code>",
    }
    if one.is_sample:
        lines["trained"] = "on a sample"
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in lines.items())
    key = _write_key(one.key, first=index == 0)
    return f'<div class="card"><h3>{key}{escape(one.run.name)}</h3><dl>{listed}</dl></div>'


def _write_key(key: str, *, first: bool) -> str:
    return f'<span class="key {"first" if first else "second"}">{escape(key)}</span>'


def _write_pair(comparison: Comparison, pair: PairwiseComparison) -> str:
    first, second = pair.first.key, pair.second.key
    rows = "".join(_write_row(comparison, pair, name, arrow) for name, arrow in list_metrics())
    table = pair.list_disagreements()
    sides = "".join(
        _write_examples(f"Only {key} is right", table[table["right"] == key], first, second)
        for key in (first, second)
    )
    return f"""<section>
<h2>{_write_key(second, first=False)}against {_write_key(first, first=True)}</h2>
<div class="scroll"><table>
<thead><tr><th>metric</th><th>{first}</th><th>{second}</th><th>intervals</th>
<th>{second} − {first}</th><th>← {first} better&emsp;{second} better →</th><th>test</th></tr>
</thead>
<tbody>{rows}</tbody>
</table></div>
<h3>Right and wrong</h3>
{_write_agreement(pair)}
<h3>Where they disagree</h3>
<div class="cards">{sides}</div>
</section>
"""


def _write_row(comparison: Comparison, pair: PairwiseComparison, name: str, arrow: str) -> str:
    scores = [
        comparison.scores[comparison.contenders.index(one)][name]
        for one in (pair.first, pair.second)
    ]
    values = "".join(f"<td>{_write_estimate(one)}</td>" for one in scores)
    difference = pair.differences[name]
    outcome = pair.judge(name, comparison.level)
    kind = _OUTCOMES[outcome]
    word = {1: f"{pair.second.key} better", -1: f"{pair.first.key} better", 0: "no difference"}
    decides = ' class="decides"' if name == comparison.metric else ""
    p = escape(write_p(pair.p[name]))
    return (
        f"<tr{decides}>"
        f"<th>{name} {arrow}</th>{values}<td>{_draw_scores(scores)}</td>"
        f"<td>{_write_estimate(difference, sign='+')}</td>"
        f"<td>{_draw_difference(difference, kind, more=METRICS[name])}</td>"
        f'<td class="{kind}">{word[outcome]}<small>{p}</small></td></tr>'
    )


def _write_estimate(one: Estimate, sign: str = "") -> str:
    return f"{write_number(one.value, sign)}<small>{write_interval(one, sign)}</small>"


def _draw_scores(scores: list[Estimate]) -> str:
    """Return both intervals on one scale, the first above the second."""
    low, high = min(one.low for one in scores), max(one.high for one in scores)
    place = _scale(low, high)
    drawn = [
        _draw_interval(one, place, y, kind)
        for one, y, kind in zip(scores, (7, 17), ("a", "b"), strict=True)
    ]
    return _wrap(drawn, "both intervals on one scale")


def _draw_difference(difference: Estimate, kind: str, *, more: bool) -> str:
    """Return the interval of a difference around zero, better to the right."""
    reach = max(abs(difference.low), abs(difference.high), abs(difference.value))
    place = _scale(-reach, reach, flipped=not more)
    zero = f'<line class="zero" x1="{_WIDTH / 2}" x2="{_WIDTH / 2}" y1="0" y2="{_HEIGHT}"/>'
    return _wrap([zero, _draw_interval(difference, place, 12, kind)], "the interval around zero")


def _scale(low: float, high: float, *, flipped: bool = False) -> Callable[[float], float]:
    """Return the function from a value to a place in the drawing."""
    margin = 6
    span = high - low or 1

    def place(value: float) -> float:
        share = (value - low) / span
        return margin + (1 - share if flipped else share) * (_WIDTH - 2 * margin)

    return place


def _draw_interval(one: Estimate, place: Callable[[float], float], y: float, kind: str) -> str:
    if not one.low <= one.high:  # not a number
        return ""
    return (
        f'<g class="{kind}"><line x1="{place(one.low):.1f}" x2="{place(one.high):.1f}" '
        f'y1="{y}" y2="{y}"/><circle cx="{place(one.value):.1f}" cy="{y}" r="4"/></g>'
    )


def _wrap(parts: list[str], label: str) -> str:
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _write_agreement(pair: PairwiseComparison) -> str:
    parts = describe_agreement(pair)
    kinds = ("both", "first", "second", "neither")
    bar = "".join(
        f'<i class="{kind}" style="flex-grow:{count}"></i>'
        for kind, (_, count, _) in zip(kinds, parts, strict=True)
    )
    legend = "".join(
        f'<li><i class="{kind}"></i>{escape(name)}: {count:,} ({share})</li>'
        for kind, (name, count, share) in zip(kinds, parts, strict=True)
    )
    return (
        f'<div class="card"><div class="bar">{bar}</div><ul class="legend">{legend}</ul>'
        f'<p class="quiet">McNemar’s exact test of the {pair.errors.discordant:,} rows that only '
        f"one gets right: {escape(write_p(pair.p['accuracy']))}.</p></div>"
    )


def _write_examples(title: str, table: pd.DataFrame, first: str, second: str) -> str:
    shown = ""
    for row in table.head(_EXAMPLES).to_dict("records"):
        shares = [f"{100 * row[f'{key}_probability']:.1f} %" for key in (first, second)]
        shown += (
            f"<blockquote><p>{escape(write_excerpt(row['excerpt']))}</p>"
            f'<p class="quiet">is {escape(str(row["label"]))}: {_write_key(first, first=True)}'
            f"says so with {shares[0]}, {_write_key(second, first=False)}with {shares[1]}</p>"
            "</blockquote>"
        )
    shown = shown or '<p class="quiet">Never.</p>'
    return f'<div class="card"><h3>{escape(title)}: {len(table):,} rows</h3>{shown}</div>'


def _write_method(comparison: Comparison, facts: Mapping[str, Any]) -> str:
    several = len(comparison.pairs) > 1
    holm = " They are adjusted for the comparisons of this page (Holm, 1979)." if several else ""
    command = facts.get("command")
    made = f"<p>Made by <code>{escape(command)}</code>.</p>" if command else ""
    return f"""<details>
<summary>How this was measured</summary>
<p>Data <code>{escape(facts["data"])}</code>, SHA-256 of texts, labels and splits
<code>{escape(facts["fingerprint"])}</code>; all numbers are of its {comparison.rows:,} test
rows.</p>
<p>Intervals are of {100 * comparison.level:.4g} %. Accuracy, and precision, recall and F1 of two
classes, have exact binomial ones (Clopper and Pearson, 1934), their paired differences in accuracy
and recall score intervals (Tango, 1998). All others are BCa bootstrap intervals (Efron, 1987) from
{comparison.resamples:,} resamples of the rows, the same for all models; with fewer than
{FEWEST_ROWS} rows of a class there is none. Nor has calibration error one by itself, since it is
biased upwards.</p>
<p>The test of accuracy is McNemar’s exact test, that of the other metrics a permutation test, which
exchanges what the two models predict for a row {comparison.resamples:,} times at random; both are
two-sided and exact.{holm} Only {escape(comparison.metric)} decides; the other metrics are beside it
to be looked at, and with so many of them one in twenty differs by chance.</p>
{made}</details>"""
