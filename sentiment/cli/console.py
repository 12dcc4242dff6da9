"""The only place that prints results: text is shown as it is, and nothing in it is obeyed."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from sentiment.redaction import redact
from sentiment.redaction.printable import make_printable


class PlainConsole(Console):
    """A console without markup, in which labels, names and texts of strangers do no harm.

    Square brackets are square brackets, control characters and escape sequences are shown escaped,
    and secrets are masked, in whatever is printed. A line break inside a string is escaped as well:
    each line is printed by a call of its own. Only a `rich.text.Text` may have several.

    Parameters
    ----------
    stderr : bool
        Whether it writes to standard error instead of standard output.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Raise `BrokenPipeError`, which has an exit code of its own; Rich would exit with 1."""
        raise BrokenPipeError

    def render_str(self, text: str, *args: Any, **kwargs: Any) -> Text:
        """Return `text`, from a line or a cell of a table, without markup."""
        style, justify = kwargs.get("style", ""), kwargs.get("justify")
        return Text(clean(text), style=style, justify=justify, overflow=kwargs.get("overflow"))

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Yield the parts of `renderable`, the text in them cleaned."""
        for text, style, control in super().render(renderable, options):
            # Rich's own control codes are apart from text.
            yield Segment(text if control else clean(text, keep="\n\t"), style, control)


def clean(text: str, keep: str = "") -> str:
    """Return `text` without secrets and in printable form; control characters in `keep` stay."""
    return make_printable(redact(text), None, keep)
