"""Pages for a browser, from templates beside the command that writes them."""

from pathlib import Path
from typing import Any


def render_page(template: Path, **values: Any) -> str:
    """Return a page; whatever is put into it is escaped.

    Parameters
    ----------
    template : Path
        A template of Jinja. It may include files of its folder.
    **values
        What it shows.

    Raises
    ------
    jinja2.UndefinedError
        The template shows something that is not given.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    pages = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return pages.get_template(template.name).render(**values)
