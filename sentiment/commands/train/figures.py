"""Figures of predictions and of linear models, drawn without a screen."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn import metrics

from sentiment.modeling.evaluation import Predictions, calibration_table

_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
_MAX_CURVES = 10  # more curves than this cannot be distinguished
_DPI = 120
# Shares of the figure, for axes whose labels are numbers; those with names are measured.
_MARGINS = {"left": 0.13, "right": 0.97, "bottom": 0.12, "top": 0.92}


@rc_context({"text.parse_math": False})  # a label or term may have a $ in it
def save_figures(predictions: Predictions, split: str, folder: Path) -> list[Path]:
    """Draw confusion matrix, ROC, precision-recall and reliability curve as PNG files.

    Parameters
    ----------
    predictions : Predictions
        What to draw.
    split : str
        Its name, for titles and file names.
    folder : Path
        Made if it is not there.

    Returns
    -------
    list of Path
        The files, ``<split>_<figure>.png``.
    """
    drawings: dict[str, Callable[[Axes, Predictions], None]] = {
        "confusion": _draw_confusion,
        "roc": _draw_roc,
        "precision_recall": _draw_precision_recall,
        "reliability": _draw_reliability,
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in drawings.items():
        names = name == "confusion"
        figure = Figure((5.2, 4.6), _DPI, layout="constrained" if names else None)
        axes = figure.subplots(gridspec_kw=None if names else _MARGINS)
        draw(axes, predictions)
        axes.set_title(f"{axes.get_title()}, {split} split ({len(predictions.labels):,} rows)")
        paths.append(_save(figure, folder / f"{split}_{name}.png"))
    return paths


def _save(figure: Figure, path: Path) -> Path:
    with warnings.catch_warnings():
        # A term in a script that the font lacks is drawn as boxes, which is no fault of the run.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # `Figure.savefig` draws all twice.
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(path)
    return path


def _draw_confusion(axes: Axes, predictions: Predictions) -> None:
    classes = predictions.classes
    counts = metrics.confusion_matrix(predictions.labels, predictions.predicted, labels=classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(classes))
    axes.set_xticks(ticks, [_shorten(c) for c in classes], rotation=0 if len(classes) < 5 else 90)
    axes.set_yticks(ticks, [_shorten(c) for c in classes])
    axes.set(title="Confusion", xlabel="predicted", ylabel="true")
    if len(classes) <= _MAX_CURVES:
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


def _shorten(label: str) -> str:
    return label if len(label) <= 16 else f"{label[:15]}…"


def _drawn_classes(predictions: Predictions) -> list[int]:
    """Return the classes to draw: the positive one of two, the most frequent of many."""
    if len(predictions.classes) == 2:
        return [1]
    counts = predictions.indicators.sum(axis=0)
    frequent = np.argsort(-counts, kind="stable")[:_MAX_CURVES]
    return sorted(int(k) for k in frequent if 0 < counts[k] < len(predictions.labels))


def _draw_roc(axes: Axes, predictions: Predictions) -> None:
    indicators = predictions.indicators
    for rank, k in enumerate(_drawn_classes(predictions)):
        probabilities = predictions.probabilities[:, k]
        false, true, _ = metrics.roc_curve(indicators[:, k], probabilities)
        area = metrics.roc_auc_score(indicators[:, k], probabilities)
        label = f"{_shorten(predictions.classes[k])}: area {area:.4f}"
        axes.plot(false, true, color=_COLOURS[rank % len(_COLOURS)], label=label)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right", fontsize="small")


def _draw_precision_recall(axes: Axes, predictions: Predictions) -> None:
    indicators = predictions.indicators
    for rank, k in enumerate(_drawn_classes(predictions)):
        probabilities = predictions.probabilities[:, k]
        precision, recall, _ = metrics.precision_recall_curve(indicators[:, k], probabilities)
        mean = metrics.average_precision_score(indicators[:, k], probabilities)
        label = f"{_shorten(predictions.classes[k])}: average {mean:.4f}"
        axes.plot(recall, precision, color=_COLOURS[rank % len(_COLOURS)], label=label)
    axes.set(title="Precision-recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    axes.legend(loc="lower left", fontsize="small")


def _draw_reliability(axes: Axes, predictions: Predictions) -> None:
    table = calibration_table(predictions)
    floor = 1 / len(predictions.classes)
    axes.plot([floor, 1], [floor, 1], color="grey", linestyle=":", linewidth=1, label="calibrated")
    # The area of a point is its share of the rows.
    sizes = 400 * table["rows"] / table["rows"].sum()
    axes.plot(table["confidence"], table["accuracy"], color=_COLOURS[0], linewidth=1)
    axes.scatter(table["confidence"], table["accuracy"], s=sizes, color=_COLOURS[0], label="model")
    axes.set(title="Reliability", xlabel="confidence", ylabel="accuracy")
    axes.legend(loc="upper left", fontsize="small")


@rc_context({"text.parse_math": False})
def save_terms_figure(terms: pd.DataFrame, path: Path, count: int = 15) -> Path:
    """Draw the top terms of each class as bars.

    Parameters
    ----------
    terms : DataFrame
        From `top_terms`.
    path : Path
        The PNG file.
    count : int
        Bars per class.
    """
    labels = list(dict.fromkeys(terms["label"]))[:_MAX_CURVES]
    size = (3.6 * len(labels), 0.6 + 0.26 * count)
    figure = Figure(size, _DPI, layout="constrained")
    for rank, (axes, label) in enumerate(
        zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True)
    ):
        best = terms[terms["label"] == label].head(count).iloc[::-1]
        axes.barh(best["term"], best["weight"], color=_COLOURS[rank % len(_COLOURS)])
        axes.set(title=f"speaks for {_shorten(label)}", xlabel="weight")
    return _save(figure, path)
