"""Untrusted labels, names and texts are printed literally."""

import ast
import html
import re
import shlex
import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.table import Table
from rich.text import Text
from test_architecture import SOURCES, parse

from sentiment.redaction.printable import escape_markdown, make_printable

sys.path.insert(0, str(ROOT / "scripts"))
from sentiment.cli.console import PlainConsole, clean

# What a terminal obeys: control characters, and marks that change the direction of writing.
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
HOSTILE = [
    "[/b]",
    "[red]swallowed[/red]",
    "[link=http://x]y[/link]",
    ":smile:",
    "\x1b[2J",
    "\x1b]8;;http://x\x1b\\y",
    "\x9b31m",
    "first\rsecond",
    "first\nsecond",
    "\u202egnp.exe",
    "postgresql://ann:in-no-print@h",
]


def show(capsys: pytest.CaptureFixture[str], *texts: str) -> str:
    console = PlainConsole()
    for text in texts:
        console.print(f"label    {text}")
        table = Table(text)
        table.add_row(text)
        table.add_row(Text(text))
        console.print(table)
        console.print(Text(text))
    return capsys.readouterr().out


@pytest.mark.parametrize("text", HOSTILE)
def test_untrusted_text_is_shown_literally(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = show(capsys, text)
    assert not _OBEYED.search(output)
    assert "in-no-print" not in output
    first = output.splitlines()[0]
    shown_text = text.replace("in-no-print", "***")
    expected = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown_text)
    assert first == f"label    {expected}"


@given(st.text())
def test_any_text_is_one_printable_line(text: str) -> None:
    assert not _OBEYED.search(clean(text))
    assert "\n" not in clean(text)
    if text.isprintable() and "=" not in text and ":" not in text:
        assert clean(text) == text


@given(st.text(alphabet=st.sampled_from("ab \\\\`*_[]()<>&~!#x;:/\"'\\n\x1b"), max_size=30))
def test_untrusted_markdown_is_escaped(text: str) -> None:
    rendered = MarkdownIt().renderInline(escape_markdown(text))
    assert "<" not in rendered
    assert html.unescape(rendered).strip() == make_printable(text).strip()


@pytest.mark.parametrize("text", ["[free](http://x)", "<img src=x>", "<http://x.y>", "![a](b)"])
def test_untrusted_links_and_tags_are_escaped(text: str) -> None:
    assert "<" in MarkdownIt().renderInline(text)
    assert html.unescape(MarkdownIt().renderInline(escape_markdown(text))) == text


def test_joined_emoji_and_spaces_are_unchanged() -> None:
    text = "\U0001f468\u200d\U0001f469\u200d\U0001f467 10\u00a0000 \u0645\u06cc\u200c\u062e"
    assert make_printable(text) == text
    assert make_printable("a\tb\nc", keep="\n") == "a\\tb\nc"


def test_one_console_prints_everything() -> None:
    for path in [*(ROOT / "scripts").glob("*.py"), *SOURCES]:
        functions = [node.func for node in ast.walk(parse(path)) if isinstance(node, ast.Call)]
        # What installs the packages runs before rich is there.
        if path.name not in ("console.py", "install.py"):
            assert "print" not in {getattr(function, "id", "") for function in functions}, path
            names = {
                getattr(function, "attr", getattr(function, "id", "")) for function in functions
            }
            assert "Console" not in names, path


@pytest.mark.process
def test_a_reader_that_closes_the_pipe_is_not_a_failure() -> None:
    """As in `train.py | head -1`: the shell's code for a closed pipe, and no traceback."""
    program = (
        f"import sys; sys.argv = ['x.py']; sys.path.insert(0, {str(ROOT / 'scripts')!r})\n"
        "from sentiment.cli.console import PlainConsole\n"
        "from sentiment.cli.terminal import run_script\n"
        "run_script(lambda: [PlainConsole().print('x' * 99) for _ in range(10_000)])\n"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (141, "x" * 99 + "\n", "")
