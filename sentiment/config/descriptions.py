"""Descriptions of settings, from the files under ``conf/``: defaults, comments, expected values.

The reference pages and the schemas for editors are made from this, so that a setting is described
once, in the comment beside its default.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml

from sentiment.config.conf_folder import CONF
from sentiment.config.schemas import COMMANDS, TARGETS, EstimatorSettings, WorkerSettings, is_nested
from sentiment.config.type_hints import describe, list_hints

_COMMENT = re.compile(r"\s*#\s*(.+)")
_INCLUDED = re.compile(r"(?P<file>[\w/]+)(?:@(?P<package>[\w.]+))?")
# Keys that are not settings of the file.
_SKIPPED = {"defaults", "hydra", "_target_"}


@dataclass(frozen=True)
class Setting:
    """A setting of a config file.

    Attributes
    ----------
    key : str
        Dotted, within the file: ``thresholds.distance``.
    written : str
        Its value as the file has it, on one line.
    comment : str
        The comment on its line, which may continue below, or else the one above it; "" if there
        is none.
    target : str
        The ``_target_`` beside it, "" if there is none.
    """

    key: str
    written: str
    comment: str
    target: str = ""

    @property
    def name(self) -> str:
        """The last part of its key."""
        return self.key.rpartition(".")[2]


def read_heading(path: Path) -> str:
    """Return the comment at the top of a config file, without Hydra's line on its package."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.lstrip("# "))
    return " ".join(lines)


def read_settings(path: Path) -> list[Setting]:
    """Return the settings of a config file, after those of the files that it includes.

    Included files are those that Hydra merges into the file or a part of it, unlike choices of a
    group, such as ``- model: svm``.

    Examples
    --------
    >>> [setting] = [s for s in read_settings(CONF / "train.yaml") if s.key == "seed"]
    >>> setting.written
    '42'
    """
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return []
    settings = {setting.key: setting for setting in _read_included(path, root)}
    inherited = {setting.target for setting in settings.values() if "." not in setting.key}
    for setting in _read_mapping(text.splitlines(), root, ""):
        comment = setting.comment or (
            settings[setting.key].comment if setting.key in settings else ""
        )
        settings[setting.key] = replace(setting, comment=comment)
    targets = [value.value for key, value in root.value if key.value == "_target_"]
    target = next(iter(targets or inherited - {""}), "")
    return [replace(s, target=target if "." not in s.key else s.target) for s in settings.values()]


def find_meaning(setting: Setting, path: Path) -> str:
    """Return the comment on a setting, which may be in another file of the same group."""
    if setting.comment or path.parent == CONF:
        return setting.comment
    comments = list_comments(path.parent)
    return comments.get((setting.target, setting.name)) or comments.get(("", setting.name), "")


def find_expected_values(setting: Setting, path: Path) -> str:
    """Return the expected values of a setting, as in messages; "" if all are allowed."""
    hint = _find_hint(setting, path)
    if hint is not None:
        return describe(hint)
    if not setting.target:
        return ""
    from sentiment.config.arguments import list_constraints
    from sentiment.config.estimators import find_expected

    constraints = list_constraints(setting.target).get(setting.name)
    # No constraint accepts this object, so the result describes all constraints.
    return find_expected(constraints, object()) if constraints is not None else ""


def _find_hint(setting: Setting, path: Path) -> Any:
    schema: Any = COMMANDS.get(path.stem) if path.parent == CONF else TARGETS.get(setting.target)
    if path.parent.name == "launcher":
        schema = WorkerSettings
    if path.parent.name == "search" or path.parent.name == "common":
        schema = list_hints(COMMANDS["train"])["search"]
    for part in setting.key.split("."):
        hint = list_hints(schema).get(part) if schema is not None else None
        schema = hint if is_nested(hint) else None
    return hint if hint is not None else list_hints(EstimatorSettings).get(setting.name)


@cache
def list_comments(folder: Path) -> dict[tuple[str, str], str]:
    """Return the first comment on a setting in the files of a group, by target and by name.

    Files that are not valid YAML are left out: the command that composes them reports them.
    """
    comments: dict[tuple[str, str], str] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            settings = read_settings(path)
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        for setting in settings:
            if setting.comment:
                for target in (setting.target, ""):
                    comments.setdefault((target, setting.name), setting.comment)
    return comments


def _read_included(path: Path, root: yaml.MappingNode) -> Iterator[Setting]:
    defaults = [value for key, value in root.value if key.value == "defaults"]
    for entry in defaults[0].value if defaults else ():
        if not isinstance(entry, yaml.ScalarNode) or entry.value == "_self_":
            continue
        match = _INCLUDED.fullmatch(entry.value)
        if match is None:
            continue
        base = CONF if match["file"].startswith("/") else path.parent
        included = base / f"{match['file'].lstrip('/')}.yaml"
        package = match["package"] or "_here_"
        prefix = "" if package == "_here_" else f"{package}."
        for setting in read_settings(included) if included.is_file() else ():
            yield replace(setting, key=f"{prefix}{setting.key}")


def _read_mapping(lines: list[str], node: yaml.MappingNode, prefix: str) -> Iterator[Setting]:
    targets = [value.value for key, value in node.value if key.value == "_target_"]
    for key, value in node.value:
        if (not prefix and key.value in _SKIPPED) or key.value == "_target_":
            continue
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            shared = _COMMENT.fullmatch(lines[key.end_mark.line][key.end_mark.column + 1 :])
            for setting in _read_mapping(lines, value, f"{name}."):
                comment = setting.comment or (shared[1] if shared else "")
                yield replace(setting, comment=comment)
            continue
        start, end = value.start_mark, value.end_mark
        value_text = lines[start.line][start.column : end.column] if start.line == end.line else ""
        yield Setting(name, value_text, _find_comment(lines, key, value), "".join(targets))


def _find_comment(lines: list[str], key: yaml.Node, value: yaml.Node) -> str:
    end, indent = value.end_mark, key.start_mark.column
    if match := _COMMENT.fullmatch(lines[end.line][end.column :] if end.line < len(lines) else ""):
        following = (_read_comment_line(line) for line in lines[end.line + 1 :])
        continued = takewhile(lambda read: read is not None and read[0] > indent, following)
        return " ".join([match[1], *(read[1] for read in continued if read)])
    above = (_read_comment_line(line) for line in reversed(lines[1 : key.start_mark.line]))
    preceding = takewhile(lambda read: read is not None and read[0] == indent, above)
    return " ".join(reversed([read[1] for read in preceding if read]))


def _read_comment_line(line: str) -> tuple[int, str] | None:
    """Return the column and the text of a line that is only a comment, else None."""
    match = _COMMENT.fullmatch(line)
    return (line.index("#"), match[1]) if match else None
