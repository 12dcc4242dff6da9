"""The project speaks the terms of scikit-learn, Optuna, MLflow and Hydra."""

import re
import subprocess

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
}
OPENING = re.compile(r'"""(What|Whether|Whoever|How|Says) ')
PLACES = ["sentiment", "scripts", "hydra_plugins", "conf", "docs", "Makefile", "README.md",
          "CONTRIBUTING.md"]  # fmt: skip


def read_lines() -> list[tuple[str, str]]:
    listed = subprocess.run(
        ["git", "ls-files", "--", *PLACES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    paths = [path for path in listed.stdout.split("\n") if path and not path.endswith(".png")]
    return [
        (f"{path}:{number}", line)
        for path in paths
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
    ]


@pytest.mark.parametrize("word", WORDS)
def test_no_private_word_is_used(word: str) -> None:
    pattern = re.compile(rf"(?<![\w.])(?:{word})(?![\w(])", re.IGNORECASE)
    found = [place for place, line in read_lines() if pattern.search(line)]
    assert not found, f"say {WORDS[word]} in {found}"


def test_docstrings_say_what_a_thing_does() -> None:
    found = [place for place, line in read_lines() if OPENING.search(line)]
    assert not found, f"begin with a verb or a noun in {found}"
