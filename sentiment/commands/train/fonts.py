"""Fonts of this machine for characters that matplotlib's own font lacks."""

import contextlib
from collections.abc import Collection

from matplotlib import font_manager, rcParams
from matplotlib.ft2font import FT2Font

from sentiment.redaction.printable import make_printable

# Has a box for every character.
_LAST_RESORT = "lastresort"
_REGULAR = 400  # weight


def find_fonts(characters: Collection[str]) -> tuple[list[str], set[str]]:
    """Return the families of fonts for `characters`, and the characters that no font has.

    Further families follow those of matplotlib's settings: of the fonts of the machine, the one
    that has most of the missing characters, and so on.

    Examples
    --------
    >>> find_fonts("abc")
    (['sans-serif'], set())
    """
    families = list(rcParams["font.family"])
    # Control characters are escaped, and joiners are not drawn.
    missing = {character for character in characters if character.isprintable()}
    for family in families:
        # A string would be a fontconfig pattern, in which "-" has a meaning.
        properties = font_manager.FontProperties(family=[family])
        missing -= _find_held(font_manager.findfont(properties), missing)
    if not missing:
        return families, missing
    fonts = _list_fonts()
    while missing and fonts:
        held = {name: _find_held(path, missing) for name, path in fonts.items()}
        best = max(held, key=lambda name: len(held[name]))
        if not held[best]:
            break
        families.append(best)
        missing -= held[best]
        del fonts[best]
    return families, missing


def escape(name: str, missing: Collection[str]) -> str:
    r"""Return `name` with control characters and those in `missing` as in a Python literal.

    Examples
    --------
    >>> escape("好 good", {"好"})
    '\\u597d good'
    """
    return "".join(ascii(c)[1:-1] if c in missing else c for c in make_printable(name, None))


def _list_fonts() -> dict[str, str]:
    """Return the file of each family, without the last resort; upright regular ones come first."""
    manager = font_manager.fontManager
    # matplotlib keeps a list of fonts, which lacks those that were installed since.
    for path in {*font_manager.findSystemFonts()} - {entry.fname for entry in manager.ttflist}:
        with contextlib.suppress(Exception):  # as matplotlib skips fonts that it cannot read
            manager.addfont(path)
    entries = sorted(manager.ttflist, key=_rank)
    files = {entry.name: entry.fname for entry in reversed(entries)}
    return {
        name: files[name]
        for name in dict.fromkeys(entry.name for entry in entries)
        if _LAST_RESORT not in name.lower().replace(" ", "")
    }


def _rank(entry: font_manager.FontEntry) -> tuple[bool, int, str]:
    """Return the place of a font among those of its family."""
    weight = entry.weight
    number = font_manager.weight_dict[weight] if isinstance(weight, str) else weight
    return entry.style != "normal", abs(number - _REGULAR), entry.name


def _find_held(path: str, characters: Collection[str]) -> set[str]:
    """Return those of `characters` that a font has in any size."""
    with contextlib.suppress(OSError, RuntimeError):  # it has been removed, or is damaged
        font = FT2Font(path)
        # Fonts of bitmaps, such as those of color emoji, have few sizes.
        if font.scalable:
            return {c for c in characters if font.get_char_index(ord(c))}
    return set()
