"""Figures of a training, drawn without a screen.

Nothing but NumPy and matplotlib is imported, so that the drawing process starts in half a second;
scikit-learn, which has displays of the same curves, takes two seconds more.

Each function returns the characters of labels and terms that no font of this machine has; they are
drawn as escapes.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sentiment.commands.train.curves import MAX_CANDIDATES, MAX_PANELS, Curve, Curves
from sentiment.commands.train.fonts import escape, find_fonts
from sentiment.errors import show_share
from sentiment.redaction.printable import cut_middle, mark_spaces

_COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
# Bars of each class, of a few classes and of more.
_BARS, _FEWER_BARS, _FEW_PANELS = 15, 10, 4
_PANELS_IN_ROW = 4
# Inches: of a bar, of a name of a term and its bar, between rows of panels, and below all.
_BAR, _TERM, _WEIGHT, _GAP, _FOOT = 0.24, 1.6, 1.8, 0.6, 0.3
# Classes of a confusion matrix whose cells have room for "100.0 %" in letters of medium size, and
# for shares at all.
_WIDE_CELLS, _FEW_CELLS = 4, 6
_LONGEST = 18  # characters of a label or term
_SIZE = (5.2, 4.6)
_DPI = 120
# Margins, as shares of the figure, of axes with numbers; margins for names are measured.
_MARGINS = {"left": 0.13, "right": 0.97, "bottom": 0.12, "top": 0.89}


@contextmanager
def _write_names(
    names: Iterable[str],
) -> Iterator[tuple[Callable[[str], str], set[str]]]:
    """Set the fonts for `names`; give how a name is drawn, and the characters that no font has."""
    families, missing = find_fonts({*"".join(names)})
    # A label or term may have a $ in it.
    settings: Any = {"text.parse_math": False, "font.family": families}
    with rc_context(settings):
        yield lambda name: cut_middle(escape(name, missing), _LONGEST), missing


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # Marks that join letters, such as those of emoji, are not drawn.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # `Figure.savefig` would draw everything twice.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(path)


def draw_confusion(curves: Curves, path: Path) -> set[str]:
    """Draw the confusion matrix, colored by the share of each true class."""
    with _write_names(curves.confused) as (write, missing):
        _draw_confusion(curves, [write(label) for label in curves.confused], path)
    return missing


def _draw_confusion(curves: Curves, classes: Sequence[str], path: Path) -> None:
    counts = curves.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few = len(classes) <= _FEW_CELLS
    side = 1.0 if few else 0.62 * len(classes) / _FEW_CELLS + 0.6
    figure = Figure((_SIZE[0] * side, _SIZE[1] * side), _DPI, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    longest = max(map(len, classes))
    axes.set_xticks(ticks, classes, rotation=90 if longest * len(classes) > 60 else 0)
    axes.set_yticks(ticks, classes)
    title = _title("Confusion", curves)
    if len(classes) < curves.classes:
        title += f"\nthe {len(classes) - 1} classes of {curves.classes:,} that are confused most"
    axes.set_title(title, fontsize="medium")
    axes.set(xlabel="predicted", ylabel="true")
    for row, column in zip(*np.nonzero(counts), strict=True):
        share, count = shares[row, column], f"{counts[row, column]:,}"
        axes.text(
            column,
            row,
            f"{count}\n{show_share(share, 1)}" if few else count,
            ha="center",
            va="center",
            fontsize="medium" if len(classes) <= _WIDE_CELLS else "small",
            color="white" if share > 0.5 else "black",
        )
    _save(figure, path)


def _title(name: str, curves: Curves) -> str:
    return f"{name}, {curves.split} split ({curves.rows:,} rows)"


def _make_axes() -> tuple[Figure, Axes]:
    """Return axes whose labels are numbers, so that their margins need not be measured."""
    figure = Figure(_SIZE, _DPI)
    return figure, figure.subplots(gridspec_kw=_MARGINS)


def _title_curves(name: str, curves: Curves, drawn: Sequence[Curve]) -> str:
    title = _title(name, curves)
    if curves.classes > 2 and len(drawn) < curves.classes:
        half = len(drawn) // 2
        most = f" of the {MAX_CANDIDATES} most frequent" * (curves.classes > MAX_CANDIDATES)
        title += f"\nthe {half} best and the {half} worst classes{most}"
    return title


def _plot(
    curves: Sequence[Curve], measure: str, write: Callable[[str], str]
) -> tuple[Figure, Axes]:
    figure, axes = _make_axes()
    for rank, curve in enumerate(curves):
        label = f"{write(curve.label)}: {measure} {curve.area:.4f}"
        axes.plot(curve.x, curve.y, color=_COLORS[rank % len(_COLORS)], label=label)
    return figure, axes


def draw_roc(curves: Curves, path: Path) -> set[str]:
    """Draw the ROC curves."""
    with _write_names(curve.label for curve in curves.roc) as (write, missing):
        figure, axes = _plot(curves.roc, "area", write)
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
        axes.set_title(_title_curves("ROC", curves, curves.roc), fontsize="medium")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        axes.legend(loc="lower right", fontsize="small")
        _save(figure, path)
    return missing


def draw_precision_recall(curves: Curves, path: Path) -> set[str]:
    """Draw the precision-recall curves."""
    with _write_names(curve.label for curve in curves.precision_recall) as (write, missing):
        figure, axes = _plot(curves.precision_recall, "average", write)
        title = _title_curves("Precision-recall", curves, curves.precision_recall)
        axes.set_title(title, fontsize="medium")
        axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
        axes.legend(loc="lower left", fontsize="small")
        _save(figure, path)
    return missing


def draw_reliability(curves: Curves, path: Path) -> set[str]:
    """Draw confidence and accuracy of the bins of the calibration table."""
    confidence, accuracy, rows = curves.calibration
    floor = 1 / curves.classes
    figure, axes = _make_axes()
    axes.plot([floor, 1], [floor, 1], color="grey", linestyle=":", linewidth=1, label="calibrated")
    axes.plot(confidence, accuracy, color=_COLORS[0], linewidth=1)
    # The area of a point is its share of the rows.
    axes.scatter(confidence, accuracy, s=400 * rows / rows.sum(), color=_COLORS[0], label="model")
    axes.set_title(_title("Reliability", curves), fontsize="medium")
    axes.set(xlabel="confidence", ylabel="accuracy")
    axes.legend(loc="upper left", fontsize="small")
    _save(figure, path)
    return set()


def draw_terms(weights: Mapping[str, Mapping[str, float]], path: Path) -> set[str]:
    """Draw the top terms of each class as bars, one panel for each.

    Parameters
    ----------
    weights : dict of str to dict of str to float
        The weights of the top terms of each class, the largest first. Of many classes, the first
        ones are drawn.
    path : Path
        The PNG file.
    """
    drawn = [
        (label, {mark_spaces(term): weight for term, weight in terms.items()})
        for label, terms in list(weights.items())[:MAX_PANELS]
    ]
    with _write_names(name for label, terms in drawn for name in (label, *terms)) as (
        write,
        missing,
    ):
        _draw_terms(drawn, len(weights), write, path)
    return missing


def _draw_terms(
    drawn: Sequence[tuple[str, Mapping[str, float]]],
    classes: int,
    write: Callable[[str], str],
    path: Path,
) -> None:
    columns = min(len(drawn), _PANELS_IN_ROW if len(drawn) != 6 else 3)
    rows = -(-len(drawn) // columns)
    bars = _BAR * (_BARS if len(drawn) <= _FEW_PANELS else _FEWER_BARS)
    width, height = columns * (_TERM + _WEIGHT), rows * (bars + _GAP) + _FOOT
    figure = Figure((width, height), _DPI)
    room = {
        "left": (_TERM - 0.1) / width,
        "right": 1 - 0.1 / width,
        "bottom": (_FOOT + _GAP / 2) / height,
        "top": 1 - _GAP / 2 / height,
        "wspace": _TERM / _WEIGHT,
        "hspace": _GAP / bars,
    }
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw=room).ravel()
    for rank, (axes, (label, of_terms)) in enumerate(zip(panels, drawn, strict=False)):
        best = list(of_terms.items())[: round(bars / _BAR)]
        places = range(len(best))
        # Of two classes each has a color; of more, the titles distinguish them.
        color = _COLORS[rank if classes == 2 else 0]
        axes.barh(places, [weight for _, weight in best], color=color)
        axes.set_yticks(places, [write(term) for term, _ in best], fontsize="small")
        axes.invert_yaxis()
        axes.set_title(write(label), fontsize="medium")
        axes.margins(y=0.01)
    for axes in panels[len(drawn) :]:
        axes.set_axis_off()
    title = "top terms of each class and their weights"
    if len(drawn) < classes:
        of_classes = f"the {len(drawn)} most frequent of {classes:,} classes"
        title = f"top terms of {of_classes} and their weights; all are in terms.csv"
    figure.text(0.5, 0.1 / height, title, ha="center")
    _save(figure, path)
