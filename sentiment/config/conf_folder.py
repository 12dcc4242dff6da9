"""The folder of the configs."""

import os
from pathlib import Path


def _find_conf() -> Path:
    """Return the folder in ``SENTIMENT_CONF``, or else that of the wheel or of the repository."""
    if folder := os.environ.get("SENTIMENT_CONF"):
        return Path(folder).resolve()
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


CONF = _find_conf()
# True if it is part of an installed package, where the user's files do not belong.
IS_INSTALLED = Path(__file__).resolve().parents[1] / "conf" == CONF
