from pathlib import Path

import pytest
from disks import full_disk

from sentiment.files.replacing import replace_file


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    replace_file(path, b"old", durable=True, mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old"  # what was opened before stays what it was
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    path, fresh, victim = (tmp_path / name for name in ("facts.json", "fresh", "victim"))
    victim.write_bytes(b"precious")
    fresh.symlink_to(victim)
    replace_file(path, b"new", temporary=fresh)
    assert (path.read_bytes(), victim.read_bytes()) == (b"new", b"precious")
    assert not path.is_symlink()


def test_a_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    replace_file(path, b"old")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        replace_file(path, b"x" * 1000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
