"""Check of a whole config before any work."""

import re
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from sentiment.config.metrics import MULTILABEL, NOT_MULTILABEL, ORDERED, list_measured
from sentiment.config.recording import learn_config
from sentiment.config.schemas import COMMANDS, TARGETS, Group, Settings, check_values, is_nested
from sentiment.config.targets import HYDRA_KEYS
from sentiment.config.type_hints import list_hints, show
from sentiment.errors import ConfigError, SentimentError, read_reason, suggest

_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
# First part of overrides that may change the estimators.
_CHOOSING = re.compile(r"[+~]*(features|model|experiment)\b|-|hydra")


def check_config(
    cfg: DictConfig, typed: Sequence[str] | None = None, known_problems: Sequence[str] = ()
) -> None:
    """Check all of `cfg`, which was composed over one of the schemas.

    Values of another type than that of their setting, such as a number as the name of a column, are
    converted in `cfg`.

    Parameters
    ----------
    cfg : DictConfig
        The config of a command.
    typed : sequence of str, optional
        The typed overrides. If there are problems already and no override concerns features or
        model, these two groups are not checked, which saves loading scikit-learn.
    known_problems : sequence of str
        Problems that the caller has found.

    Raises
    ------
    ConfigError
        Lists every unknown key, missing value, invalid value, unknown parameter of a constructor
        and forbidden target.
    """
    learn_config(cfg)
    check = _Check(cfg)
    check.problems += known_problems
    schema = OmegaConf.get_type(cfg)
    assert schema is not None  # noqa: S101 - it is composed over one
    with read_write(cfg):  # Hydra's configs are read-only
        check.check_settings(cfg, COMMANDS[schema.__name__], "")
        check.check_metrics()
        if not check.problems or typed is None or any(map(_CHOOSING.match, typed)):
            check.check_estimators()
    if check.problems:
        raise ConfigError(check.problems)


class _Check:
    """The check of one config.

    Attributes
    ----------
    problems : list of str
        One message per problem found so far.
    """

    def __init__(self, cfg: DictConfig) -> None:
        self._cfg = cfg
        self._wrong: set[str] = set()
        self._estimators: list[str] = []
        self.problems: list[str] = []

    def check_settings(self, node: DictConfig, schema: type[Settings], path: str) -> None:
        """Check the settings in `node`, and the groups among them."""
        hints = list_hints(schema)
        self._check_names(node, [*hints], path)
        values: dict[str, Any] = {}
        groups = []
        # Not `name in node`, which is false for a reference to a missing setting.
        names = [str(name) for name in node]
        for name in (name for name in hints if name in names or name in schema.list_required()):
            if not self._has_value(node, name, path):
                continue
            if hints[name] is Group or is_nested(hints[name]):
                groups.append(name)
            else:
                values |= self._read(node, name, path)
        problems, changes = check_values(schema, values, path)
        self.problems += problems.values()
        self._wrong |= {_join(path, name) for name in problems}
        for name, value in changes.items():
            node[name] = value
        for name in groups:
            inner = node._get_node(name)
            if not isinstance(inner, DictConfig) or inner._is_none():
                self.problems.append(
                    f"{_join(path, name)} is {show(_get_written(node, name))}; expected a choice, "
                    f"{name}=<name>, or settings, {_join(path, name)}.<setting>=<value>."
                )
            elif is_nested(hints[name]):
                self.check_settings(inner, hints[name], _join(path, name))
            else:
                self._check_group(inner, name)

    def check_metrics(self) -> None:
        """Check that the metrics to optimize fit the labels: one or several for each row."""
        separator = OmegaConf.select(self._cfg, "data.label_separator")
        for name in ("optimize", "search.objectives"):
            if name in self._wrong or OmegaConf.select(self._cfg, name) is None:
                continue
            metrics = OmegaConf.select(self._cfg, name)
            for metric in [metrics] if isinstance(metrics, str) else metrics:
                if separator is None and metric in MULTILABEL:
                    self.problems.append(
                        f"{name} is {metric}, a metric of rows with several labels. Set "
                        "data.label_separator if they have: data.label_separator=';'."
                    )
                if separator is not None and metric in (*NOT_MULTILABEL, *ORDERED):
                    self.problems.append(
                        f"{name} is {metric}, which rows with several labels lack; expected one of "
                        f"{', '.join(list_measured(multilabel=True))}."
                    )

    def check_estimators(self) -> None:
        """Check the groups that describe scikit-learn estimators."""
        from sentiment.config.estimators import check_estimator

        for name in self._estimators:
            self.problems += check_estimator(self._cfg[name], name, self)

    def read(self, node: DictConfig, key: Any, path: str) -> dict[str, Any]:
        """Return a setting and its value; without a value, note a problem and return nothing."""
        return self._read(node, key, path) if self._has_value(node, key, path) else {}

    def _check_group(self, node: DictConfig, path: str) -> None:
        schema = TARGETS.get(str(node.get("_target_")))
        if schema is None:
            self._estimators.append(path)
        else:
            self.check_settings(node, schema, path)

    def _check_names(self, node: DictConfig, names: Sequence[str], path: str) -> None:
        # Each file of a group has only some of the group's settings.
        known = [name for name in names if name in [*node] or not path]
        for key in (key for key in node if key not in names and key not in HYDRA_KEYS):
            self.problems.append(
                f"there is no setting {_join(path, key)!r}.{suggest(str(key), known)} "
                f"Known: {', '.join(known)}."
            )

    def _has_value(self, node: DictConfig, key: Any, path: str) -> bool:
        """Return whether a setting has a value; if not, note a problem."""
        # Not `key in node`, which is false for a reference to a missing setting.
        missing = key not in node.keys() or OmegaConf.is_missing(node, key)  # noqa: SIM118
        if missing:
            name = _join(path, key)
            self._wrong.add(name)
            self.problems.append(f"{name} has no value; give it: {name}=<value>.")
        return not missing

    def _read(self, node: DictConfig, key: Any, path: str) -> dict[str, Any]:
        raw_value = _get_written(node, key)
        reference = _REFERENCE.fullmatch(raw_value) if isinstance(raw_value, str) else None
        if reference and reference[1] in self._wrong:
            return {}  # reported already
        try:
            value = node[key]
            if OmegaConf.is_config(value):
                value = OmegaConf.to_container(value, resolve=True)
        except OmegaConfBaseException as error:
            reason = read_reason(find_wrapped_error(error) or error)
            name = _join(path, key)
            self._wrong.add(name)
            self.problems.append(f"{name} is {show(raw_value)}, which has no value: {reason}.")
            return {}
        return {str(key): value}


def _join(path: str, key: Any) -> str:
    return f"{path}.{key!s}" if path else str(key)


def _get_written(node: DictConfig, key: Any) -> Any:
    """Return a raw value, without resolving interpolations."""
    inner: Any = node._get_node(key)
    return inner._value() if inner is not None else None


def find_wrapped_error(error: BaseException) -> SentimentError | None:
    """Return the error of this project's own resolver that OmegaConf has wrapped, if any."""
    cause = error.__context__
    while cause is not None and not isinstance(cause, SentimentError):
        cause = cause.__context__
    return cause
