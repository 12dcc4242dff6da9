"""The fitting path of trainings and of trials: configure, read, count, fit and evaluate."""

import math
import time
from collections.abc import Callable, Sequence

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sentiment.config import make
from sentiment.config.metrics import CLASSES, ORDERED
from sentiment.data.preparation import PreparedData
from sentiment.data.splitting import FITTED, SPLITS, count_classes
from sentiment.errors import ConfigError, TooFewRowsError
from sentiment.modeling.class_weights import check_weighted_classes
from sentiment.modeling.estimators.by_script import choose_features
from sentiment.modeling.evaluation import cross_validate, evaluate, list_own_measures, score
from sentiment.modeling.inner_folds import count_needed_rows
from sentiment.modeling.pipeline import fit, join_columns, make_pipeline, precompute_counts
from sentiment.modeling.predictions import Predictions
from sentiment.tracking.stages import Stage, Stages

# Rows that are scored in turn, and their name among the evaluated splits.
CV_ROWS, CV = FITTED["train+validation"], "cv"
# With fewer, most metrics of validation rows have no interval; see `sentiment.modeling.intervals`.
_FEWEST_ROWS = 250
_MOST_FOLDS = 5


class Fitting:
    """One pipeline on its way from settings to scores.

    Parameters
    ----------
    cfg : DictConfig
        As composed from ``conf/train.yaml``, checked.
    stages : Stages
        Times the steps.
    compared : bool, default=False
        True for a job of a sweep: where others can be cross-validated by ``cv=auto``, it is an
        error if it cannot, since its score would be one of other rows.

    Attributes
    ----------
    pipeline : Pipeline
        Fitted on training rows by `fit`, and evaluated; after `prepare`, it reads the columns of
        the data beside the text, too.
    final : Pipeline
        The one that is kept: the same, or one of the same settings that `refit` has fitted on more
        rows.
    fitted_on : str
        Rows that the final one learns from, a key of `FITTED`; known after `prepare`.
    data : PreparedData
        The splits, which `prepare` reads.
    chosen : str
        What ``features=auto`` has chosen by the training rows, "" for other features; known after
        `prepare`.
    folds : int
        Folds of cross-validation, 0 for none; known after `prepare`.
    metrics : dict of str to float
        Every metric so far, as ``<split>/<name>``.
    predictions : dict of str to Predictions
        Predictions for each evaluated split, and as ``"cv"`` those of cross-validation.
    seconds : dict of str to float
        Time that the predictions of each split took.
    """

    data: PreparedData
    fitted_on: str
    chosen: str
    folds: int

    def __init__(self, cfg: DictConfig, stages: Stages, *, compared: bool = False) -> None:
        self._cfg, self._stages, self._compared = cfg, stages, compared
        list_own_measures()  # their mistakes are reported before any work
        self.pipeline: Pipeline = make_pipeline(
            make(cfg, "features", "fit", "transform"),
            make(cfg, "model", "fit"),
            OmegaConf.select(cfg, "data.label_separator"),
        )
        self.final = self.pipeline
        self.metrics: dict[str, float] = {}
        self.predictions: dict[str, Predictions] = {}
        self.seconds: dict[str, float] = {}

    def prepare(self, read: Callable[[], PreparedData]) -> PreparedData:
        """Read the data, check them for cross-validation and count their texts for all fits."""
        with self._stages("prepare data"):
            self.data = data = read()
            features, self.chosen = choose_features(self.pipeline["features"], data.train["text"])
            self.pipeline.set_params(features=features)
            self.pipeline = self.final = join_columns(self.pipeline, data.columns)
            self._check_optimized(data)
            check_weighted_classes(
                self.pipeline["model"], count_classes(data.train["label"], data.separator)
            )
            self.folds = self._choose_folds(data)
            self.fitted_on = data.choose_fitted(self._cfg.refit)
            self._check_class_sizes(data)
        if self._cfg.memory is not None:
            with self._stages("count texts"):
                texts = [getattr(data, name)["text"] for name in SPLITS] + [data.unlabelled]
                precompute_counts(self.pipeline, pd.concat(texts, ignore_index=True))
        return data

    def list_choices(self) -> dict[str, str]:
        """Return what was chosen by the training rows, as a parameter of a run."""
        return {"features.chosen": self.chosen} if self.chosen else {}

    def _check_optimized(self, data: PreparedData) -> None:
        wanted = self._cfg.optimize
        if wanted in ORDERED and data.scale is None:
            raise ConfigError(
                [
                    f"optimize is {wanted}, a metric of ordered labels. Set data.ordered=true if "
                    "the labels are numbers, or list them: data.ordered=[bad,fair,good]."
                ]
            )

    def _choose_folds(self, data: PreparedData) -> int:
        """Return the folds of cross-validation, 0 for none."""
        if self._cfg.cv != "auto":
            return self._cfg.cv or 0
        if len(data.validation) >= _FEWEST_ROWS:
            return 0
        smallest = min(count_classes(data.train["label"], data.separator).values())
        possible = range(_MOST_FOLDS, 1, -1)
        least = 2 if self._compared and smallest > 1 else 0
        return next(
            (n for n in possible if count_needed_rows(self.pipeline, n)[0] <= smallest), least
        )

    def _check_class_sizes(self, data: PreparedData) -> None:
        """Check that each class has a row for each fold of any cross-validation."""
        needed, reasons = count_needed_rows(self.pipeline, self.folds)
        counts = count_classes(data.train["label"], data.separator)
        small = {label: rows for label, rows in counts.items() if rows < needed}
        if small:
            reasons += [f"cv={self.folds}"] * bool(self.folds)
            purpose = f"cross-validation of training rows ({', '.join(reasons)})"
            # Of all rows of these classes, the splits leave too few to training.
            whole = count_classes(data.gather(SPLITS)["label"], data.separator)
            least = max(needed, *(whole[label] + 1 for label in small))
            raise TooFewRowsError(small, len(counts), needed, purpose, least=least)

    def fit(self) -> None:
        """Cross-validate if that is wanted, and fit on the training rows."""
        cfg, train = self._cfg, self.data.train
        self.metrics["rows/train"] = float(len(train))
        if not self.data.unlabelled.empty:
            self.metrics["rows/unlabelled"] = float(len(self.data.unlabelled))
        if self.folds:
            with self._stages("cross-validate"):
                rows, more = self.data.gather(CV_ROWS), self.data.unlabelled
                scores, made = cross_validate(
                    self.pipeline, rows, self.folds, cfg.seed, self.data.scale, more
                )
                self.predictions[CV] = made
                self.metrics |= {f"{CV}/{name}": value for name, value in scores.items()}
                self.metrics |= {f"{CV}/{name}": value for name, value in score(made).items()}
                self.metrics[f"rows/{CV}"] = float(len(rows))
        with self._stages("fit"):
            fit(self.pipeline, train, self.data.unlabelled)

    def evaluate(
        self,
        splits: Sequence[str],
        on_split: Callable[[str, Predictions], None] = lambda split, made: None,
    ) -> None:
        """Predict and score the rows of `splits`, and hand on the predictions for each."""
        with self._stages("evaluate"):
            for split in splits:
                rows = getattr(self.data, split)
                start = time.perf_counter()
                made = self.predictions[split] = evaluate(self.pipeline, rows, self.data.scale)
                self.seconds[split] = time.perf_counter() - start
                self.metrics[f"rows/{split}"] = float(len(rows))
                self.metrics[CLASSES] = float(len(made.classes))
                self.metrics |= {f"{split}/{name}": value for name, value in score(made).items()}
                on_split(split, made)

    def refit(self) -> None:
        """Fit the final pipeline, if it is to learn from more than the training rows.

        It is scored on the test rows where they are new to it: ``final/<name>``.
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

        It has learned from the same rows but those of validation, so that what it says of them is
        what the final one says of new rows: with more rows than the evaluated pipeline had, its
        probabilities are more extreme and it knows more words, which monitoring must not take for
        drift. None if these rows are the training rows.
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
        known = self.predictions.get("validation")
        # Of equally probable classes, the first one is predicted, which a scale may change.
        if self.final is self.pipeline and known is not None and known.scale is None:
            return list(known.predicted)
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
