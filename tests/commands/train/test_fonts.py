"""Labels and terms in figures, in letters that matplotlib's own font lacks."""

from contextlib import closing
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.image import imread
from shortcuts import real_figures

from sentiment.commands.train.drawing import Drawer
from sentiment.commands.train.figures import draw_terms
from sentiment.commands.train.fonts import escape, find_fonts


def write_font(path: Path, family: str, characters: str) -> str:
    """Write a font whose letters are squares."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 800), (800, 800), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = {ord(c): f"square{ord(c)}" for c in characters}
    order = [".notdef", *names.values()]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(order)
    font.setupCharacterMap(names)
    font.setupGlyf(dict.fromkeys(order, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(order, (1000, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": family, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return str(path)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The fonts of the machine beside those of matplotlib, which a test may install."""
    fonts: list[str] = []
    manager = font_manager.fontManager
    own = str(Path(font_manager.__file__).parent)
    kept = [entry for entry in manager.ttflist if entry.fname.startswith(own)]
    monkeypatch.setattr(manager, "ttflist", kept)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: fonts)
    return fonts


def test_a_font_of_the_machine_is_found_for_each_letter(
    installed: list[str], tmp_path: Path
) -> None:
    installed += [
        write_font(tmp_path / "few.ttf", "Few", "好"),
        write_font(tmp_path / "most.ttf", "Most", "好坏一"),
        write_font(tmp_path / "thai.ttf", "Thai", "ส"),
        write_font(tmp_path / "unused.ttf", "Unused", "한"),
    ]
    (tmp_path / "damaged.ttf").write_bytes(b"no font")
    installed.append(str(tmp_path / "damaged.ttf"))
    assert find_fonts("good") == (["sans-serif"], set())
    assert find_fonts("good 好坏ส般") == (["sans-serif", "Most", "Thai"], {"般"})


def test_letters_without_a_font_are_escaped(installed: list[str]) -> None:
    families, missing = find_fonts("a好")
    assert (families, missing) == (["sans-serif"], {"好"})
    assert escape("a好\n\u202e", missing) == r"a\u597d\n\u202e"


def test_figures_have_squares_or_escapes_and_the_log_says_so_once(
    installed: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = {}
    for name, label in {"escaped": "好", "plain": r"\u597d"}.items():
        path = tmp_path / f"{name}.png"
        with real_figures(), closing(Drawer(alone=True)) as drawer:
            drawer.draw([("draw_terms", {label: {"good": 1.0}}, path)] * 2)
            drawer.finish()
        pictures[name] = imread(path)
    (warning,) = caplog.messages
    assert warning.startswith("no font of this machine has 1 character of the labels and terms")
    assert r"such as '好', so they are drawn as \u597d" in warning
    assert (pictures["escaped"] == pictures["plain"]).all()
    installed.append(write_font(tmp_path / "font.ttf", "Squares", "好"))
    assert draw_terms({"好": {"good": 1.0}}, tmp_path / "drawn.png") == set()
    assert (imread(tmp_path / "drawn.png") != pictures["escaped"]).any()
