"""The project speaks the terms of scikit-learn, Optuna, MLflow and Hydra."""

import re
import subprocess
import tokenize
from functools import cache

import pytest
from conftest import ROOT

# Private words of earlier versions, and what to say in their place.
WORDS = {
    r"told|tells|telling": "report, message; top terms",
    r"(?:goes|gone|go|going) on with": "resume",
    r"passed over|gone over": "skip",
    r"whoever|looks away": "progress callback, no-op callback",
    r"let go of": "shut down",
    r"mends?|mended": "recover, fix",
    r"answerers?": "predictor",
    r"deciders?": "scorer, margin, decision rule",
    r"duels?": "pairwise comparison",
    r"sieves?": "Bloom filter",
    r"hand_?outs?": "next job",
    r"recalled": "cached",
    r"(?<!there )(?:is|are) no (?:number|string|text|date|label|object|setting)s?": "is not a",
}
# The same for parts of identifiers, such as `find_wording` and `SpelledLayers`.
PARTS = {
    r"wording": "tokenization",
    r"refusals": "rejected rows",
    r"spell(?:ed|ing|s)?": "decode, format",
    r"beat": "heartbeat",
    r"odd": "the reason why it is special",
    r"desk|sieve|duel|strangers?": "the term for its role",
    r"colours?|coloured|neighbours?": "the American spelling",
}
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
OPENING = re.compile(r'"""(What|Whether|Whoever|How|Says) ')
PLACES = ["sentiment", "scripts", "hydra_plugins", "conf", "docs", "Makefile", "README.md",
          "CONTRIBUTING.md"]  # fmt: skip


@cache
def list_paths() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--", *PLACES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [path for path in listed.stdout.split("\n") if path and not path.endswith(".png")]


@cache
def read_lines() -> list[tuple[str, str]]:
    return [
        (f"{path}:{number}", line)
        for path in list_paths()
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
    ]


@cache
def read_names() -> dict[str, str]:
    """Return each identifier, and a place where it is used."""
    paths = [path for path in list_paths() if path.endswith(".py")]
    found = {}
    for path in paths:
        with (ROOT / path).open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type == tokenize.NAME:
                    found.setdefault(token.string, f"{path}:{token.start[0]}")
    return found


@pytest.mark.parametrize("word", WORDS)
def test_no_private_word_is_used(word: str) -> None:
    pattern = re.compile(rf"(?<![\w.])(?:{word})(?![\w(])", re.IGNORECASE)
    found = [place for place, line in read_lines() if pattern.search(line)]
    assert not found, f"say {WORDS[word]} in {found}"


def test_a_percent_sign_follows_a_space() -> None:
    """Styles of pages have their own percent signs, as do quantiles that are keys."""
    written = re.compile(r"(?<![\w.%=-])\d+(?:\.\d+)?%(?![\w(;])|:[\d.,]*%}|\.\d%")
    style = re.compile(r":\w+: \d+%$|width: |length_quantiles|\.css:")
    found = [
        f"{place} {line}"
        for place, line in read_lines()
        if written.search(line) and not style.search(f"{place} {line}")
    ]
    assert found == []


def test_docstrings_say_what_a_thing_does() -> None:
    found = [place for place, line in read_lines() if OPENING.search(line)]
    assert not found, f"begin with a verb or a noun in {found}"


@pytest.mark.parametrize("part", PARTS)
def test_no_private_word_is_part_of_a_name(part: str) -> None:
    wrong = re.compile(part, re.IGNORECASE)
    found = [
        f"{place}: {name}"
        for name, place in read_names().items()
        if any(wrong.fullmatch(word) for word in PART.findall(name))
    ]
    assert not found, f"say {PARTS[part]} in {found}"
