"""View of suggested texts."""

from typing import TYPE_CHECKING

from sentiment.cli.terminal import describe_time, relate_path

if TYPE_CHECKING:
    from sentiment.commands.suggest.job import SuggestionResult
    from sentiment.commands.suggest.server import LabelingServer
    from sentiment.commands.suggest.session import Session

_MAX_ROWS, _TEXT_WIDTH = 5, 60


def show_suggestions(result: "SuggestionResult", server: "LabelingServer | None" = None) -> None:
    """Print the first texts, the basis of the choice, and the next command."""
    from rich.table import Table

    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    titles = ["rank", "text", *["guess"] * (result.model is not None), "reason"]
    table = Table(*titles, header_style="bold")
    for row in result.rows.head(_MAX_ROWS).to_dict("records"):
        text = " ".join(str(row["text"][: 2 * _TEXT_WIDTH]).split())
        row["text"] = text if len(text) <= _TEXT_WIDTH else f"{text[:_TEXT_WIDTH]}..."
        table.add_row(*(str(row[title]) for title in titles))
    console.print(table)
    candidates, model = result.candidates, result.model
    console.print(f"texts    {len(result.rows):,} of {len(candidates.rows):,} to choose from")
    console.print(f"read     {candidates.read:,} rows")
    for reason, count in candidates.left_out.items():
        console.print(f"         {count:,} left out: {reason}")
    if model is None:
        console.print(f"model    none: {result.why}")
        console.print("chosen   the most typical text of each of the largest k-means clusters")
    else:
        run = f": {model.run_name} (run {model.run_id})" if model.run_id else ""
        console.print(f"model    {model.uri}{run}")
        console.print(f"         {result.why}")
        console.print("chosen   uncertain texts, one of each of their k-means clusters")
    for note in result.notes:
        console.print(f"note     {note}")
    labelled = result.known["label"].notna().sum()
    console.print(f"labels   {labelled:,} in {relate_path(result.path.parent)} so far")
    console.print(f"time     {describe_time(result.seconds)}")
    if server is not None:
        console.print(f"page     {server.address}")
        console.print("         for this machine alone; its end button or Ctrl-C ends it")
        console.file.flush()  # a program may wait for the address
        return
    console.print(f"output   {relate_path(result.path)}")
    console.print("next     fill in its column label, then")
    console.print(f"         {result.next_command}")
    console.print("         and this command again, for the next texts")


def show_answers(result: "SuggestionResult", session: "Session") -> None:
    """Print the number of labelled texts, the agreement of people, and the next command."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    skipped = len(session.answers) - session.labelled
    console.print(
        f"labelled {session.labelled:,} of {len(session.items):,} texts, {skipped:,} skipped"
    )
    for agreement in session.measure_agreement():
        console.print(f"agreed   {agreement.describe()}")
    console.print(f"output   {relate_path(session.file.path)}")
    console.print(f"next     {result.next_command}")
    console.print("         and this command again, for the next texts")
