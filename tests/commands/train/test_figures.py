import os
import signal
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from shortcuts import real_figures
from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

from sentiment.commands.train import figures
from sentiment.commands.train.curves import Curves, measure_curves
from sentiment.commands.train.drawing import Drawer, Drawing
from sentiment.modeling.evaluation import Predictions

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
@pytest.mark.parametrize("classes", [2, 4, 25])
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


def test_terms_are_drawn_signs_and_all(tmp_path: Path) -> None:
    with real_figures():
        figures.draw_terms(TERMS, tmp_path / "terms.png")
    check_picture(tmp_path / "terms.png")


@pytest.mark.process
def test_a_process_of_its_own_draws(tmp_path: Path) -> None:
    with closing(Drawer()) as drawer:
        drawer.draw([("draw_terms", TERMS, tmp_path / "terms.png")])
        drawer.finish()
    check_picture(tmp_path / "terms.png")  # in full, which this process would not draw


@pytest.mark.process
@pytest.mark.parametrize("has_work", [False, True])
def test_this_process_draws_if_the_other_is_killed(tmp_path: Path, has_work: bool) -> None:
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
