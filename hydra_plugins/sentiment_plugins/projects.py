"""Search path of the configs in the user's project; Hydra loads it at every start."""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class ProjectConf(SearchPathPlugin):
    """Adds ``conf`` beside a pyproject.toml with ``[tool.sentiment]``, and ``--config-dir``.

    Hydra applies the latter to the command line only, not to configs that a command composes.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the user's folders, so that the configs of this package take precedence."""
        from sentiment.config import list_user_conf

        for folder in list_user_conf():
            search_path.append("project", f"file://{folder}")
