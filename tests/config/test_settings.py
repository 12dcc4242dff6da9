"""Every setting of every command, given values of every other kind, is refused by its name.

What a setting takes is written here once more, by the name of the setting and apart from the
schemas. The settings themselves are those of the composed configs, so a new one has to be entered.
"""

import contextlib
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig
from test_typed_values import IDS, VARIANTS, list_files

from hydra_plugins.sentiment_plugins.launchers import WorkerLauncher
from sentiment.config import check_config, compose, make
from sentiment.errors import ConfigError

Oracle = Callable[[Any], bool]
HUGE = 10**400
VALUES: list[Any] = [
    *(None, True, False, 0, 1, 2, 3, -1, -2, 300, 2**33, 2**64, HUGE, -HUGE),
    *(0.0, 0.25, 0.5, 1.0, 1.5, -0.5, 1e9, 1e300, math.nan, math.inf, -math.inf),
    *(
        "",
        " ",
        "abc",
        "0",
        "7",
        "1.5",
        "0.75",
        "1e400",
        "true",
        "a,b",
        "é 😀",
        "(",
        "a/b",
        "x" * 9000,
    ),
    *("zero\0byte", "null", "balanced", "accuracy", "sqlite:/x", ";", "'", "utf-8", "base64"),
    *([], [1], [0, 1], [1, 2], [2, 1], [1, 2, 3], [[1]], ["a"], ["a", "b"], [None], ["accuracy"]),
    *({}, {"a": 1}, {"a": "b"}, {"a": {"b": 1}}, {1: 2.5}, {"a": -1}),
]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def or_null(oracle: Oracle) -> Oracle:
    return lambda value: value is None or oracle(value)


def whole(least: int, most: int = 2**63 - 1) -> Oracle:
    """A whole number, which may be a text: variables of the environment are."""

    def accepts(value: Any) -> bool:
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            value = int(value)
        return is_int(value) and least <= value <= most

    return accepts


def real(holds: Callable[[float], bool]) -> Oracle:
    def accepts(value: Any) -> bool:
        if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            value = float(value)
        return is_number(value) and abs(value) < 1e308 and holds(float(value))

    return accepts


def plain_int(least: int, most: int = 2**31 - 1) -> Oracle:
    """A parameter of scikit-learn's, which takes no text."""
    return lambda value: is_int(value) and least <= value <= most


def plain_real(holds: Callable[[float], bool]) -> Oracle:
    # An int has to fit into C's.
    return lambda value: (
        is_number(value) and (isinstance(value, float) or abs(value) < 2**31) and holds(value)
    )


def any_of(*oracles: Oracle) -> Oracle:
    return lambda value: any(oracle(value) for oracle in oracles)


def one_of(*names: Any) -> Oracle:
    return lambda value: isinstance(value, str) and value in names


def text(value: Any) -> bool:
    """A text, or what can be one: pandas calls columns 0, 1, 2."""
    return (
        isinstance(value, str | int | float) and bool(str(value).strip()) and "\0" not in str(value)
    )


def any_text(value: Any) -> bool:
    return isinstance(value, str | int | float) and "\0" not in str(value)


def column(value: Any) -> bool:
    return any_text(value) and value != ""


def flag(value: Any) -> bool:
    return isinstance(value, bool) or value == "true"


def plain_flag(value: Any) -> bool:
    return isinstance(value, bool)


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(text, value))


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def weights(value: Any) -> bool:
    return isinstance(value, dict) and all(map(real(lambda _: True), value.values()))


def class_weight(value: Any) -> bool:
    positive = isinstance(value, dict) and all(map(real(lambda w: w > 0), value.values()))
    return value is None or value == "balanced" or positive


def pattern(value: Any) -> bool:
    return any_text(value) and value != "("


def study(value: Any) -> bool:
    return text(value) and "/" not in str(value) and len(str(value)) <= 200 and str(value)[0] != "."


