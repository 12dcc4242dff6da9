"""The steps that training and trials share: configure, read, count, fit and evaluate."""

import math
import time
from collections.abc import Callable, Sequence
from functools import cached_property

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sentiment.commands.train.checks import check_features
from sentiment.config import flatten, make
from sentiment.config.metrics import CLASSES, ORDERED, list_shown
from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import FITTED, SPLITS, count_classes
from sentiment.errors import ConfigError
from sentiment.modeling.class_weights import check_weighted_classes
from sentiment.modeling.cv_folds import choose_folds
from sentiment.modeling.estimators.by_script import choose_features
from sentiment.modeling.evaluation import (
    cross_validate,
    evaluate,
    list_own_measures,
    measure_each_class,
    score,
)
from sentiment.modeling.intervals import Interval, measure_intervals
from sentiment.modeling.pipeline import (
    find_text_steps,
    fit,
    join_columns,
    make_pipeline,
    precompute_counts,
)
from sentiment.modeling.predictions import Predictions
from sentiment.tracking.stages import Stage, Stages

# Splits whose rows are cross-validated, and the name of their scores among the evaluated splits.
CV_ROWS, CV = FITTED["train+validation"], "cv"
# Splits whose rows a training scores.
EVALUATED = ("validation", "test")
# Groups and settings on which a model and its scores depend.
RECIPE = ("data", "features", "model", "seed", "cv", "optimize")


