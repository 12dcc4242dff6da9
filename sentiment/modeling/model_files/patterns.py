"""Check of token patterns for catastrophic backtracking."""

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_MAX_LENGTH = 500
_ONE_CHARACTER = {codes.ANY, codes.CATEGORY, codes.IN, codes.LITERAL, codes.NOT_LITERAL}
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT}
_WORDY = {codes.CATEGORY_WORD, codes.CATEGORY_DIGIT}
# An unlimited repetition counts as this many ways to match; a second one exceeds the limit.
_NO_LIMIT, _MAX_WAYS = 1000, 50 * 1000


def is_quick(pattern: str) -> bool:
    r"""Return whether a search takes at most about quadratic time in the length of a text.

    That holds if each alternative has at most one repetition without a small limit, and only single
    characters are repeated, or parts of words after a mark: ``#?\w+`` and ``\w+(?:[-']\w+)*`` are
    quick, ``(\w+ ?)+`` is not.

    Raises
    ------
    re.error
        It is not a pattern.
    """
    # Backtracking may try all ways to match.
    return len(pattern) <= _MAX_LENGTH and _count_ways(parser.parse(pattern)) <= _MAX_WAYS


def _count_ways(items: Any) -> float:
    ways, previous = 1.0, None
    for item in items:
        code, value = item
        if code is codes.SUBPATTERN:
            ways *= _count_ways(value[-1])
        elif code is codes.BRANCH:
            ways *= sum(_count_ways(branch) for branch in value[1])
        elif code in _REPEATS:
            ways *= 1 if _joins_words(previous, value[2]) else _count_repeats(*value)
        elif code not in _ONE_CHARACTER and code is not codes.AT:
            return float("inf")  # looks around, or back
        previous = item
    return ways


def _count_repeats(minimum: Any, maximum: Any, body: Any) -> float:
    if len(body) == 1 and body[0][0] in _ONE_CHARACTER:
        return float(min(int(maximum) - int(minimum) + 1, _NO_LIMIT))
    return 1 + _count_ways(body) if maximum == 1 else float("inf")


def _joins_words(previous: Any, body: Any) -> bool:
    """Return whether `body` is a mark and a word, and follows a word."""
    if len(body) == 1 and body[0][0] is codes.SUBPATTERN:
        body = body[0][1][-1]
    return len(body) == 2 and _is_mark(body[0]) and _is_word(body[1]) and _is_word(previous)


def _is_mark(item: Any) -> bool:
    return all(
        code is codes.LITERAL and not re.match(r"\w", chr(value)) for code, value in _options(item)
    )


def _is_word(item: Any) -> bool:
    if item is None or item[0] not in _REPEATS or len(item[1][2]) != 1:
        return False
    return all(
        (code is codes.CATEGORY and value in _WORDY)
        or (code is codes.LITERAL and re.match(r"\w", chr(value)))
        or (code is codes.RANGE and f"{value[0]:c}{value[1]:c}".isalnum() and value[1] < 128)
        for code, value in _options(item[1][2][0])
    )


def _options(item: Any) -> Any:
    """Return what a single character may be."""
    return item[1] if item[0] is codes.IN else [item]
