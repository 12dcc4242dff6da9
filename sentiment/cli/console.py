"""Console for all results, in which text is shown literally."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from sentiment.redaction import redact
from sentiment.redaction.printable import make_printable


class PlainConsole(Console):
    """A console without markup, safe for labels, names and texts from untrusted sources.

    Square brackets have no meaning, control characters and escape sequences are shown escaped, and
    secrets are masked. Line breaks in a string are escaped, too, so each line needs its own call.
    Only a `rich.text.Text` may have several lines.

    Parameters
    ----------
    stderr : bool
        Write to standard error instead of standard output.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Raise `BrokenPipeError`, which has its own exit code; Rich would exit with 1."""
        raise BrokenPipeError

    def render_str(self, text: str, *args: Any, **kwargs: Any) -> Text:
        """Return a line or the cell of a table without interpreting markup."""
        style, justify = kwargs.get("style", ""), kwargs.get("justify")
        return Text(clean(text), style=style, justify=justify, overflow=kwargs.get("overflow"))

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Yield the segments of `renderable` with cleaned text."""
        for text, style, control in super().render(renderable, options):
            # Rich puts its control codes into separate segments.
            yield Segment(text if control else clean(text, keep="\n\t"), style, control)


def clean(text: str, keep: str = "") -> str:
    """Return `text` with masked secrets and escaped control characters, except those in `keep`."""
    return make_printable(redact(text), None, keep)
