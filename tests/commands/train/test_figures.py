from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from shortcuts import real_figures

from sentiment.commands.train.figures import save_figures, save_terms_figure
from sentiment.modeling.evaluation import Predictions


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 4, 25])
def test_every_figure_is_drawn(tmp_path: Path, classes: int) -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"a class with a long name {k:02}" for k in range(classes)])
    labels = np.tile(names, 20)
    made = Predictions(labels, rng.dirichlet(np.ones(classes), len(labels)), names)
    with real_figures():
        paths = save_figures(made, "test", tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [
        f"test_{name}.png" for name in ("confusion", "roc", "precision_recall", "reliability")
    ]
    for path in paths:
        pixels = imread(path)
        assert min(pixels.shape[:2]) > 400
        assert pixels.std() > 0.05  # something is on the paper


def test_terms_are_drawn_signs_and_all(tmp_path: Path) -> None:
    terms = pd.DataFrame(
        {
            "label": ["$good$"] * 3 + ["bad"] * 3,
            "rank": [1, 2, 3] * 2,
            "term": ["$x^2", "_a_", "%", "日本", "\\frac", "b"],
            "weight": [3.0, 2.0, 1.0] * 2,
        }
    )
    with real_figures():
        path = save_terms_figure(terms, tmp_path / "terms.png")
    assert imread(path).std() > 0.05
