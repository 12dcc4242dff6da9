"""Short forms of overrides, for the terminal and for names of runs."""

from collections.abc import Iterable

from sentiment.config.overrides import split_override
from sentiment.redaction.printable import cut_end

# Characters of a value, which cuts long ones such as regular expressions.
_VALUE = 20


def fit_settings(overrides: Iterable[str], width: int | None) -> str:
    """Return as many settings with short names and values as fit into `width` characters.

    Examples
    --------
    >>> fit_settings(["features.ngram_range=[1,2]", "model.C=0.123456"], 40)
    'ngram_range=[1,2] C=0.1235'
    >>> fit_settings(["features.ngram_range=[1,2]", "model.C=0.123456"], 20)
    'ngram_range=[1,2] …'
    >>> fit_settings(["features.ngram_range=[1,2]", "model.C=0.123456"], 8)
    'ngram_r…'
    """
    parts = [shorten_override(word) for word in overrides]
    if width is None or len(" ".join(parts)) <= width:
        return " ".join(parts)
    kept = ""
    for part in parts:
        if len(kept) + len(part) + 1 <= width - 1:
            kept += f"{part} "
    return f"{kept}…" if kept else cut_end(" ".join(parts), width)


def shorten_override(override: str) -> str:
    """Return `override` with the last part of its key, and a value of a few characters.

    Examples
    --------
    >>> shorten_override("features.max_features=20000")
    'max_features=20000'
    """
    parts = split_override(override)
    name, value = parts.key.rpartition(".")[2], parts.value or ""
    try:
        number = float(value)
    except ValueError:
        if value[:1] == value[-1:] == "'" and len(value) > 1:
            value = value[1:-1].replace("\\'", "'")
        return f"{name}={cut_end(value, _VALUE)}"
    return f"{name}={f'{number:.4g}' if '.' in value else value}"
