"""Every setting of every command accepts values as they are typed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig

from sentiment.commands.flow.steps import Steps
from sentiment.config import compose, flatten, make, quote_free_text, record_yaml
from sentiment.config.composing import _compose
from sentiment.config.conf_folder import CONF
from sentiment.config.schemas import COMMANDS as SCHEMAS
from sentiment.config.schemas import find_types
from sentiment.config.type_hints import list_hints
from sentiment.errors import ConfigError

# What is typed, and what the setting is then: the same, but for what Hydra itself unquotes.
TEXTS = [
    *("two words", "a,b", "a=b", "a:b", "it's", 'she said "x"', "(1)", "[x]", "{a}", "x, y (z)"),
    *("C:\\new\\x", "back\\", "a\\'b", "\\d+\\.\\d", "(?u)\\w+(?:'\\w+)*|[!?.,;:()\"*/]"),
    *("007", "7", "0", "-1", "1e5", ".5", "nan", "inf", "true", "False", "NULL", "none", "5%"),
    *("#5 100% $HOME & | ; <x> ~ * ? !", "très 好 😀", " padded ", "tab\there", "line\nbreak"),
    *("-", "@file", "~x", "'half", '"', "a' 'b", "a/b", "x@y", "precision>=0.8", "0 3 * * *"),
]
VALUES: dict[type, list[tuple[str, Any]]] = {
    float: [("0.7", 0.7), ("5", 5), ("1e-3", 0.001), (".25", 0.25), ("-2", -2)],
    int: [("7", 7), ("1_000", 1000), ("0", 0)],
    bool: [("true", True), ("False", False), ("TRUE", True)],
    list: [("[1,3]", [1, 3]), ("[ 2 , 4 ]", [2, 4])],
    str: [("lbfgs", "lbfgs"), ("word", "word")],  # names of choices, such as a solver
    type(None): [("null", None), ("5", 5)],
}
# By the types that a setting has; "'in quotes'" are Hydra's own.
TYPED: dict[str, list[tuple[str, Any]]] = {
    "text": [*((text, text) for text in TEXTS), ("'in quotes'", "in quotes"), ("", "")],
    "number or text": [*VALUES[float], ("max_f1", "max_f1"), ("recall>=0.9", "recall>=0.9")],
    "texts": [
        ("[best,models:/sentiment@champion]", ["best", "models:/sentiment@champion"]),
        ("[ 7e10, my model.skops,x=1]", ["7e10", "my model.skops", "x=1"]),
        ("[a]", ["a"]),
        ("[]", []),
    ],
}
# The commands, with the settings that they require; groups with several files are tried in turn.
COMMANDS = {
    "train": [],
    "predict": ["input=x.csv"],
    "explain": ["text=x"],
    "suggest": ["input=x.csv"],
    "best": ["search.name=svm"],
    "monitor": ["current=x.csv"],
    "compare": ["runs=[a,b]"],
    "promote": [],
    "finalize": [],
    "record": ["folder=x"],
    "flow": [],
    "serve": [],
}


def list_files(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def list_variants() -> Iterator[tuple[str, list[str]]]:
    """Yield each command with the files of its groups, so that each file is there once."""
    for command, needed in COMMANDS.items():
        groups = ("data", "features", "model", "deploy", "tracking", "search")
        setting_names = set(list_hints(SCHEMAS[command]))
        files = {group: list_files(group) for group in groups if group in setting_names}
        if command == "best":
            files = {}
        for k in range(max(map(len, files.values()), default=1)):
            chosen = [f"{group}={names[k % len(names)]}" for group, names in files.items()]
            path = ["data.path=x"] if "data" in files and not is_embedded(chosen) else []
            yield command, [*chosen, *path, *needed]


def is_embedded(chosen: list[str]) -> bool:
    return bool({"data=imdb", "data=rotten_tomatoes"} & set(chosen))


VARIANTS = [(*variant, number) for number, variant in enumerate(list_variants())]
IDS = [" ".join([command, *overrides]) for command, overrides, _ in VARIANTS]


def list_leaves(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of `cfg` that are one value, without what names classes."""
    hidden = ("_target_", "search.space", "search.branches")
    return {
        key: value
        for key, value in flatten(cfg).items()
        if not any(part in key for part in hidden) and not isinstance(value, dict)
    }


def find_kind(key: str) -> str | None:
    """Return which of `TYPED` the values of a setting are like, None for no kind of text."""
    types = find_types(key)
    if str not in types or dict in types:
        return None
    return "texts" if list in types else "text" if types == {str} else "number or text"


@pytest.mark.parametrize("kind", TYPED)
def test_a_text_is_kept_as_typed(kind: str) -> None:
    key = {"text": "text", "number or text": "deploy.threshold", "texts": "runs"}[kind]
    assert find_kind(key) == kind
    for typed, value in TYPED[kind]:
        [word] = quote_free_text([f"{key}={typed}"])
        assert OverridesParser.create().parse_override(word).value() == value
        assert quote_free_text([word]) == [word]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "overrides", "number"), VARIANTS, ids=IDS)
