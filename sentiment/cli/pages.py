"""HTML pages from Jinja templates."""

from pathlib import Path
from typing import Any

from sentiment.redaction.printable import mark_spaces, show_name


def render_page(template: Path, **values: Any) -> str:
    """Return a rendered page, in which all values are escaped.

    The filter ``name`` shows the name of a class as the terminal does: characters that change the
    direction of text are escaped, and the middle of a very long name is cut.

    Parameters
    ----------
    template : Path
        A Jinja template, which may include files of its folder.
    **values
        Variables of the template.

    Raises
    ------
    jinja2.UndefinedError
        A variable of the template is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["term"] = mark_spaces
    environment.filters["name"] = show_name
    return environment.get_template(template.name).render(**values)