def model_name(value: Any) -> bool:
    return text(value) and not set(str(value)) & set("/:@.")


METRICS = (
    "accuracy", "balanced_accuracy", "matthews_corrcoef", "top_3_accuracy", "roc_auc",
    "roc_auc_ovr", "log_loss", "brier", "ece",
    "accuracy_within_one", "mean_absolute_error", "quadratic_kappa",
    "label_ranking_precision", "hamming_loss",
    *(
        f"{name}{average}"
        for name in ("precision", "recall", "f1")
        for average in ("", "_macro", "_micro", "_weighted")
    ),
)  # fmt: skip
share = real(lambda v: 0 < v < 1)
positive = real(lambda v: v > 0)
metric = one_of(*METRICS)
seed = whole(0, 2**32 - 1)
min_df = any_of(plain_int(1), lambda v: isinstance(v, float) and 0 <= v <= 1)
jobs = any_of(whole(1, 1024), whole(-1024, -1))
seconds = real(lambda v: 0 <= v <= 1e9)

# By the end of the key; the longest that fits.
ORACLES: dict[str, Oracle] = {
    **dict.fromkeys(("name", "path", "input", "outputs", "current", "folder", "output"), text),
    **dict.fromkeys(("text", "project", "experiment", "artifacts", "run"), text),
    "tracking.uri": lambda v: text(v) and v != "sqlite:/x",
    **dict.fromkeys(("train", "predict", "monitor", "promote"), any_text),
    **dict.fromkeys(
        ("memory", "table", "query", "storage", "write", "workspace", "test_path"), or_null(text)
    ),
    "route": text,
    **dict.fromkeys(("a", "b", "live", "force", "address", "cron", "flow.input"), or_null(text)),
    "predict.output": or_null(text),
    "explain.output": or_null(text),
    "explain.label": or_null(text),
    "monitor.run": or_null(text),
    "suggest.n": whole(1, 1000),
    "suggest.labels": or_null(lambda v: texts(v) and len(set(map(str, v))) == len(v) >= 2),
    "labelled": or_null(text),
    "labeler": or_null(study),
    "overlap": whole(0, 1000),
    "port": whole(0, 65535),
    "page": flag,
    "texts": flag,
    **dict.fromkeys(
        ("text_column", "label_column", "time_column", "split_column"), or_null(column)
    ),
    "data.text_column": column,
    "data.label_column": column,
    "encoding": or_null(one_of("utf-8")),
    **dict.fromkeys(("sep", "quote", "escape"), or_null(any_text)),
    "header": or_null(any_of(flag, whole(1))),
    **dict.fromkeys(("together", "explain", "overwrite", "rollback", "fresh", "own"), flag),
    **dict.fromkeys(("seed",), seed),
    "random_state": or_null(plain_int(0, 2**32 - 1)),
    "train.cv": or_null(any_of(whole(2), one_of("auto"))),
    "train.refit": or_null(one_of("auto", "all", "train+validation")),
    "finalize.refit": one_of("auto", "all", "train+validation"),
    "finalize.path": or_null(text),
    **dict.fromkeys(("optimize", "metric"), metric),
    "limit": or_null(whole(1)),
    "on_bad_rows": one_of("drop", "error"),
    **dict.fromkeys(("validation_size", "test_size", "thresholds.alpha", "drift.alpha"), share),
    "source": one_of("imdb", "rotten_tomatoes"),
    "threshold": share,
    "abstain": real(lambda v: 0 <= v < 1),
    **dict.fromkeys(("max_chars", "sample", "windows", "n_trials", "candidates"), whole(1)),
    "empty": one_of("score", "reject"),
    "format": or_null(one_of("csv", "parquet", "jsonl")),
    "top_k": whole(1),
    "rare": one_of("error", "drop", "merge"),
    "unlabelled": or_null(text),
    "on_missing_label": one_of("drop", "unlabelled"),
    "min_per_class": or_null(whole(1)),
    "rare_label": text,
    "label_separator": or_null(text),
    "ordered": any_of(flag, lambda v: texts(v) and len(set(map(str, v))) == len(v) >= 2),
    "extra_columns": or_null(
        any_of(
            lambda v: isinstance(v, list) and all(map(column, v)),
            lambda v: (
                isinstance(v, dict)
                and all(item in ("number", "category", "date") for item in v.values())
            ),
        )
    ),
    "explain.columns": or_null(
        lambda v: isinstance(v, dict) and all(item is None or any_text(item) for item in v.values())
    ),
    "probabilities": one_of("top", "all"),
    "workers": whole(1, 1024),
    **dict.fromkeys(("queue", "max_body", "max_texts", "max_stream"), whole(1)),
    **dict.fromkeys(("refresh", "timeout", "interval"), positive),
    "drain": seconds,
    "host": text,
    **dict.fromkeys(("tokens_file", "certfile", "keyfile"), or_null(text)),
    "log.folder": or_null(text),
    "keep_days": or_null(whole(1)),
    "window": whole(0),
    "alert.url": or_null(lambda v: isinstance(v, str) and bool(re.match(r"https?://[^\s/]", v))),
    "alert.format": one_of("json", "slack"),
    "textfile": or_null(text),
    # What is in one is looked at once everything else is right.
    "routes": lambda v: isinstance(v, dict),
    "max_failures": whole(0),
    "batch": or_null(whole(1)),
    "objectives": lambda v: v is None or (v != [] and isinstance(v, list) and all(map(metric, v))),
    "search.name": study,
    "best.search.name": or_null(study),
    "search.space": or_null(mapping),
    "search.branches": or_null(mapping),
    **dict.fromkeys(("distance", "share", "thresholds.accuracy", "errors", "metrics"), positive),
    "labels": real(lambda v: v > 1),
    "runs": texts,
    "trusted": lambda v: v == [],
    "level": real(lambda v: 0.5 <= v < 1),
    "resamples": whole(200, 10**6),
    "promote.alpha": real(lambda v: 0 < v <= 0.5),
    "margin": real(lambda v: v >= 0),
    "promote.name": model_name,
    "flow.name": model_name,
    "flow.search": or_null(study),
    "retries": whole(0, 1000),
    **dict.fromkeys(("retry_delay", "cache_hours"), seconds),
    # Parameters of features and models
    "ngram_range": lambda v: v in ([1, 2],),
    "min_df": min_df,
    "max_df": min_df,
    "features.max_features": or_null(plain_int(1)),
    "max_features": or_null(plain_int(1)),
    "model.max_features": or_null(
        any_of(plain_int(1), lambda v: isinstance(v, float) and 0 < v <= 1)
    ),
    **dict.fromkeys(("sublinear_tf", "log_count_ratio", "binary", "use_idf"), plain_flag),
    "token_pattern": or_null(pattern),
    "analyzer": one_of("word", "char", "char_wb"),
    "stop_words": or_null(lambda v: isinstance(v, list) and all(map(any_text, v))),
    "weights": or_null(weights),
    "C": plain_real(lambda v: v > 0),
    "alpha": any_of(
        plain_real(lambda v: v > 0 and v < math.inf),
    ),
    "beta": plain_real(lambda v: 0 <= v <= 1),
    "binarize": plain_flag,
    "class_weight": class_weight,
    "solver": one_of("auto", "lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"),
    "tol": plain_real(lambda v: 0 < v < math.inf),
    "max_iter": plain_int(1),
    "method": one_of("sigmoid", "isotonic", "temperature"),
    "model.cv": or_null(plain_int(2)),
    "ensemble": plain_flag,
    "loss": one_of("log_loss"),
    "penalty": or_null(one_of("l1", "l2", "elasticnet")),
    "n_estimators": plain_int(1),
    "min_samples_leaf": any_of(plain_int(1), lambda v: isinstance(v, float) and 0 < v < 1),
    "n_jobs": or_null(jobs),
}
# What classes of one parameter's name differ in.
BY_TARGET: dict[tuple[str, str], Oracle] = {
    ("LinearSVC", "C"): plain_real(lambda v: 0 < v < math.inf),
    ("FeaturesByScript", "share"): plain_real(lambda v: 0 <= v <= 1),
    ("ClassifierChain", "order"): or_null(
        any_of(one_of("random"), lambda v: isinstance(v, list) and all(map(is_number, v)))
    ),
    ("NBSVM", "C"): plain_real(lambda v: 0 < v < math.inf),
    ("SelfTrainingClassifier", "n_topics"): plain_int(1),
    ("SelfTrainingClassifier", "n_vectors"): plain_int(0),
    ("SelfTrainingClassifier", "sharpening"): plain_real(lambda v: 1 <= v < math.inf),
    ("SelfTrainingClassifier", "label_weight"): plain_real(lambda v: 0 < v < math.inf),
    ("LogisticRegression", "C"): any_of(plain_real(lambda v: v > 0), one_of("auto")),
    ("LogisticRegression", "max_iter"): plain_int(0),
    ("OrdinalClassifier", "C"): plain_real(lambda v: 0 < v < math.inf),
    ("OrdinalClassifier", "order"): lambda v: isinstance(v, bool | list),
    ("LogisticRegression", "tol"): plain_real(lambda v: 0 <= v < math.inf),
    ("SGDClassifier", "alpha"): plain_real(lambda v: 0 <= v < math.inf),
    ("ComplementNB", "alpha"): any_of(
        plain_real(lambda v: 0 <= v < math.inf),
        lambda v: isinstance(v, list) and all(map(is_number, v)),
    ),
    ("RidgeClassifier", "alpha"): any_of(
        plain_real(lambda v: 0 <= v < math.inf),
        lambda v: isinstance(v, list) and all(map(is_number, v)),
    ),
    ("RidgeClassifier", "tol"): plain_real(lambda v: 0 <= v < math.inf),
    ("RidgeClassifier", "solver"): one_of(
        "auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"
    ),
    ("KNeighborsClassifier", "n_neighbors"): or_null(plain_int(1)),
    ("KNeighborsClassifier", "weights"): or_null(one_of("uniform", "distance")),
    ("KNeighborsClassifier", "metric"): one_of("cosine", "euclidean"),
    ("StackingClassifier", "cv"): or_null(plain_int(2)),
    ("StackingClassifier", "stack_method"): one_of(
        "auto", "predict_proba", "decision_function", "predict"
    ),
    ("GradientBoostingClassifier", "learning_rate"): plain_real(lambda v: 0 <= v < math.inf),
    ("GradientBoostingClassifier", "max_depth"): or_null(plain_int(1)),
    ("GradientBoostingClassifier", "subsample"): plain_real(lambda v: 0 < v <= 1),
    ("TruncatedSVD", "n_components"): plain_int(1),
    ("SelectPercentile", "score_func"): one_of("sklearn.feature_selection.chi2"),
    ("SelectPercentile", "percentile"): plain_real(lambda v: 0 <= v <= 100),
    ("HashingVectorizer", "n_features"): plain_int(1),
    ("HashingVectorizer", "norm"): or_null(one_of("l1", "l2")),
    ("HashingVectorizer", "alternate_sign"): plain_flag,
    ("HashingVectorizer", "stop_words"): or_null(any_of(one_of("english"), texts)),
}
# LightGBM describes no constraints, so that any value is passed on to it.
WITHOUT_ORACLE = {"LGBMClassifier"}
NAMES = ("features", "model", "data", "deploy", "tracking", "search")
EXPERIMENTS = [
    ("train", [f"experiment={name}"], len(VARIANTS) + k)
    for k, name in enumerate(list_files("experiment"))
]

