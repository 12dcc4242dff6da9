"""Base class of all errors."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sentiment.errors.exit_codes import ExitCode
from sentiment.redaction import redact
from sentiment.redaction.printable import cut_middle, shorten

# The largest number of classes, or other names, in a list of a message.
LISTED = 10


def quote_name(name: object) -> str:
    """Return the name of a class or column in quotes; the middle of a very long name is cut."""
    return repr(cut_middle(str(name)))


def quote_list(names: Iterable[object], max_items: int | None = None) -> str:
    """Return names as a readable list: ``'a', 'b' and 'c'``, or ``'a', 'b' and 30 more``.

    `max_items` is the largest number of names in the list; default: all.
    """
    quoted = [quote_name(name) for name in names]
    if max_items is not None and len(quoted) > max_items:
        return list_first(quoted, max_items)
    return join_words(quoted) or "nothing"


def list_first(items: Sequence[str], max_items: int) -> str:
    """Return the first items and the number of the others: ``a, b and 30 more``."""
    n_others = len(items) - max_items
    return ", ".join(items[:max_items]) + (f" and {n_others:,} more" if n_others > 0 else "")


def join_words(items: Iterable[str]) -> str:
    """Return items as a readable list: ``a, b and c``."""
    *first, last = [*items] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def read_reason(error: BaseException) -> str:
    r"""Return the first line of the message of `error`, or its class if it has no message.

    Examples
    --------
    >>> read_reason(ValueError("no such column\nsee the log")), read_reason(OSError())
    ('no such column', 'OSError')
    """
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def make_clause(reason: str) -> str:
    r"""Return a message of a library without surrounding white space and without a full stop.

    Examples
    --------
    >>> make_clause("disk I/O error.\n")
    'disk I/O error'
    """
    return reason.strip().rstrip(".")


def mask_numbers(text: str) -> str:
    """Return `text` with a mark for each number, to compare messages that hold other numbers.

    Examples
    --------
    >>> mask_numbers("loss 2e-05 after 12 passes")
    'loss # after # passes'
    """
    return re.sub(r"\d[\d.e+-]*", "#", text)


def count_of(number: int, noun: str) -> str:
    """Return a number of things: ``1 job``, ``1,200 jobs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def list_reasons(counts: Mapping[str, int]) -> str:
    """Return the number of rows for each reason: ``3 duplicates, 1 empty text``."""
    return ", ".join(f"{rows:,} {reason.replace('_', ' ')}" for reason, rows in counts.items())


def show_share(share: float, decimals: int = 0) -> str:
    """Return a share in percent: ``95.2 %``."""
    return f"{100 * share:.{decimals}f} %"


def suggest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``" Did you mean 'x'?"`` for the one of `names` closest to `name`, or "".

    `cutoff` is the smallest similarity, measured by `difflib.SequenceMatcher.ratio`.
    """
    by_lowercase = {other.lower(): other for other in names}
    matches = get_close_matches(name.lower(), by_lowercase, n=1, cutoff=cutoff)
    return f" Did you mean {by_lowercase[matches[0]]!r}?" if matches else ""


class SentimentError(Exception):
    """Base of all errors that a user or operator can fix.

    Messages mask secrets and cut very long values.

    Attributes
    ----------
    exit_code : ExitCode
        Exit code of a command that fails with this error.

    Examples
    --------
    >>> import sentiment
    >>> try:
    ...     sentiment.train("modle=svm")
    ... except sentiment.SentimentError as error:
    ...     print(error)
    there is no setting 'modle'. Did you mean 'model'?...
    """

    exit_code = ExitCode.MISTAKE

    def __init__(self, *args: object) -> None:
        super().__init__(*(shorten(redact(a)) if isinstance(a, str) else a for a in args))

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Jobs of a sweep send their errors to another process, with the composed message.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    kind: type[SentimentError], args: tuple[Any, ...], state: dict[str, Any]
) -> SentimentError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(SentimentError, ValueError):
    """The configuration cannot be run; the message lists all problems.

    Parameters
    ----------
    problems : sequence of str
        One sentence or two per problem.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        if len(self.problems) == 1:
            message = self.problems[0]
        else:
            lines = "\n".join(f"  - {problem}" for problem in self.problems)
            message = f"{len(self.problems)} problems in the configuration:\n{lines}"
        super().__init__(message)


class MissingPackageError(SentimentError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. Install it with "
            f"pip install 'sentiment[{extra}]'."
        )
