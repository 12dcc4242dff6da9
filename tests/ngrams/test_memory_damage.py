import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_memory import find_corpora, fit_films, forget

from sentiment.ngrams import storage
from sentiment.ngrams.packing import is_valid_corpus


def damage_all(entry: Path) -> Any:
    """Yield after every damage to every file of a corpus and of its counts."""
    for path in [*entry.glob("[!.]*.*"), *entry.glob("*/*.*")]:
        original = path.read_bytes()
        middle, last = bytearray(original), bytearray(original)
        middle[len(original) // 2] ^= 4
        last[-1] ^= 4
        for content in (
            original[: len(original) // 2],
            original[:-1],
            b"",
            b"\0" * 200,
            middle,
            last,
            None,
        ):
            path.write_bytes(content) if content is not None else path.unlink()
            yield path, content


@pytest.mark.slow
def test_damaged_entries_are_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = fit_films(None)
    assert fit_films(tmp_path) == expected
    (entry,) = find_corpora(tmp_path)
    shutil.copytree(entry, tmp_path / "kept" / "whole")
    stamps = set()
    for path, content in damage_all(entry):
        forget(), caplog.clear()
        assert fit_films(tmp_path) == expected
        if content is not None or path.suffix == ".npy":  # else it looks as if there was none
            assert "are damaged and are made anew" in caplog.text, path
        forget(), caplog.clear()
        assert fit_films(tmp_path) == expected
        assert not caplog.records, path
        stamps.add(path.name)
        shutil.rmtree(entry), shutil.copytree(tmp_path / "kept" / "whole", entry)
    assert {"manifest.json", "tokens.npy", "store.npy", "digests.npy", "keys-2.npy"} < stamps
    assert not list(tmp_path.rglob("*.new-*"))


@pytest.mark.parametrize("pattern", ["*/*/tokens.npy", "*/*/*/ids-1.npy"])
def test_damage_is_logged_once(
    pattern: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit_films(tmp_path)
    next(tmp_path.glob(pattern)).write_bytes(b"")
    forget()
    fit_films(tmp_path)
    assert len(caplog.records) == 1


@pytest.mark.slow
def test_any_damage_to_a_header(tmp_path: Path) -> None:
    expected = fit_films(tmp_path)
    (entry,) = find_corpora(tmp_path)
    content = (entry / "tokens.npy").read_bytes()
    for position in range(0, 128, 8):
        for byte in (0, ord("'"), ord("}"), content[position] ^ 1):
            damaged = bytearray(content)
            damaged[position] = byte
            (entry / "tokens.npy").write_bytes(damaged)
            forget()
            assert fit_films(tmp_path) == expected


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "[]", "[1]", "{}", '{"tokens": 1}', '"tokens"', b"\xff\xfe", '["../../secret"]',
     '{"../../secret": "DIGEST"}', '{"/etc/secret": "DIGEST"}', '{"tokens/../secret": "DIGEST"}',
     "null", "7", "[" * 100_000],
)  # fmt: skip
@pytest.mark.parametrize("of", ["*/*/manifest.json", "*/*/*/manifest.json"])
def test_manifests_of_all_kinds(
    of: str, manifest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "counts"
    expected = fit_films(folder)
    (path,) = folder.glob(of)
    secret = np.arange(3)
    np.save(path.parents[2] / "secret.npy", secret), np.save(tmp_path / "secret.npy", secret)
    opened, load = [], np.load
    monkeypatch.setattr(np, "load", lambda path, **how: opened.append(path) or load(path, **how))
    if isinstance(manifest, str):
        manifest = manifest.replace("DIGEST", storage._digest(secret)).encode()
    path.write_bytes(manifest)
    forget()
    assert fit_films(folder) == expected
    assert opened
    assert all("secret" not in str(path) for path in opened)
    forget()
    assert fit_films(folder) == expected


def forge(entry: Path, name: str, change: Callable[[Any], Any]) -> None:
    """Change an array of an entry, and its digest in the manifest too."""
    array = np.asarray(change(np.load(entry / f"{name}.npy")))
    np.save(entry / f"{name}.npy", array)
    digests = json.loads((entry / "manifest.json").read_text())
    digests[name] = hashlib.blake2b(array.tobytes()).hexdigest()
    (entry / "manifest.json").write_text(json.dumps(digests))
    forget()


def put(position: int, value: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array.flat[position] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [("tokens", put(1, 10**6)), ("tokens", put(0, -1)), ("tokens", lambda a: a.astype(np.int64)),
     ("tokens", lambda a: a.astype(">i4")), ("tokens", lambda a: a.astype("M8[s]")),
     ("tokens", lambda a: a.astype("U3")), ("tokens", lambda a: a.astype(float)),
     ("ends", put(0, 99)), ("ends", put(-1, 99)), ("ends", put(0, -1)), ("ends", lambda a: a[1:]),
     ("bounds", put(-1, 10**6)), ("bounds", put(2, 10**6)), ("bounds", lambda a: a[:-2]),
     ("digests", lambda a: a[:, :8]), ("digests", lambda a: a.astype(np.int8)),
     ("ngrams/ids-1", put(0, 10**6)), ("ngrams/ids-2", put(0, -2)), ("ngrams/counts-1", put(0, 0)),
     ("ngrams/counts-2", lambda a: a[1:]), ("ngrams/bounds-1", put(0, 1)),
     ("ngrams/bounds-2", put(-1, 10**6)), ("ngrams/bounds-1", lambda a: a[1:]),
     ("ngrams/keys-2", put(0, 2**62)), ("ngrams/keys-2", put(0, 10**6)),
     ("ngrams/keys-2", lambda a: a[:1]), ("ngrams/ids-1", lambda a: a.astype(np.uint32)),
     pytest.param("ends", lambda a: np.int64(3)),
     pytest.param("bounds", put(0, -(10**6))), pytest.param("bounds", put(1, 0)),
     pytest.param("store", lambda a: np.full_like(a, 97)),
     pytest.param("store", lambda a: a.astype(np.int8)),
     pytest.param("tokens", lambda a: a[:, None])],
)  # fmt: skip
def test_forged_numbers_are_not_followed(
    name: str, change: Callable[[Any], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = fit_films(tmp_path)
    (entry,) = find_corpora(tmp_path)
    (counts,) = entry.glob("ngrams-*")
    in_counts = name.startswith("ngrams/")
    forge(counts if in_counts else entry, name.removeprefix("ngrams/"), change)
    if not in_counts:
        assert storage.open_entry(entry, is_valid_corpus) is None  # before any kernel sees it
    assert fit_films(tmp_path) == expected
    assert "are damaged" in caplog.text


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("name", ["tokens", "digests", "ngrams/ids-1"])
@pytest.mark.parametrize("form", ["object", "pickle"])
def test_nothing_is_unpickled(
    form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = fit_films(tmp_path / "counts")
    (entry,) = find_corpora(tmp_path / "counts")
    path = entry / f"{name.replace('ngrams', next(entry.glob('ngrams-*')).name)}.npy"
    if form == "object":
        np.save(path, np.array([Bomb()], object), allow_pickle=True)
    else:
        path.write_bytes(pickle.dumps(Bomb()))
    forget()
    assert fit_films(tmp_path / "counts") == expected
    assert not (tmp_path / "exploded").exists()
    assert b"exploded" not in path.read_bytes()  # but it would have been
