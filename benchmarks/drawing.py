"""The picture docs/bench.png: speed-ups on a logarithmic axis."""

import statistics
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from timing import OURS

BARS = {
    "pairs": "fit on words and pairs",
    "triples": "fit on words, pairs, triples",
    "characters": "fit on 3 to 5 characters",
    "transform": "transform 10,000 reviews",
    "cached_trial": "trials of a search",
    "scoring": "score reviews",
    "training_vowpalwabbit": "train a classifier",
    "training_fasttext": "train a classifier",
}
_COLORS = {"scikit-learn": "#0072b2", "Vowpal Wabbit": "#e69f00", "fastText": "#009e73"}
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_GREY = "#444444"


@rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
def draw_ratios(figures: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw every ratio of `BARS` as a bar, its spread as a line and its target as a mark.

    Parameters
    ----------
    figures : dict of str to dict
        As in the JSON file.
    path : Path
        The PNG file, made to be shown 800 pixels wide.
    """
    drawing = Figure(figsize=(8, 0.8 + 0.42 * len(BARS)), layout="constrained")
    axes = drawing.subplots()
    rows = [figures[name] for name in BARS]
    peers = [next(name for name in row["seconds"] if name != OURS) for row in rows]
    bounds = [bound for row in rows for bound in (row["low"], row["high"], row["target"] or 1)]
    x_min, x_max = min(0.8, 0.8 * min(bounds)), 3.2 * max(bounds)
    for y, (row, peer) in enumerate(zip(rows, peers, strict=True)):
        value = row["value"]
        axes.barh(y, value - 1, left=1, height=0.62, color=_COLORS[peer])
        axes.plot([row["low"], row["high"]], [y, y], color="black", linewidth=1)
        ours = statistics.median(row["seconds"][OURS])
        theirs = statistics.median(row["seconds"][peer])
        note = f"{value:.2g}×" if value < 10 else f"{value:.0f}×"
        # To the right of bar, spread and target mark, where there is space.
        end = max(row["high"], value, 1, row["target"] or 1)
        axes.annotate(
            note, (end, y), (7, 0), textcoords="offset points", va="center", weight="bold"
        )
        axes.annotate(
            f"{_round_seconds(theirs)} → {_round_seconds(ours)}",
            (end, y), (46, 0), textcoords="offset points", va="center", color=_GREY, size=9,
        )  # fmt: skip
        if row["target"] is not None:
            axes.plot([row["target"]] * 2, [y - 0.42, y + 0.42], color="black", linewidth=1.2)
    keys = [axes.barh(0, 0, left=1, color=_COLORS[peer]) for peer in dict.fromkeys(peers)]
    keys += axes.plot([], [], color="black", marker="|", markersize=11, linestyle="")
    names = [*(f"against {peer}" for peer in dict.fromkeys(peers)), "target"]
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlim=(x_min, x_max), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), list(BARS.values()))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if x_min <= tick <= x_max]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}×")
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    drawing.legend(
        keys, names, loc="outside upper center", ncols=4, frameon=False, columnspacing=1.6
    )
    axes.set_xlabel("times as fast on 25,000 movie reviews; in grey: their seconds → ours")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path, dpi=200)


def _round_seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
