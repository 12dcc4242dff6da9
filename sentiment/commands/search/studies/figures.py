"""Importances of settings in a study, and its figures."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentiment.commands.search.ranking import Objective

# The script that plotly writes beside its pages, which all of them load.
_SCRIPT = "plotly.min.js"


def save_study_figures(study: Any, objectives: Sequence[Objective], folder: Path) -> list[str]:
    """Write history, importances, slices and parallel coordinates of `study` into `folder`.

    Parameters
    ----------
    study : optuna.Study
        A study with trials.
    objectives : sequence of Objective
        Its objectives; if there are several, the Pareto front is drawn, too.
    folder : Path
        Each figure is a PNG and an HTML page there, which share one script and need no network.

    Returns
    -------
    list of str
        Names of the files.
    """
    from matplotlib import pyplot as plt
    from optuna import visualization as pages
    from optuna.visualization import matplotlib as pictures

    folder.mkdir(parents=True, exist_ok=True)
    plt.switch_backend("agg")
    names = ["optimization_history", "param_importances", "slice", "parallel_coordinate"]
    drawn = []
    options: dict[str, Any] = {"target_name": objectives[0].name}
    if len(objectives) > 1:
        options["target"] = lambda trial: trial.values[0]
    with warnings.catch_warnings():
        # Optuna warns that its plots with matplotlib are experimental.
        warnings.simplefilter("ignore")
        for name in names:
            if name == "param_importances" and not _has_choice(study):
                continue
            draw = getattr(pictures, f"plot_{name}")
            axes = draw(study, **options)
            _save_picture(axes, folder / f"{name}.png")
            _save_page(getattr(pages, f"plot_{name}")(study, **options), folder / f"{name}.html")
            drawn.append(name)
        if len(objectives) > 1:
            targets = [objective.name for objective in objectives]
            axes = pictures.plot_pareto_front(study, target_names=targets)
            _save_picture(axes, folder / "pareto_front.png")
            page = pages.plot_pareto_front(study, target_names=targets)
            _save_page(page, folder / "pareto_front.html")
            drawn.append("pareto_front")
    return [f"{name}{ending}" for name in drawn for ending in (".png", ".html")] + [_SCRIPT]


def measure_importances(study: Any) -> dict[str, float]:
    """Return the importances of the settings that all trials of an Optuna study draw.

    By functional ANOVA. Optuna's default only looks at what distinguishes the best tenth of trials,
    and a learning sampler draws most trials there: n-grams that made four points got no importance.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    importances = get_param_importances(
        study, evaluator=FanovaImportanceEvaluator(seed=0), target=lambda trial: trial.values[0]
    )
    return {name: float(share) for name, share in importances.items()}


def _has_choice(study: Any) -> bool:
    """Return whether there are trials that differ in a parameter all of them have."""
    finished = [t for t in study.get_trials(deepcopy=False) if t.values]
    shared = set.intersection(*(set(t.params) for t in finished)) if finished else set()
    return len({tuple(str(t.params[k]) for k in sorted(shared)) for t in finished}) > 1


def _save_picture(axes: Any, path: Path) -> None:
    from matplotlib import pyplot as plt

    figure = getattr(axes, "figure", None) or axes.ravel()[0].figure
    figure.set_size_inches(max(figure.get_size_inches()[0], 10), 6)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def _save_page(figure: Any, path: Path) -> None:
    figure.write_html(path, include_plotlyjs="directory")
