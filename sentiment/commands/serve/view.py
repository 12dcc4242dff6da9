"""Console output of `serve`."""

import sys
from typing import TYPE_CHECKING

from sentiment.errors import show_share

if TYPE_CHECKING:
    from sentiment.commands.serve.job import Service


def show_address(service: "Service") -> None:
    """Print the routes, the settings and the URL of the server."""
    from sentiment.cli.console import PlainConsole

    console = PlainConsole()
    for route in service.routes.values():
        champion = route.champion
        console.print(f"route    {route.name}: {champion.uri}, {champion.choice.why}")
        if route.challenger is not None:
            share = "in shadow" if route.shadow else f"{show_share(route.share, 1)} of requests"
            console.print(f"         challenger {route.challenger.uri}, {share}")
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
    sys.stdout.flush()  # programs that start the server wait for this line


def show_end() -> None:
    """Print that the server has shut down gracefully."""
    from sentiment.cli.console import PlainConsole

    PlainConsole().print("stopped")
