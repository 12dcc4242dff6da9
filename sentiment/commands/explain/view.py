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

_MAX_TERMS = 12
# Weights relative to the strongest word, from which a word is bold, plain or dim; weaker words have
# no color.
_BOLD, _PLAIN, _DIM = 0.5, 0.2, 0.05


def show_explanation(result: "ExplanationResult") -> None:
    """Print the text with colored words, the strongest terms and the label."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    explanation = result.explanation
    console.print(_color_words(explanation), soft_wrap=False)
    console.print()
    if explanation.terms:
        console.print(_tabulate_terms(explanation))
    else:
        console.print("no term of this text is in the vocabulary of the model")
    label = quote_name(explanation.label)
    console.print(f"label    {label} ({explanation.list_probabilities()})")
    if prediction := explanation.describe_prediction():
        console.print(f"predict  {prediction}")
    console.print(f"sum      {explanation.describe_sum()}")
    model = result.model
    run = f": {model.run_name} (run {model.run_id})" if model.run_id else ""
    console.print(f"model    {model.uri}{run}")
    console.print(f"page     {relate_path(result.page)}")


def _color_words(explanation: "TextExplanation") -> "Text":
    from rich.text import Text

    from sentiment.cli.console import clean

    largest = max((abs(weight) for _, weight in explanation.words), default=0.0)
    text = Text()
    for raw_word, weight in explanation.words:
        word = clean(raw_word, keep="\n\t")
        share = abs(weight) / largest if largest else 0.0
        color = "green" if weight > 0 else "red"
        if share >= _BOLD:
            text.append(word, f"bold {color}")
        elif share >= _PLAIN:
            text.append(word, color)
        else:
            text.append(word, f"dim {color}" if share >= _DIM else "")
    return text


def _tabulate_terms(explanation: "TextExplanation") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from sentiment.cli.console import clean

    table = Table(header_style="bold")
    for title in (f"for {quote_name(explanation.label)}", "against"):
        table.add_column(title)
        table.add_column(explanation.unit, justify="right")
    columns = [
        [
            (term, contribution)
            for term, contribution in explanation.terms
            if (contribution > 0) == is_positive
        ][:_MAX_TERMS]
        for is_positive in (True, False)
    ]
    for row in range(max(map(len, columns))):
        cells: list[Text] = []
        for column, color in zip(columns, ("green", "red"), strict=True):
            term, contribution = column[row] if row < len(column) else ("", None)
            cells += [
                Text(mark_spaces(clean(term))),
                Text(f"{contribution:+.2f}" if contribution is not None else "", color),
            ]
        table.add_row(*cells)
    return table