def test_every_setting_accepts_typed_values(
    command: str, overrides: list[str], number: int
) -> None:
    leaves = list_leaves(compose(command, overrides))
    chosen = {}
    for k, (key, default) in enumerate(leaves.items()):
        kind = find_kind(key)
        values = TYPED[kind] if kind is not None else VALUES[type(default)]
        if key == "outputs":  # an empty one would be the root, and is refused
            values = [pair for pair in values if str(pair[1]).strip()]
        chosen[key] = values[(7 * number + k) % len(values)]
    typed = [f"{key}={text}" for key, (text, _) in chosen.items()]
    # Without the check, which refuses most of these texts for most of the settings.
    flat = flatten(_compose(command, quote_free_text([*overrides, *typed])))
    assert {key: flat[key] for key in chosen} == {key: value for key, (_, value) in chosen.items()}


def test_optional_settings_can_be_null() -> None:
    overrides = ["output=null", "text_column=null", "deploy.format=null", "query=null"]
    flat = flatten(compose("predict", quote_free_text(["input=x.csv", *overrides])))
    assert {flat[word.partition("=")[0]] for word in overrides} == {None}


def test_settings_that_are_not_text_have_no_kind() -> None:
    for key in ("seed", "data.limit", "model.C", "search", "search.n_trials", "hydra.run.dir", "x"):
        assert find_kind(key) is None
    assert find_kind("features.parts.words.token_pattern") == "text"
    for key in ("flow.cron", "input", "search.name"):
        assert find_kind(key) == "text"


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["0.7", "recall >= .95"])
def test_a_threshold_can_be_typed_in_every_command_that_has_one(typed: str, tmp_path: Path) -> None:
    expected = 0.7 if typed == "0.7" else typed
    word = f"deploy.threshold={typed}"
    for command in ("train", "predict", "explain"):
        for deploy in ("batch", "dask"):
            overrides = [f"deploy={deploy}", *COMMANDS[command], word]
            scorer = make(compose(command, quote_free_text(overrides)), "deploy", "score")
            assert scorer.threshold == expected
    cfg = compose(
        "flow",
        quote_free_text(["input=x.csv", f'predict=deploy.threshold="{typed}"', "name=it's (2)"]),
    )
    steps = Steps(cfg, tmp_path)
    inner = steps._compose_prediction()
    assert inner.deploy.threshold == expected
    assert inner.deploy.run == "models:/it's (2)@champion"


def test_a_flow_passes_on_overrides_as_typed() -> None:
    folder = "out (2), it's \\ mine"
    overrides = [
        f"outputs={folder}",
        "input=a,b (1).csv",
        "name=my 'own', model",
        "tracking.experiment=7",
    ]
    steps = Steps(compose("flow", quote_free_text(overrides)), Path())
    inner = steps._compose_prediction()
    assert (inner.outputs, inner.input, inner.tracking.experiment) == (folder, "a,b (1).csv", "7")
    assert inner.output.startswith(folder)
    assert steps._compose_promotion("run=1e5").run == "1e5"
    assert steps._compose_promotion("run=1e5").name == "my 'own', model"


def test_a_flow_passes_on_the_names_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORE", "Xq7vZ")
    overrides = ["tracking.uri=sqlite:///a b/${oc.env:STORE}.db", "outputs=${oc.env:STORE}"]
    steps = Steps(compose("flow", quote_free_text(overrides)), Path())
    inner = steps._compose("train", ["model=svm"])
    assert (inner.outputs, inner.tracking.uri) == ("Xq7vZ", "sqlite:///a b/Xq7vZ.db")
    assert "Xq7vZ" not in record_yaml(inner)


def test_a_sweep_splits_its_texts_and_keeps_others() -> None:
    overrides = [
        "data.path=a,b",
        "optimize=choice(f1,accuracy)",
        "data.table=x (1)",
        "data.query=a=b",
    ]
    assert quote_free_text(["-m", *overrides])[1:] == [
        *overrides[:2],
        "data.table='x (1)'",
        "data.query='a=b'",
    ]
    assert quote_free_text(overrides)[0] == "data.path='a,b'"
    searched = compose("flow", ["flow.search=svm", "train='data.path=a,b'"])
    assert Steps(searched, Path()).list_overrides("train") == ["search=svm", "data.path=a,b"]


def test_unquoted_overrides_are_recorded_unquoted() -> None:
    overrides = [
        "input=a/b.csv",
        "text_column=body",
        "deploy.run=models:/sentiment@champion",
        "a=best",
    ]
    assert quote_free_text(overrides) == overrides


def test_a_value_of_another_setting_is_refused() -> None:
    for word in ("seed=it's", "data.limit=[", "model.C=a=b"):
        with pytest.raises(ConfigError, match="cannot be read: (mismatched|no viable|Lexer)"):
            compose("train", quote_free_text([word]))


@pytest.mark.slow
@given(st.text("ab'\"\\ ,=>{}[]()!:$@%\n*é;|&#", min_size=1, max_size=12))
@settings(max_examples=300, deadline=None)
def test_free_text_is_kept_as_typed(value: str) -> None:
    [quoted] = quote_free_text([f"text={value}"])
    read = OverridesParser.create().parse_override(quoted)
    if "${" in value or (quoted == f"text={value}" and value[0] in "'\""):
        return  # refers to another setting, or is in Hydra's quotes already
    assert read.value() == value
