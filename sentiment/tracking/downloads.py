"""Temporary copies of artifacts, removed when the process ends."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit


def is_local(artifacts: str) -> bool:
    """Return whether the artifacts at an address are files of this machine.

    Examples
    --------
    >>> is_local("/data/mlartifacts/1"), is_local("file:///data/1"), is_local("s3://reviews/1")
    (True, True, False)
    """
    return urlsplit(artifacts).scheme in ("", "file")


def make_download_folder() -> Path:
    """Return a new folder to download into.

    MLflow never removes the folder of a download, so hourly predictions would fill the disk.
    """
    return Path(tempfile.mkdtemp(dir=_make_home()))


@functools.cache
def _make_home() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sentiment-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
