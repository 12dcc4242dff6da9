"""View of a promotion: the verdict of the comparison and the outcome."""

from typing import TYPE_CHECKING

from sentiment.cli.console import PlainConsole
from sentiment.cli.terminal import name_program
from sentiment.commands.compare.view import show_comparison, show_live
from sentiment.config import repeat_command

if TYPE_CHECKING:
    from sentiment.commands.promote.decision import Promotion


def show_promotion(promotion: "Promotion") -> None:
    """Print the verdict of the comparison, if there was one, and the outcome."""
    if promotion.comparison is not None:
        show_comparison(promotion.comparison, brief=True)
    if promotion.live is not None:
        show_live(promotion.live)
    if promotion.outcome == "refused":
        state = "The champion stays" if promotion.champion else "There is no champion"
        hint = "."
        if promotion.run_id:  # a refused rollback has no run to promote
            command = repeat_command("promote", f"run={promotion.run_id}", "force=<reason>")
            hint = f"; to promote it all the same, give a reason: {command}"
        PlainConsole(stderr=True).print(f"{name_program()}: {promotion.sentence}. {state}{hint}")
        return
    console = PlainConsole()
    for number, reason in enumerate(promotion.reasons):
        console.print(f"{'' if number else 'against':<8} {reason}")
    console.print(f"result   {promotion.sentence}")
    if promotion.champion is not None:
        console.print(f"model    models:/{promotion.name}@champion")
