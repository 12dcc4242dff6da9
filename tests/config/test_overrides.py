"""Splitting and writing of overrides, compared with Hydra's own parser."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from sentiment.config.overrides import (
    find_key,
    is_sweep,
    is_within,
    quote,
    requote,
    split_override,
    write_override,
)

# What a command line can hold.
TEXT = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]))
NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,5}", fullmatch=True)
DOTTED = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
GROUPS = st.lists(NAMES, min_size=2, max_size=3).map("/".join)
BRACKETS = st.tuples(DOTTED, NAMES).map(lambda pair: f"{pair[0]}[{pair[1]}]")
ESCAPED = st.tuples(NAMES, NAMES).map("\\=".join)
KEYS = st.one_of(DOTTED, GROUPS, BRACKETS, ESCAPED)
VALUES = st.one_of(
    TEXT.map(quote),
    st.integers().map(str),
    st.lists(st.integers(), max_size=3).map(str),
    st.sampled_from(["", "null", "true", "a,b", "range(1,4)", "interval(0,1)", "${oc.env:HOME}"]),
)
TYPES = {
    "": OverrideType.CHANGE,
    "+": OverrideType.ADD,
    "++": OverrideType.FORCE_ADD,
    "~": OverrideType.DEL,
}


def parse(word: str) -> object:
    """Return the value that Hydra reads in an override, which must have one only."""
    read = OverridesParser.create().parse_override(word)
    assert not read.is_sweep_override()
    return read.value()


@pytest.mark.slow
@given(prefix=st.sampled_from([*TYPES]), key=KEYS, value=st.one_of(st.none(), VALUES))
def test_split_overrides_match_hydras_parser(prefix: str, key: str, value: str | None) -> None:
    if value is None and prefix != "~":
        value = ""
    word = f"{prefix}{key}" if value is None else f"{prefix}{key}={value}"
    read = OverridesParser.create().parse_override(word)
    split = split_override(word)
    assert TYPES[split.prefix] == read.type
    assert (split.key, split.package) == (read.key_or_group, read.package)
    assert split.value == (None if value is None else read.get_value_string())
    assert find_key(word) == read.key_or_group


@pytest.mark.slow
@given(group=st.one_of(NAMES, GROUPS), package=DOTTED, prefix=st.sampled_from([*TYPES]))
def test_packages_match_hydras_parser(group: str, package: str, prefix: str) -> None:
    word = f"{prefix}{group}@{package}=a"
    read = OverridesParser.create().parse_override(word)
    split = split_override(word)
    assert (split.key, split.package) == (read.key_or_group, read.package) == (group, package)


@given(TEXT)
def test_the_parts_of_an_override_restore_it(word: str) -> None:
    split = split_override(word)
    package = "" if split.package is None else f"@{split.package}"
    value = "" if split.value is None else f"={split.value}"
    assert f"{split.prefix}{split.key}{package}{value}" == word


@pytest.mark.parametrize(
    "word",
    [
        "search",
        "search=svm",
        "+search=svm",
        "~search",
        "search.n_trials=3",
        "search[space]=1",
        "search@here=svm",
        "search/inner=a",
    ],
)
def test_all_forms_of_an_override_are_within_their_key(word: str) -> None:
    assert is_within(word, "outputs", "search")


@pytest.mark.parametrize("word", ["searching=1", "my.search=1", "data='search=x'", "", "=search"])
def test_other_keys_are_not_within(word: str) -> None:
    assert not is_within(word, "search")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=1,2", True),
        ("a=range(1,3)", True),
        ("a=choice(1)", True),
        ("a=interval(0,1)", True),
        ("a=glob(*)", True),
        ("a=[1,2]", False),
        ("a='1,2'", False),
        ("a=a (1).csv", False),
        ("nothing", False),
        ("~a", False),
    ],
)
def test_sweeps_have_several_values(word: str, expected: bool) -> None:
    assert is_sweep(word) is expected


@given(TEXT, st.sampled_from("'\""))
def test_hydra_reads_what_was_quoted(value: str, mark: str) -> None:
    assert str(parse(f"key={quote(value, mark)}")) == value
    assert str(parse(requote(f"key={quote(value, mark)}"))) == value


@given(TEXT)
def test_a_written_string_is_not_a_sweep(value: str) -> None:
    assert not is_sweep(write_override("key", value))


@pytest.mark.parametrize("value", ["1,2", "choice(1, 2)", "a b'c", "\\", "\\'", "[1,2", "range(3)"])
def test_special_characters_are_unchanged(value: str) -> None:
    assert str(parse(write_override("key", value))) == value


@pytest.mark.parametrize("value", [1, 0.5, 1e-07, True, None])
def test_numbers_stay_numbers(value: object) -> None:
    written = split_override(write_override("key", value)).value
    assert OmegaConf.create(f"key: {'null' if value is None else written}").key == value
