"""Cross-validated accuracy of the experiments on the embedded reviews."""

from reviews import SEED, read_different_reviews
from timing import Figure, Plan

from sentiment.config import compose, make
from sentiment.config.composing import CONF
from sentiment.modeling.evaluation import cross_validate
from sentiment.modeling.pipeline import make_pipeline

FOLDS = 5
_GOALS = {"fast": (91.3, None), "best": (92.0, 93.0)}


def has_experiment(name: str) -> bool:
    """Return whether there is an experiment of that name."""
    return (CONF / "experiment" / f"{name}.yaml").is_file()


def bench_accuracy(plan: Plan) -> dict[str, Figure]:
    """Measure the accuracy of experiment=fast and experiment=best over five folds."""
    frame = read_different_reviews()
    figures = {}
    for name, (target, aim) in _GOALS.items():
        if not has_experiment(name):
            print(f"accuracy: there is no experiment {name!r} yet")
            continue
        cfg = compose("train", [f"experiment={name}"])
        pipeline = make_pipeline(make(cfg, "features"), make(cfg, "model"))
        scores = cross_validate(pipeline, frame, FOLDS, SEED)
        mean, deviation = 100 * scores["accuracy_mean"], 100 * scores["accuracy_std"]
        figures[f"accuracy_{name}"] = Figure(
            what=f"accuracy of experiment={name}, {FOLDS} folds; spread: a standard deviation",
            unit="%",
            value=mean,
            low=mean - deviation,
            high=mean + deviation,
            target=target,
            aim=aim,
            more={"rows": len(frame), "folds": FOLDS},
        )
    return figures
