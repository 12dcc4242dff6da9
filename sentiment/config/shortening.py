"""Short forms of overrides, for the terminal and for names of runs."""

from collections.abc import Iterable

from sentiment.config.overrides import split_override
from sentiment.redaction.printable import cut_end

# Longer values, such as regular expressions, are cut to this number of characters.
_MAX_VALUE_LENGTH = 20


def sort_settings(overrides: Iterable[str]) -> list[str]:
    """Return overrides in the same order for all jobs of a sweep: short names come first.

    Settings with short names have short values, so that more of them fit into a line.

    Examples
    --------
    >>> sort_settings(["features.ngram_range=[1,2]", "model.C=0.5"])
    ['model.C=0.5', 'features.ngram_range=[1,2]']
    """
    return sorted(overrides, key=lambda override: len(_name_setting(override)))


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
    settings = [shorten_override(override) for override in overrides]
    if width is None or len(" ".join(settings)) <= width:
        return " ".join(settings)
    fitted = ""
    for setting in settings:
        if len(fitted) + len(setting) + 1 <= width - 1:
            fitted += f"{setting} "
    return f"{fitted}…" if fitted else cut_end(" ".join(settings), width)


def shorten_override(override: str) -> str:
    """Return `override` with the last part of its key, and a value of a few characters.

    Examples
    --------
    >>> shorten_override("features.max_features=20000")
    'max_features=20000'
    """
    name, value = _name_setting(override), split_override(override).value or ""
    try:
        number = float(value)
    except ValueError:
        if value[:1] == value[-1:] == "'" and len(value) > 1:
            value = value[1:-1].replace("\\'", "'")
        return f"{name}={cut_end(value, _MAX_VALUE_LENGTH)}"
    return f"{name}={f'{number:.4g}' if '.' in value else value}"


def _name_setting(override: str) -> str:
    """Return the last part of the key of `override`."""
    return split_override(override).key.rpartition(".")[2]
