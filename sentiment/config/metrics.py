"""Names and directions of metrics, both built-in ones and those of the user's project."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sentiment.config.project import (
    PROJECT_FILE,
    describe_failure,
    import_object,
    is_trusted,
    read_project,
)
from sentiment.errors import ProjectFileError, UserCodeError

# Metrics of predictions, and whether greater is better. Without an average in their name,
# precision, recall and F1 are those of the second of two classes; see `AVERAGES`.
BUILT_IN: dict[str, bool] = {
    "accuracy": True,
    "balanced_accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "precision_macro": True,
    "recall_macro": True,
    "f1_macro": True,
    "precision_micro": True,
    "recall_micro": True,
    "f1_micro": True,
    "precision_weighted": True,
    "recall_weighted": True,
    "f1_weighted": True,
    "matthews_corrcoef": True,
    "top_3_accuracy": True,
    "roc_auc": True,
    "roc_auc_ovr": True,
    "log_loss": False,
    "brier": False,
    "ece": False,
}
# Metrics of labels on a scale (`data.ordered`), which other runs do not have.
ORDERED: dict[str, bool] = {
    "accuracy_within_one": True,
    "mean_absolute_error": False,
    "quadratic_kappa": True,
}
# Metrics of rows with several labels (`data.label_separator`), which other runs do not have.
MULTILABEL: dict[str, bool] = {
    "label_ranking_precision": True,
    "hamming_loss": False,
}
# Metrics of the second of two classes. With more classes, they are these averages and recorded
# under both names, so that runs can be compared with those of versions that named no average.
AVERAGES = {
    "precision": "precision_macro",
    "recall": "recall_macro",
    "f1": "f1_macro",
    "roc_auc": "roc_auc_ovr",
}
# Metrics that rows with several labels do not have; their other metrics name the average.
NOT_MULTILABEL = (*AVERAGES, "balanced_accuracy", "matthews_corrcoef", "top_3_accuracy", "ece")
# The metric that records the number of classes of a run.
CLASSES = "data/classes"
# Metrics in tables, for two classes and for more; MLflow has all metrics.
_SHOWN_OF_TWO = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier", "ece")
_SHOWN_OF_ORDERED = (
    "accuracy", "accuracy_within_one", "mean_absolute_error", "quadratic_kappa",
    "balanced_accuracy", "f1_macro", "log_loss", "ece",
)  # fmt: skip
_SHOWN_OF_MORE = (
    "accuracy", "top_3_accuracy", "balanced_accuracy", "f1_macro", "f1_weighted",
    "matthews_corrcoef", "log_loss", "ece",
)  # fmt: skip
_SHOWN_OF_MULTILABEL = (
    "accuracy", "f1_macro", "precision_micro", "recall_micro", "f1_micro",
    "label_ranking_precision", "hamming_loss", "log_loss",
)  # fmt: skip
# The expected names, for messages, in a short form.
_NAMES = (
    "accuracy, balanced_accuracy, precision, recall, f1 (or with _macro, _micro, _weighted), "
    "matthews_corrcoef, top_3_accuracy, roc_auc, roc_auc_ovr, log_loss, brier, ece; of ordered "
    "labels accuracy_within_one, mean_absolute_error, quadratic_kappa; of several labels in a row "
    "label_ranking_precision, hamming_loss"
)
ALL_BUILT_IN = BUILT_IN | ORDERED | MULTILABEL
# Further objectives of a search: costs of a model, which it minimizes.
COSTS = {"size_mb": "model/size_mb", "predict_seconds": "validation/predict_seconds"}
_RESPONSES = ("predict", "predict_proba")
_REMEDY = (
    "Describe a metric as in [tool.sentiment.metrics] "
    'cost = {function = "my_package.cost", greater_is_better = false}, one of probabilities with '
    'response_method = "predict_proba" as well'
)


@dataclass(frozen=True)
class CustomMetric:
    """A metric of ``[tool.sentiment.metrics]``, in the vocabulary of scikit-learn's make_scorer.

    Attributes
    ----------
    name : str
        Its name.
    function : str
        Dotted name of ``function(y_true, y_pred, **arguments)``.
    greater_is_better : bool
        Its direction.
    response_method : {"predict", "predict_proba"}
        Its input: labels, or the probabilities of all classes (of two classes, of the second one).
    arguments : dict of str to object
        Further arguments.
    """

    name: str
    function: str
    greater_is_better: bool = True
    response_method: str = "predict"
    arguments: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Callable[[Any, Any], float]:
        """Return the metric as a function of true labels and predictions.

        Raises
        ------
        ProjectFileError
            There is no such function, it is not trusted, or it does not take these arguments.
        """
        is_allowed = is_trusted(self.function) or self.function.startswith("sklearn.metrics.")
        if not is_allowed:
            raise _make_error(f"{self.name} names {self.function}, which trusted does not list")
        try:
            function = import_object(self.function)
        except UserCodeError:
            raise
        except (ImportError, AttributeError) as error:
            raise _make_error(f"{self.name} names {self.function}, which is not there") from error
        self._check_arguments(function)

        def measure(y_true: Any, y_pred: Any) -> float:
            try:
                result = function(y_true, y_pred, **self.arguments)
            except Exception as error:
                reason, location = describe_failure(error, self.function)
                if is_trusted(self.function):
                    raise UserCodeError(self.function, reason, location) from error
                raise _make_error(f"{self.name}: {self.function} raised {reason}") from error
            try:
                value = float(result)
            except (TypeError, ValueError) as error:
                kind = type(result).__name__
                raise _make_error(
                    f"{self.name}: {self.function} returned {kind}; expected a number"
                ) from error
            return value if math.isfinite(value) else math.nan

        return measure

    def _check_arguments(self, function: Any) -> None:
        """Raise if `function` cannot be called with the arguments of this metric."""
        try:
            signature = inspect.signature(function)
        except ValueError:
            return  # compiled functions may not describe theirs
        except TypeError as error:
            raise _make_error(f"{self.name} names {self.function}, which is no function") from error
        try:
            signature.bind(None, None, **self.arguments)
        except TypeError as error:
            raise _make_error(f"{self.name}: {self.function}: {error}") from error


class _Metrics(Mapping[str, bool]):
    """Directions of metrics by name, including those of the project in the working folder."""

    def __getitem__(self, name: str) -> bool:
        if name in ALL_BUILT_IN:
            return ALL_BUILT_IN[name]
        return list_custom_metrics()[name].greater_is_better

    def __iter__(self) -> Iterator[str]:
        return iter([*ALL_BUILT_IN, *list_custom_metrics()])

    def __len__(self) -> int:
        return len(ALL_BUILT_IN) + len(list_custom_metrics())


METRICS: Mapping[str, bool] = _Metrics()


def name_average(metric: str, classes: int) -> str:
    """Return the name of `metric` with its average, if there are more than two classes.

    Examples
    --------
    >>> name_average("f1", 2), name_average("f1", 3), name_average("accuracy", 3)
    ('f1', 'f1_macro', 'accuracy')
    """
    return metric if classes == 2 else AVERAGES.get(metric, metric)


def describe_expected(costs: Iterable[str] = ()) -> str:
    """Return the metrics that a setting may name, for messages.

    Parameters
    ----------
    costs : iterable of str
        Names in `COSTS` that the setting accepts, too.
    """
    custom, project_table = (
        ", ".join(list_custom_metrics()),
        f"of [tool.sentiment.metrics] in {PROJECT_FILE}",
    )
    alternatives = [
        f"one of {_NAMES}",
        *([f"of the model {', '.join(costs)}"] if costs else []),
        f"{project_table} {custom}" if custom else f"or one {project_table}",
    ]
    return "; ".join(alternatives)


def list_measured(*, ordered: bool = False, multilabel: bool = False) -> list[str]:
    """Return the metrics that a run has.

    Parameters
    ----------
    ordered : bool
        True if the labels are on a scale.
    multilabel : bool
        True if a row may have several labels.
    """
    excluded = {*MULTILABEL} if not multilabel else {*NOT_MULTILABEL}
    if not ordered:
        excluded |= {*ORDERED}
    return [name for name in METRICS if name not in excluded]


def list_shown(
    classes: int, *extra: str, ordered: bool = False, multilabel: bool = False
) -> list[str]:
    """Return the metrics in tables: a few of the applicable ones, and the user's own.

    Parameters
    ----------
    classes : int
        Number of classes.
    *extra : str
        Further metrics, such as the optimized one.
    ordered : bool
        True if the labels are on a scale.
    multilabel : bool
        True if a row may have several labels.
    """
    names = _SHOWN_OF_TWO if classes == 2 else _SHOWN_OF_MORE
    if ordered and classes > 2:
        names = _SHOWN_OF_ORDERED
    if multilabel:
        names = _SHOWN_OF_MULTILABEL
    # With three classes or fewer, the top three always include the right one.
    applicable = [name for name in names if name != "top_3_accuracy" or classes > 3]
    selected = {*applicable, *(name_average(name, classes) for name in extra)}
    return [name for name in METRICS if name in selected or name not in ALL_BUILT_IN]


def list_custom_metrics() -> dict[str, CustomMetric]:
    """Return the metrics of the project in the working folder, by name.

    Raises
    ------
    ProjectFileError
        A metric is not described as expected.
    """
    tables = (read_project() or {}).get("metrics", {})
    if not isinstance(tables, dict):
        raise _make_error(f"is {tables!r}; expected a table")
    return {name: _read(name, table) for name, table in tables.items()}


def _read(name: str, table: Any) -> CustomMetric:
    if not name.isidentifier() or name in ALL_BUILT_IN or name in COSTS:
        raise _make_error(f"has {name!r}; expected a new name of letters, digits and _")
    if not isinstance(table, dict) or not isinstance(table.get("function"), str):
        raise _make_error(f"{name} is {table!r}; expected a table with a function")
    fields = ("function", "greater_is_better", "response_method")
    metric = CustomMetric(
        name,
        **{key: table[key] for key in fields if key in table},
        arguments={key: value for key, value in table.items() if key not in fields},
    )
    if not isinstance(metric.greater_is_better, bool):
        raise _make_error(
            f"{name} has greater_is_better = {metric.greater_is_better!r}; expected true or false"
        )
    if metric.response_method not in _RESPONSES:
        raise _make_error(
            f"{name} has response_method = {metric.response_method!r}; expected one of "
            f"{', '.join(_RESPONSES)}"
        )
    return metric


def _make_error(problem: str) -> ProjectFileError:
    return ProjectFileError(
        Path.cwd() / PROJECT_FILE, f"[tool.sentiment.metrics] {problem}", _REMEDY
    )
