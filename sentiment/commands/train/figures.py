"""Figures of a training, drawn without a screen.

They need NumPy and matplotlib only, so that a process that draws is ready in half a second.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sentiment.commands.train.curves import MAX_CURVES, Curve, Curves

_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
_BARS = 15  # per class
_SIZE = (5.2, 4.6)
_DPI = 120
# Shares of the figure, for axes whose labels are numbers; those with names are measured.
_MARGINS = {"left": 0.13, "right": 0.97, "bottom": 0.12, "top": 0.92}


_PLAIN_TEXT: Any = {"text.parse_math": False}  # a label or term may have a $ in it


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # A term in a script that the font lacks is drawn as boxes, which is no fault of the run.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # `Figure.savefig` draws all twice.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(path)


@rc_context(_PLAIN_TEXT)
def draw_confusion(curves: Curves, path: Path) -> None:
    """Draw the confusion matrix, colored by the share of each true class."""
    counts, classes = curves.confusion, [_shorten(label) for label in curves.classes]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(_SIZE, _DPI, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=0 if len(classes) < 5 else 90)
    axes.set_yticks(ticks, classes)
    axes.set(title=_title("Confusion", curves), xlabel="predicted", ylabel="true")
    if len(classes) <= MAX_CURVES:
        for row, column in np.ndindex(counts.shape):
            share = shares[row, column]
            axes.text(
                column,
                row,
                f"{counts[row, column]:,}\n{share:.1%}",
                ha="center",
                va="center",
                color="white" if share > 0.5 else "black",
            )
    _save(figure, path)


def _shorten(label: str) -> str:
    return label if len(label) <= 16 else f"{label[:15]}…"


def _title(name: str, curves: Curves) -> str:
    return f"{name}, {curves.split} split ({curves.rows:,} rows)"


def _make_axes() -> tuple[Figure, Axes]:
    """Return axes whose labels are numbers, so that their margins need not be measured."""
    figure = Figure(_SIZE, _DPI)
    return figure, figure.subplots(gridspec_kw=_MARGINS)


def _plot(axes: Axes, curves: Sequence[Curve], measure: str) -> None:
    for rank, curve in enumerate(curves):
        label = f"{_shorten(curve.label)}: {measure} {curve.area:.4f}"
        axes.plot(curve.x, curve.y, color=_COLOURS[rank % len(_COLOURS)], label=label)


@rc_context(_PLAIN_TEXT)
def draw_roc(curves: Curves, path: Path) -> None:
    """Draw the ROC curves."""
    figure, axes = _make_axes()
    _plot(axes, curves.roc, "area")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set(title=_title("ROC", curves), xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right", fontsize="small")
    _save(figure, path)


@rc_context(_PLAIN_TEXT)
def draw_precision_recall(curves: Curves, path: Path) -> None:
    """Draw the precision-recall curves."""
    figure, axes = _make_axes()
    _plot(axes, curves.precision_recall, "average")
    title = _title("Precision-recall", curves)
    axes.set(title=title, xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    axes.legend(loc="lower left", fontsize="small")
    _save(figure, path)


def draw_reliability(curves: Curves, path: Path) -> None:
    """Draw confidence and accuracy of the bins of the calibration table."""
    confidence, accuracy, rows = curves.calibration
    floor = 1 / len(curves.classes)
    figure, axes = _make_axes()
    axes.plot([floor, 1], [floor, 1], color="grey", linestyle=":", linewidth=1, label="calibrated")
    axes.plot(confidence, accuracy, color=_COLOURS[0], linewidth=1)
    # The area of a point is its share of the rows.
    axes.scatter(confidence, accuracy, s=400 * rows / rows.sum(), color=_COLOURS[0], label="model")
    axes.set(title=_title("Reliability", curves), xlabel="confidence", ylabel="accuracy")
    axes.legend(loc="upper left", fontsize="small")
    _save(figure, path)


@rc_context(_PLAIN_TEXT)
def draw_terms(weights: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the top terms of each class as bars.

    Parameters
    ----------
    weights : dict of str to dict of str to float
        Of each class, the weights of its top terms, the largest first.
    path : Path
        The PNG file.
    """
    drawn = list(weights.items())[:MAX_CURVES]
    size = (3.6 * len(drawn), 0.6 + 0.26 * _BARS)
    figure = Figure(size, _DPI, layout="constrained")
    for rank, (axes, (label, of_terms)) in enumerate(
        zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True)
    ):
        best = dict(reversed(list(of_terms.items())[:_BARS]))
        color = _COLOURS[rank % len(_COLOURS)]
        axes.barh(list(best), list(best.values()), color=color)
        axes.set(title=f"top terms of {_shorten(label)}", xlabel="weight")
    _save(figure, path)
