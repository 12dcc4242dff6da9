"""View of suggested texts."""

from typing import TYPE_CHECKING

from sentiment.cli.terminal import describe_time, relate_path

if TYPE_CHECKING:
    from sentiment.commands.suggest.job import SuggestionResult

_SHOWN, _WIDTH = 5, 60


def show_suggestions(result: "SuggestionResult") -> None:
    """Print the first texts, what they were chosen from and by, and what to type next."""
    from rich.table import Table

    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    titles = ["rank", "text", *["guess"] * (result.model is not None), "reason"]
    table = Table(*titles, header_style="bold")
    for row in result.rows.head(_SHOWN).to_dict("records"):
        text = " ".join(str(row["text"][: 2 * _WIDTH]).split())
        row["text"] = text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."
        table.add_row(*(str(row[title]) for title in titles))
    console.print(table)
    candidates, model = result.candidates, result.model
    console.print(f"texts    {len(result.rows):,} of {len(candidates.rows):,} to choose from")
    console.print(f"read     {candidates.read:,} rows")
    for why, count in candidates.left_out.items():
        console.print(f"         {count:,} left out: {why}")
    if model is None:
        console.print(f"model    none: {result.why}")
        console.print("chosen   the most typical text of each of the largest k-means clusters")
    else:
        run = f": {model.run_name} (run {model.run_id})" if model.run_id else ""
        console.print(f"model    {model.uri}{run}")
        console.print(f"         {result.why}")
        console.print("chosen   uncertain texts, one of each k-means cluster of them")
    for note in result.notes:
        console.print(f"note     {note}")
    console.print(f"labels   {result.labelled:,} in {relate_path(result.path.parent)} so far")
    console.print(f"time     {describe_time(result.seconds)}")
    console.print(f"output   {relate_path(result.path)}")
    console.print("next     fill in its column label, then")
    console.print(f"         {result.next_command}")
    console.print("         and this command again, for the next texts")
