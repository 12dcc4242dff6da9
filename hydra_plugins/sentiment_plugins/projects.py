"""The configs of the user's project; Hydra loads this at every start."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ProjectConf(SearchPathPlugin):
    """Adds ``conf`` beside a pyproject.toml with ``[tool.sentiment]``, and ``--config-dir``.

    Hydra knows the latter only for the command line, not for configs that a command composes.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders behind the configs of this project, whose names come first."""
        from sentiment.config import list_user_conf

        for folder in list_user_conf():
            search_path.append("project", f"file://{folder}")
