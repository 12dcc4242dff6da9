"""View of a server."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentiment.commands.serve.job import Service


def show_address(service: "Service") -> None:
    """Print what is served, and where."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    for route in service.routes.values():
        champion = route.champion
        console.print(f"route    {route.name}: {champion.uri}, {champion.choice.why}")
        if route.challenger is not None:
            part = "in shadow" if route.shadow else f"{route.share:.1%} of requests"
            console.print(f"         challenger {route.challenger.uri}, {part}")
    settings = service.settings
    console.print(f"workers  {settings.workers}")
    if settings.tokens_file is not None:
        console.print("access   bearer tokens")
    if service.log.folder is not None:
        texts = "with texts" if service.log.texts else "without texts"
        console.print(f"log      {service.log.folder}, {texts}")
    console.print(f"page     {service.url}/")
    console.print(f"docs     {service.url}/docs")
    console.print(f"serving  {service.url}")
    sys.stdout.flush()  # a program that started it reads this line


def show_end() -> None:
    """Print that the server has ended as it should."""
    from sentiment.cli.console import PlainConsole

    PlainConsole().print("stopped")
