"""The directive ``{configuration}``: a table of the settings in a file under ``conf/``.

Defaults and meanings come from the file and its comments, expected values from the schemas.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from sentiment.config.conf_folder import CONF
from sentiment.config.descriptions import (
    Setting,
    find_expected_values,
    find_meaning,
    read_heading,
    read_settings,
)

_HEADS = ("setting", "default", "expected", "meaning")
_WIDTHS = (22, 18, 25, 35)


class ConfigurationDirective(Directive):
    """Show the settings of a file, such as ``train`` or ``data/csv``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the heading of the file and the table."""
        path = CONF / f"{self.arguments[0]}.yaml"
        self.state.document.settings.env.note_dependency(str(path))
        settings = read_settings(path)
        heading = read_heading(path)
        shown: list[nodes.Node] = []
        if heading and path.parent != CONF:
            shown.append(nodes.paragraph("", f"{heading.rstrip('.:')}."))
        if settings:
            at_top = path.parent in (CONF, CONF / "search", CONF / "experiment")
            is_recipe = path.parent.parent == CONF / "common" / "recipe"
            group = "" if at_top or is_recipe else f"{path.parent.name}."
            if path.parent.name == "launcher":
                group = "hydra.launcher."
            rows = [_make_row(setting, path, group) for setting in settings]
            shown.append(_make_table(rows))
        return shown


def _make_row(setting: Setting, path: Path, group: str) -> nodes.row:
    required = setting.written == "???"
    default = nodes.Text("required") if required else nodes.literal("", setting.written)
    key = f"{group}{setting.key}"
    name = nodes.literal("", key)
    anchor = nodes.make_id(f"setting-{path.parent.name}-{path.stem}-{setting.key}")
    cells = [
        nodes.paragraph("", "", name),
        nodes.paragraph("", "", default),
        nodes.paragraph("", find_expected_values(setting, path)),
        nodes.paragraph("", find_meaning(setting, path)),
    ]
    row = nodes.row("", *(nodes.entry("", cell) for cell in cells))
    cells[0]["ids"] = [anchor]
    return row


def _make_table(rows: list[nodes.row]) -> nodes.table:
    columns = [nodes.colspec(colwidth=width) for width in _WIDTHS]
    head = nodes.row("", *(nodes.entry("", nodes.paragraph("", text)) for text in _HEADS))
    group = nodes.tgroup("", *columns, nodes.thead("", head), nodes.tbody("", *rows), cols=4)
    return nodes.table("", group, classes=["configuration"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("configuration", ConfigurationDirective)
    return {"version": "1", "parallel_read_safe": True}
