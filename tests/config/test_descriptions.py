"""Descriptions of settings in the files under conf/: each setting has one."""

import inspect
from pathlib import Path

import pytest
import yaml

from sentiment.config.conf_folder import CONF
from sentiment.config.descriptions import (
    find_expected_values,
    find_meaning,
    list_comments,
    read_heading,
    read_settings,
)
from sentiment.config.schemas import TARGETS

GROUPS = ("data", "deploy", "features", "model", "tracking")
FILES = [
    *sorted(CONF.glob("*.yaml")),
    *sorted(path for group in GROUPS for path in (CONF / group).glob("*.yaml")),
    *sorted((CONF / "search").glob("*.yaml")),
    CONF / "hydra" / "launcher" / "joblib.yaml",
]
# Ranges of searches: the settings are described where their defaults are.
RANGES = ("search.space.", "search.branches.")


def name_of(path: Path) -> str:
    return str(path.relative_to(CONF))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_setting_has_a_meaning(path: Path) -> None:
    settings = [setting for setting in read_settings(path) if not setting.key.startswith(RANGES)]
    assert settings or path.stem in ("off", "random_forest")
    assert [setting.key for setting in settings if not find_meaning(setting, path)] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_all_settings_of_a_file_are_read(path: Path) -> None:
    """As the parser of YAML reads the file, nested ones included."""
    read = {setting.key for setting in read_settings(path)}
    for key, value in flatten(yaml.safe_load(path.read_text())):
        assert key in read or key.split(".")[0] in ("defaults", "hydra"), (key, value)


def flatten(values: object, prefix: str = "") -> list[tuple[str, object]]:
    if not isinstance(values, dict) or not values:
        return [(prefix.rstrip("."), values)]
    rows = [row for key, setting in values.items() for row in flatten(setting, f"{prefix}{key}.")]
    return [(key, value) for key, value in rows if not key.endswith("_target_")]


def test_included_files_are_read_and_overridden(tmp_path: Path) -> None:
    by_key = {setting.key: setting for setting in read_settings(CONF / "data" / "kaggle.yaml")}
    assert by_key["text_column"].written == "review"
    assert by_key["limit"].written == "null"
    assert by_key["path"].target == "sentiment.data.datasets.TableFile"
    assert find_expected_values(by_key["limit"], CONF / "data" / "kaggle.yaml") == (
        "a whole number above 0, or null"
    )
    (tmp_path / "base.yaml").write_text("a: 1  # the first\nb: 'x # y'  # the second\n")
    (tmp_path / "top.yaml").write_text(
        "# What it is.\ndefaults:\n  - base\n  - _self_\na: 2\nc:  # of both\n  d: [1, 2]\n"
        "  # Above it.\n  e: {}\n"
    )
    found = {
        setting.key: (setting.written, setting.comment)
        for setting in read_settings(tmp_path / "top.yaml")
    }
    assert found == {
        "a": ("2", "the first"),
        "b": ("'x # y'", "the second"),
        "c.d": ("[1, 2]", "of both"),
        "c.e": ("{}", "Above it."),
    }
    assert read_heading(tmp_path / "top.yaml") == "What it is."


def test_a_comment_continues_on_indented_lines(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(
        "a: 1  # the first;\n      # in two lines\nb: {}    # the second:\n  # below\n# Above c.\n"
        "c: 2\nd: 3  # the last\n"
    )
    assert {setting.key: setting.comment for setting in read_settings(path)} == {
        "a": "the first; in two lines",
        "b": "the second: below",
        "c": "Above c.",
        "d": "the last",
    }


def test_an_invalid_file_does_not_hide_comments_of_others(tmp_path: Path) -> None:
    (tmp_path / "cut.yaml").write_text("a: [1")
    (tmp_path / "latin.yaml").write_bytes("a: caf\xe9".encode("latin-1"))
    (tmp_path / "whole.yaml").write_text("b: 2  # how many\n")
    assert list_comments(tmp_path) == {("", "b"): "how many"}


def test_a_parameter_of_scikit_learn_is_described_by_its_constraints() -> None:
    path = CONF / "model" / "sgd.yaml"
    [penalty] = [setting for setting in read_settings(path) if setting.key == "penalty"]
    assert find_expected_values(penalty, path) == "null or one of elasticnet, l1, l2"


def test_a_default_in_python_is_that_of_the_config_files() -> None:
    """A class that is used in a program has the defaults of its command."""
    compared = set()
    for path in sorted(CONF.glob("*/*.yaml")):
        for setting in read_settings(path):
            schema = TARGETS.get(setting.target)
            if schema is None or "." in setting.key or setting.written.startswith("$"):
                continue
            default = inspect.signature(schema).parameters[setting.key].default
            written = yaml.safe_load(setting.written)
            if default is inspect.Parameter.empty or setting.key in ("text_column", "label_column"):
                continue  # each data set has columns of its own
            assert default == written, (path, setting.key)
            compared.add(f"{path.parent.name}.{setting.key}")
    assert {"data.test_size", "deploy.threshold", "data.on_bad_rows"} <= compared
