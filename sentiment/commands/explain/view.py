"""View of one explained text."""

from typing import TYPE_CHECKING

from sentiment.cli.terminal import relate_path
from sentiment.errors import quote_name
from sentiment.redaction.printable import mark_spaces

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from sentiment.commands.explain.job import ExplanationResult
    from sentiment.modeling.explanation import TextExplanation

_TERMS = 12
# Shares of the strongest word, from which on words are bold, plain or dim; others have no color.
_BOLD, _PLAIN, _DIM = 0.5, 0.2, 0.05


def show_explanation(result: "ExplanationResult") -> None:
    """Print the text with colored words, the strongest terms and the label."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    found = result.explanation
    console.print(_color_words(found), soft_wrap=False)
    console.print()
    if found.terms:
        console.print(_tabulate_terms(found))
    else:
        console.print("no term of this text is in the vocabulary of the model")
    label = quote_name(found.label)
    console.print(f"label    {label} ({found.list_probabilities()})")
    if prediction := found.describe_prediction():
        console.print(f"predict  {prediction}")
    words, what = found.total - found.base, found.describe_source()
    console.print(
        f"sum      {found.base:+.2f} before any word {words:+.2f} by the {what} = "
        f"{found.total:+.2f} log-odds of {label}"
    )
    model = result.model
    run = f": {model.run_name} (run {model.run_id})" if model.run_id else ""
    console.print(f"model    {model.uri}{run}")
    console.print(f"page     {relate_path(result.page)}")


def _color_words(found: "TextExplanation") -> "Text":
    from rich.text import Text

    from sentiment.cli.console import clean

    most = max((abs(weight) for _, weight in found.words), default=0.0)
    text = Text()
    for written, weight in found.words:
        word = clean(written, keep="\n\t")
        share = abs(weight) / most if most else 0.0
        color = "green" if weight > 0 else "red"
        if share >= _BOLD:
            text.append(word, f"bold {color}")
        elif share >= _PLAIN:
            text.append(word, color)
        else:
            text.append(word, f"dim {color}" if share >= _DIM else "")
    return text


def _tabulate_terms(found: "TextExplanation") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from sentiment.cli.console import clean

    table = Table(header_style="bold")
    for title in (f"for {quote_name(found.label)}", "against"):
        table.add_column(title)
        table.add_column("log-odds", justify="right")
    sides = [
        [(term, added) for term, added in found.terms if (added > 0) == wanted][:_TERMS]
        for wanted in (True, False)
    ]
    for row in range(max(map(len, sides))):
        cells: list[Text] = []
        for side, color in zip(sides, ("green", "red"), strict=True):
            term, added = side[row] if row < len(side) else ("", None)
            cells += [
                Text(mark_spaces(clean(term))),
                Text(f"{added:+.2f}" if added is not None else "", color),
            ]
        table.add_row(*cells)
    return table
