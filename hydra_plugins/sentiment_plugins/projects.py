"""The configs of the user's project; Hydra loads this at every start."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ProjectConf(SearchPathPlugin):
    """Adds the folder ``conf`` beside a pyproject.toml with ``[tool.sentiment]``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folder behind the configs of this project, whose names come first."""
        from sentiment.config import find_project_conf

        folder = find_project_conf()
        if folder is not None:
            search_path.append("project", f"file://{folder}")
