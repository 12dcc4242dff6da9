"""HTML pages from Jinja templates."""

from pathlib import Path
from typing import Any


def render_page(template: Path, **values: Any) -> str:
    """Return a rendered page, in which all values are escaped.

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

    pages = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return pages.get_template(template.name).render(**values)
