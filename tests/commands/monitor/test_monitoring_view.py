"""Table of checks in a terminal."""

import io
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from sentiment.commands.monitor.view import _tabulate_checks
from sentiment.modeling.drift import Check


@pytest.mark.parametrize("width", [72, 80, 120])
def test_no_number_and_no_verdict_is_cut(width: int) -> None:
    name = "column channel_of_the_first_contact"
    checks = [
        Check("probability", 0.9316, 0.9364, 10.379, "distance", 0.1, 0.0002, "", drifted=True),
        Check(name, 0.25, 0.5, 123.961, "distance", 1.68, 0.5, "other value"),
    ]
    console = Console(file=io.StringIO(), width=width)
    console.print(_tabulate_checks(cast("Any", SimpleNamespace(checks=checks))))
    printed = cast("io.StringIO", console.file).getvalue()
    assert "…" not in printed
    heads = printed.splitlines()[1].strip("┃").split("┃")
    assert all(head.strip() for head in heads)  # each column has a name
    for word in ("drift", "10.379", "123.961", "1.68", "0.0002"):
        assert f" {word} " in printed
    names = "".join(line.split("│")[1].strip() for line in printed.splitlines() if "│" in line)
    assert names.replace(" ", "") == f"probability{name}(othervalue)".replace(" ", "")
