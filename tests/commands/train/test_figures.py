import os
import signal
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from shortcuts import real_figures
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay, roc_auc_score

from sentiment.commands.train import figures
from sentiment.commands.train.curves import Curves, measure_curves
from sentiment.commands.train.drawing import Drawer, Drawing
from sentiment.modeling.predictions import Predictions

NAMES = ("confusion", "roc", "precision_recall", "reliability")
TERMS = {
    "$good$": {"$x^2": 3.0, "_a_": 2.0, "%": 1.0},
    "bad": {"日本": 3.0, "\\frac": 2.0, "b": 1.0},
}


def make_curves(classes: int) -> tuple[Predictions, Curves]:
    rng = np.random.default_rng(0)
    names = np.array([f"a class with a long name {k:02}" for k in range(classes)])
    labels = np.tile(names, 20)
    made = Predictions(labels, rng.dirichlet(np.ones(classes), len(labels)), names)
    return made, measure_curves(made, "test")


def check_picture(path: Path, smallest: int = 300) -> None:
    pixels = imread(path)
    assert min(pixels.shape[:2]) > smallest
    assert pixels.std() > 0.05  # something is on the paper


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4, 8, 300])
def test_every_figure_is_drawn(tmp_path: Path, classes: int) -> None:
    _, curves = make_curves(classes)
    for name in NAMES:
        with real_figures():
            getattr(figures, f"draw_{name}")(curves, tmp_path / f"{name}.png")
        check_picture(tmp_path / f"{name}.png", smallest=400)


@pytest.mark.parametrize("classes", [2, 4])
def test_curves_are_those_of_scikit_learn(classes: int) -> None:
    made, curves = make_curves(classes)
    assert [curve.label for curve in curves.roc] == list(made.classes[1 if classes == 2 else 0 :])
    for roc, precision_recall in zip(curves.roc, curves.precision_recall, strict=True):
        k = list(made.classes).index(roc.label)
        known = made.labels == roc.label, made.probabilities[:, k]
        theirs = RocCurveDisplay.from_predictions(*known)
        np.testing.assert_array_equal([roc.x, roc.y], [theirs.fpr, theirs.tpr])
        assert roc.area == theirs.roc_auc
        other = PrecisionRecallDisplay.from_predictions(*known)
        found = [precision_recall.x, precision_recall.y]
        np.testing.assert_array_equal(found, [other.recall, other.precision])
        assert precision_recall.area == other.average_precision


def test_the_matrix_of_many_classes_has_those_confused_most() -> None:
    names = np.array([f"class {k:03}" for k in range(100)])
    true = np.repeat(np.arange(100), 4)
    guess = true.copy()
    guess[[8, 9, 12]] = 3  # two of class 2, one of class 3 stays right
    made = Predictions(names[true], np.eye(100)[guess], names)
    curves = measure_curves(made, "test")
    assert len(curves.confused) == 15
    assert curves.confused[-1] == "86 others"
    assert {"class 002", "class 003"} <= set(curves.confused)
    assert curves.confusion.sum() == 400
    at = [curves.confused.index(name) for name in ("class 002", "class 003")]
    assert curves.confusion[at[0], at[1]] == 2
    assert curves.confusion[-1, -1] == 86 * 4


def test_curves_of_many_classes_are_the_best_and_the_worst() -> None:
    made, curves = make_curves(25)
    areas = {
        str(label): roc_auc_score(made.labels == label, made.probabilities[:, k])
        for k, label in enumerate(made.classes)
    }
    ranked = sorted(areas, key=lambda label: -areas[label])
    assert [curve.label for curve in curves.roc] == [*ranked[:3], *ranked[-3:]]
    drawn = [curve.label for curve in curves.precision_recall]
    assert drawn == [curve.label for curve in curves.roc]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [8, 40])
def test_terms_of_many_classes_fit_a_screen(tmp_path: Path, classes: int) -> None:
    terms = {f"{n} term": 1.0 + n for n in range(20)}
    with real_figures():
        figures.draw_terms({f"label {k}": terms for k in range(classes)}, tmp_path / "terms.png")
    check_picture(tmp_path / "terms.png")
    height, width = imread(tmp_path / "terms.png").shape[:2]
    assert width <= 1700
    assert height <= 1200


def test_long_labels_keep_both_ends(tmp_path: Path) -> None:
    pictures = []
    for where in ("sales, north", "sales, south", "buses, south"):
        path = tmp_path / f"{where}.png"
        figures.draw_terms({f"department of {where}": {"term": 1.0}}, path)
        pictures.append(imread(path))
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] == pictures[2]).all()  # their ends are the same


def test_terms_with_special_characters_are_drawn(tmp_path: Path) -> None:
    with real_figures():
        figures.draw_terms(TERMS, tmp_path / "terms.png")
    check_picture(tmp_path / "terms.png")


@pytest.mark.slow
def test_long_labels_are_not_cut_off_at_the_margin(tmp_path: Path) -> None:
    with real_figures():
        figures.draw_terms(
            {f"Returns and refund {k}": {"term": 1.0} for k in range(4)}, tmp_path / "terms.png"
        )
    assert (imread(tmp_path / "terms.png")[:, -3:] == 1).all()


@pytest.mark.process
def test_figures_are_drawn_in_another_process(tmp_path: Path) -> None:
    with closing(Drawer()) as drawer:
        drawer.draw([("draw_terms", TERMS, tmp_path / "terms.png")])
        drawer.finish()
    check_picture(tmp_path / "terms.png")  # in full, which this process would not draw


@pytest.mark.process
@pytest.mark.parametrize("has_work", [False, True])
def test_figures_are_drawn_here_if_the_other_process_is_killed(
    tmp_path: Path, has_work: bool
) -> None:
    drawings: list[Drawing] = [("draw_terms", TERMS, tmp_path / "terms.png")]
    with closing(Drawer()) as drawer:
        assert drawer._process is not None
        if has_work:
            os.kill(drawer._process.pid, signal.SIGSTOP)  # so that it does not get to it
            drawer.draw(drawings)
        drawer._process.kill()
        drawer._process.wait()
        if not has_work:
            drawer.draw(drawings)
        drawer.finish()
    assert (tmp_path / "terms.png").is_file()


@pytest.mark.process
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "terms.png"
    with closing(Drawer()) as drawer, pytest.raises(OSError, match=str(path)):
        drawer.draw([("draw_terms", TERMS, path)])
        drawer.finish()


def test_the_process_ends_with_a_training_that_fails() -> None:
    with pytest.raises(ValueError, match="other"), closing(Drawer()) as drawer:
        raise ValueError("other")
    assert drawer._process is not None
    assert drawer._process.returncode is not None
