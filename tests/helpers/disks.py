"""Disks that are full."""

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def full_disk(size: int = 100) -> Iterator[None]:
    """Keep files of this process, and of those that it starts, from growing beyond `size` bytes.

    As a fixture, it would still be in use when pytest prints the result, which may go to a file.
    """
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a disk of `size`, such as ``"600k"``, at `folder`; skip the test where none may be."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield
    finally:
        subprocess.check_call(["umount", "--lazy", str(folder)])