# The variant that has a choice first, and that with which a command begins.
FIRST = {
    (command, word): number
    for command, overrides, number in reversed([*VARIANTS, *EXPERIMENTS])
    for word in [*overrides, ""]
}


def is_new(command: str, overrides: list[str], number: int, key: str) -> bool:
    """Return whether a setting was in no variant before this one.

    Those of a group are tried with each of its choices, and those of an experiment with it; all
    others depend on the command alone, and are tried once for it.
    """
    group = key.partition(".")[0]
    choices = [word for word in overrides if word.startswith(f"{group}=")]
    if overrides and overrides[0].startswith("experiment="):
        return group in ("features", "model")
    return any(FIRST[command, word] == number for word in choices or [""])


def list_leaves(node: DictConfig, path: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Yield the key of each setting, and what holds it."""
    for key in (str(key) for key in node if key != "_target_"):
        inner = node._get_node(key)
        is_leaf = key in ("weights", "space", "branches") or not isinstance(inner, DictConfig)
        if is_leaf or not len(inner):
            if str(node.get("_target_", "")).rpartition(".")[2] not in WITHOUT_ORACLE:
                yield f"{path}{key}", node
        else:
            yield from list_leaves(inner, f"{path}{key}.")


def find_oracle(command: str, key: str, holder: DictConfig) -> Oracle:
    components = [command, *key.split(".")]
    name = components[-1]
    target = str(holder.get("_target_", "")).rpartition(".")[2]
    if (target, name) in BY_TARGET:
        return BY_TARGET[target, name]
    # Members of an ensemble and parts of features are like models and features by themselves.
    if components[1] in NAMES and len(components) > 3:
        components = [command, components[1], name]
    suffixes = (".".join(components[k:]) for k in range(len(components)))
    return next(ORACLES[end] for end in suffixes if end in ORACLES)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "overrides", "number"), [*VARIANTS, *EXPERIMENTS], ids=[
    *IDS, *(word for _, [word], _ in EXPERIMENTS)
])  # fmt: skip
def test_every_setting_of_a_wrong_kind_is_named(
    command: str, overrides: list[str], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = compose(command, overrides)
    leaves = {
        key: holder for key, holder in list_leaves(cfg) if is_new(command, overrides, number, key)
    }
    oracles = {key: find_oracle(command, key, holder) for key, holder in leaves.items()}
    for value in VALUES:
        for key, holder in leaves.items():
            holder[key.rpartition(".")[2]] = value
        problems = find_problems(cfg)
        reported = [problem.partition(" is ")[0] for problem in problems]
        wrong = [key for key, accepts in oracles.items() if not accepts(value)]
        assert sorted(reported) == sorted(wrong), f"{value!r}: {set(reported) ^ set(wrong)}"
        assert all(len(problem) < 600 for problem in problems)  # it may list 30 choices
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(("command", "overrides", "number"), VARIANTS[:8], ids=IDS[:8])
def test_accepted_settings_can_be_constructed(
    command: str, overrides: list[str], number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = compose(command, overrides)
    leaves = {
        key: holder for key, holder in list_leaves(cfg) if is_new(command, overrides, number, key)
    }
    defaults = {key: holder[key.rpartition(".")[2]] for key, holder in leaves.items()}
    for value in VALUES:
        for key, holder in leaves.items():
            accepted = find_oracle(command, key, holder)(value)
            holder[key.rpartition(".")[2]] = value if accepted else defaults[key]
        if not find_problems(cfg):  # two that are right may contradict each other
            for group in ("data", "features", "deploy", "tracking"):
                assert make(cfg, group) is not None
            with contextlib.suppress(ConfigError):  # weights of members that there are not
                make(cfg, "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [0, 1.5, "abc", None, True, [1], 2**40])
def test_the_number_of_workers_is_checked(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher\.n_jobs is .*; expected a"):
        WorkerLauncher(n_jobs=value)


def find_problems(cfg: DictConfig) -> list[str]:
    try:
        check_config(cfg)
    except ConfigError as error:
        return error.problems
    return []