class Fitting:
    """Fit and evaluation of the pipeline that a config describes, step by step.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``, checked.
    stages : Stages
        Times the steps.
    compared : bool, default=False
        True for a job of a sweep. If ``cv=auto`` cross-validates its other jobs and cannot
        cross-validate this one, an error is raised, since its score would be of other rows.

    Attributes
    ----------
    seed : int
        Seed of splits, folds and samples.
    pipeline : Pipeline
        The evaluated pipeline, which `fit` fits on training rows. After `prepare`, it also reads
        the columns of the data beside the text.
    final : Pipeline
        The pipeline to save: `pipeline`, or a clone of it that `refit` fitted on more rows.
    fitted_on : str
        Rows that `final` learns from, a key of `FITTED`; known after `prepare`.
    data : PreparedData
        The splits, which `prepare` reads.
    chosen_features : str
        Features that ``features=auto`` has chosen by the training rows, "" for other features;
        known after `prepare`.
    folds : int
        Folds of cross-validation, 0 for none; known after `prepare`.
    metrics : dict of str to float
        Every metric so far, as ``<split>/<name>``.
    predictions : dict of str to Predictions
        Predictions for each evaluated split, and as ``"cv"`` those of cross-validation.
    intervals : dict of str to (float, float)
        The 95 % intervals of the metrics that tables show, which `summarize` measures.
    classes : dict of str to DataFrame
        Scores of each class by split, from `measure_each_class`; after `summarize`.
    seconds : dict of str to float
        Time that the predictions of each split took.
    """

    data: PreparedData
    fitted_on: str
    chosen_features: str
    folds: int

    def __init__(self, cfg: DictConfig, stages: Stages, *, compared: bool = False) -> None:
        self._stages, self._compared = stages, compared
        self._optimize, self._cv, self._refit = cfg.optimize, cfg.cv, cfg.refit
        self._precomputes = cfg.memory is not None
        self._settings = [f"features.{name}" for name in flatten(cfg.features)]
        self.seed: int = cfg.seed
        list_own_measures()  # a mistake in a metric of the user's is reported before any work
        self.pipeline: Pipeline = make_pipeline(
            make(cfg, "features", "fit", "transform"),
            make(cfg, "model", "fit"),
            OmegaConf.select(cfg, "data.label_separator"),
        )
        self.final = self.pipeline
        self.metrics: dict[str, float] = {}
        self.predictions: dict[str, Predictions] = {}
        self.intervals: dict[str, Interval] = {}
        self.classes: dict[str, pd.DataFrame] = {}
        self.seconds: dict[str, float] = {}

    def prepare(self, read: Callable[[], PreparedData]) -> PreparedData:
        """Read the data, check them for cross-validation and count their texts for all fits."""
        with self._stages("prepare data"):
            self.data = data = read()
            self.folds = self.check(data)
            self.fitted_on = data.choose_fitted(self._refit)
            features, self.chosen_features = choose_features(
                self.pipeline["features"], data.train["text"]
            )
            self.pipeline.set_params(features=features)
            self.pipeline = self.final = join_columns(self.pipeline, data.columns)
        if self._precomputes:
            with self._stages("count texts"):
                texts = [getattr(data, name)["text"] for name in SPLITS] + [data.unlabelled]
                precompute_counts(self.pipeline, pd.concat(texts, ignore_index=True))
        return data

    def check(self, data: PreparedData) -> int:
        """Check that the pipeline can learn the classes of `data`; return the number of folds.

        Raises
        ------
        SentimentError
            A class has too few training rows, or settings name classes or metrics of other data.
        """
        self._check_optimized(data)
        classes = count_classes(data.train["label"], data.separator)
        check_weighted_classes(self.pipeline["model"], classes)
        return choose_folds(self.pipeline, self._cv, data, required=self._compared)

    @cached_property
    def warnings(self) -> list[str]:
        """Likely mistakes in the data, as far as they matter to the features."""
        features = find_text_steps(self.pipeline)["features"]
        prefix = f"features.{self.chosen_features}." if self.chosen_features else "features."
        settings = [name for name in self._settings if name.startswith(prefix)]
        data_warnings = self.data.report.warnings.values()
        return [*data_warnings, *check_features(features, self.data, settings)]

    def list_choices(self) -> dict[str, str]:
        """Return the features that ``features=auto`` has chosen, as a parameter of a run."""
        return {"features.chosen": self.chosen_features} if self.chosen_features else {}

    def _check_optimized(self, data: PreparedData) -> None:
        if self._optimize in ORDERED and data.scale is None:
            raise ConfigError(
                [
                    f"optimize is {self._optimize}, a metric of ordered labels. Set "
                    "data.ordered=true if the labels are numbers, or list them: "
                    "data.ordered=[bad,fair,good]."
                ]
            )

    def fit(self) -> None:
        """Cross-validate if there are folds, and fit on the training rows."""
        train = self.data.train
        self.metrics["rows/train"] = float(len(train))
        if not self.data.unlabelled.empty:
            self.metrics["rows/unlabelled"] = float(len(self.data.unlabelled))
        if self.folds:
            with self._stages("cross-validate"):
                rows, unlabelled = self.data.gather(CV_ROWS), self.data.unlabelled
                fold_scores, predictions = cross_validate(
                    self.pipeline, rows, self.folds, self.seed, self.data.scale, unlabelled
                )
                self.predictions[CV] = predictions
                scores = fold_scores | score(predictions)
                self.metrics |= {f"{CV}/{name}": value for name, value in scores.items()}
                self.metrics[f"rows/{CV}"] = float(len(rows))
        with self._stages("fit"):
            fit(self.pipeline, train, self.data.unlabelled)

    def evaluate(
        self,
        splits: Sequence[str],
        on_split: Callable[[str, Predictions], None] = lambda split, predictions: None,
    ) -> None:
        """Predict and score the rows of `splits`; pass the predictions for each to `on_split`."""
        with self._stages("evaluate"):
            for split in splits:
                rows = getattr(self.data, split)
                start = time.perf_counter()
                predictions = evaluate(self.pipeline, rows, self.data.scale)
                self.seconds[split] = time.perf_counter() - start
                self.metrics[f"rows/{split}"] = float(len(rows))
                self.metrics[CLASSES] = float(len(predictions.classes))
                scores = score(predictions)
                self.metrics |= {f"{split}/{name}": value for name, value in scores.items()}
                self.predictions[split] = predictions
                on_split(split, predictions)

    def summarize(self) -> None:
        """Measure the intervals and the scores of each class for all predictions."""
        with self._stages("measure intervals"):
            for split, predictions in self.predictions.items():
                self.classes[split] = measure_each_class(predictions)
                names = list_shown(
                    len(predictions.classes),
                    self._optimize,
                    ordered=predictions.scale is not None,
                    multilabel=predictions.separator is not None,
                )
                for name, interval in measure_intervals(predictions, names).items():
                    if not math.isnan(interval[0]):
                        self.intervals[f"{split}/{name}"] = interval

    def refit(self) -> None:
        """Fit the final pipeline, if it is to learn from more than the training rows.

        Where the test rows are new to it, it is scored on them: ``final/<name>``.
        """
        rows = self.data.gather(FITTED[self.fitted_on])
        self.metrics["rows/fitted"] = float(len(rows))
        if self.fitted_on != "train":
            with self._stages("refit"):
                self.final = fit(clone(self.pipeline), rows, self.data.unlabelled)
        if "test" not in FITTED[self.fitted_on] and self.final is not self.pipeline:
            with self._stages("evaluate final"):
                scores = score(evaluate(self.final, self.data.test, self.data.scale))
                self.metrics |= {f"final/{name}": value for name, value in scores.items()}

    def fit_reference(self) -> tuple[Pipeline, Predictions] | None:
        """Return a pipeline like the final one, and its predictions for validation rows.

        It learns from the rows of `final` except the validation rows, which are then as new to it
        as rows in production are to `final`. The evaluated pipeline, which learns from fewer rows,
        knows fewer words and is less confident; monitoring would take that difference for drift.
        None if these rows are the training rows: the evaluated pipeline is such a one already.
        """
        splits = [name for name in FITTED[self.fitted_on] if name != "validation"]
        if splits == ["train"]:
            return None
        with self._stages("fit reference"):
            rows = self.data.gather(splits)
            pipeline = fit(clone(self.pipeline), rows, self.data.unlabelled)
            return pipeline, evaluate(pipeline, self.data.validation, self.data.scale)

    def predict_validation(self) -> list[str]:
        """Return the labels that the final pipeline predicts for the validation rows."""
        evaluated = self.predictions.get("validation")
        # Of equally probable classes, the first one is predicted, which a scale may change.
        if self.final is self.pipeline and evaluated is not None and evaluated.scale is None:
            return list(evaluated.predicted)
        return list(evaluate(self.final, self.data.validation).predicted)


def measure_stages(done: Sequence[Stage]) -> dict[str, float]:
    """Return seconds and peak memory of stages as metrics; what was not measured is left out.

    Examples
    --------
    >>> stages = Stages()
    >>> with stages("save model"):
    ...     pass
    >>> list(measure_stages(stages.done))
    ['stage/save_model_seconds', 'stage/save_model_peak_mb']
    """
    metrics: dict[str, float] = {}
    for stage in done:
        name = f"stage/{stage.name.replace(' ', '_')}"
        metrics |= {f"{name}_seconds": stage.seconds, f"{name}_peak_mb": stage.peak_mb}
    return {name: value for name, value in metrics.items() if not math.isnan(value)}
