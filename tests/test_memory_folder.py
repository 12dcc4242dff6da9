import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_memory import FILMS, bug, find_corpora, fit_films, forget, recall, see

from sentiment.features import storage
from sentiment.features.vectorizers import CountVectorizer, TfidfVectorizer


def is_left(folder: Path) -> bool:
    return any(".new-" in path.name for path in folder.rglob("*"))


def scatter(folder: Path) -> list[Path]:
    """Put what is not ours all over the folder."""
    (entry,) = find_corpora(folder)
    foreign = [
        place / name
        for place in (folder, entry.parent, folder / "mine", folder / "mine" / "photos")
        for name in ("notes.txt", ".hidden", "0" * 32 + "/a.npy", "zz/manifest.json")
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours")
    return foreign


def test_foreign_files_do_no_harm_and_come_to_none(tmp_path: Path) -> None:
    expected = fit_films(tmp_path)
    (entry,) = find_corpora(tmp_path)
    foreign = scatter(tmp_path)
    for path in (entry / "notes.txt", next(entry.glob("ngrams-*")) / "notes.txt"):
        path.write_text("not ours")
    for _ in range(2):
        forget()
        assert fit_films(tmp_path) == expected
        CountVectorizer(memory=tmp_path).fit(["other texts"])
    assert all(path.read_text() == "not ours" for path in foreign)


@bug("folders of others count as entries, and are deleted when the bound is reached")
def test_room_is_made_of_our_own_entries_only(tmp_path: Path) -> None:
    fit_films(tmp_path)
    (home,) = (entry.parent for entry in find_corpora(tmp_path))
    foreign = [path for path in scatter(tmp_path) if not path.is_relative_to(home)]
    recall(tmp_path, FILMS, CountVectorizer(), most_bytes=1)
    assert all(path.exists() for path in foreign)


def test_the_folder_is_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        (tmp_path / "file").write_text("not ours")
        assert fit_films(folder) == fit_films(None)
        assert "counts cannot be kept in" in caplog.text
        caplog.clear(), forget()
        assert (tmp_path / "file").read_text() == "not ours"


def test_an_entry_that_is_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = fit_films(tmp_path)
    (entry,) = find_corpora(tmp_path)
    shutil.rmtree(entry), forget()
    entry.write_text("not ours")
    assert fit_films(tmp_path) == expected
    assert "counts cannot be kept in" in caplog.text
    assert not is_left(tmp_path)


@pytest.mark.parametrize("nth", range(12))
def test_a_full_disk(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done, save = [], np.save

    def save_some(path: Any, array: Any, **how: Any) -> None:
        done.append(path)
        if len(done) > nth:
            Path(path).write_bytes(b"the first part")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, array, **how)

    monkeypatch.setattr(np, "save", save_some)
    assert fit_films(tmp_path) == fit_films(None)
    monkeypatch.undo()
    assert len(done) > nth
    assert "No space left on device" in caplog.text
    assert not is_left(tmp_path)
    assert len(find_corpora(tmp_path)) == (nth >= 5)  # whole or absent
    forget(), caplog.clear()
    assert fit_films(tmp_path) == fit_films(None)
    assert not caplog.records
    assert len(list(tmp_path.rglob("manifest.json"))) == 2


def age(entry: Path, seconds: float) -> None:
    for path in entry.rglob("*"):
        os.utime(path, times=(time.time() - seconds,) * 2)


@pytest.mark.parametrize(
    "analyzer",
    ["word", "char", bug("no room is made for n-grams of characters in words", "char_wb")],
)
def test_what_was_not_used_for_longest_is_deleted(analyzer: str, tmp_path: Path) -> None:
    def find(texts: list[str], **limit: int) -> Path:
        before = set(find_corpora(tmp_path))
        recall(tmp_path, texts, vectorizer, **limit)
        (made,) = set(find_corpora(tmp_path)) - before or {None}
        return made

    vectorizer = CountVectorizer(analyzer=analyzer)
    texts = [[f"{name} {film}" for film in FILMS] for name in ("one", "two", "six")]
    first, second = find(texts[0]), find(texts[1])
    size = sum(path.stat().st_size for path in first.rglob("*") if path.is_file())
    age(first, 300), age(second, 200)
    assert find(texts[0]) is None  # used again, though made first
    third = find(texts[2], most_bytes=int(2.5 * size))
    assert set(find_corpora(tmp_path)) == {first, third}
    recall(tmp_path, texts[0], vectorizer, most_bytes=1)
    assert find_corpora(tmp_path) == [first]  # it is in use
    forget()
    recall(tmp_path, texts[0], vectorizer, most_bytes=1)
    assert find_corpora(tmp_path) == [first]


@bug("FileNotFoundError if another process deletes or renames what is being measured")
def test_files_that_vanish_while_room_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "tokens.npy").write_text("1")
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda p: is_file(p) and p.unlink() is None)
    storage.make_room([tmp_path / "entry"], 1)


FIT = """
import hashlib, json, sys, time
import numpy as np
from sentiment.features.vectorizers import TfidfVectorizer
texts, saves, save = json.loads(sys.argv[2]), int(sys.argv[3]), np.save
def save_some(path, array, **how):
    global saves
    save(path, array, **how)
    saves -= 1
    if saves == 0:
        print("writing", flush=True)
        time.sleep(60)
np.save = save_some
print("ready", flush=True)
sys.stdin.readline()
vectorizer = TfidfVectorizer(ngram_range=(1, 2), memory=sys.argv[1], n_jobs=1)
matrix = vectorizer.fit_transform(texts)
print(hashlib.sha256(repr(vectorizer.vocabulary_).encode() + matrix.data.tobytes()).hexdigest())
"""


def start(folder: Path, texts: list[str], saves: int = -1) -> Any:
    """Start a process that fits once it is told to, and halts after so many arrays."""
    command = [sys.executable, "-c", FIT, str(folder), json.dumps(texts), str(saves)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, text=True, **pipes)


def go(process: Any) -> None:
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n"), process.stdin.flush()


def assert_done(process: Any, texts: list[str]) -> None:
    said, complaints = process.communicate(timeout=60)
    plain = TfidfVectorizer(ngram_range=(1, 2))
    data = plain.fit_transform(texts).data.tobytes()
    assert said == hashlib.sha256(repr(plain.vocabulary_).encode() + data).hexdigest() + "\n"
    assert "counts" not in complaints  # neither damaged nor not to be kept
    assert process.returncode == 0


def assert_whole(folder: Path) -> None:
    assert len(find_corpora(folder)) == 1
    assert len(list(folder.rglob("manifest.json"))) == 2
    assert not is_left(folder)


def test_processes_that_start_together_make_one_entry(
    reviews: pd.DataFrame, tmp_path: Path
) -> None:
    texts = reviews["text"].tolist()[:200]
    processes = [start(tmp_path, texts[:50]) for _ in range(3)]
    for process in processes:
        go(process)
    for process in processes:
        assert_done(process, texts[:50])
    assert_whole(tmp_path)


@pytest.mark.parametrize("saves", [2, 8])  # inside of a corpus, or of its counts
def test_a_killed_process_is_no_obstacle(
    saves: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = FILMS[:4]
    killed = start(tmp_path, texts, saves)
    waiting = start(tmp_path, texts) if saves == 2 else None
    go(killed)
    assert killed.stdout.readline() == "writing\n"
    assert is_left(tmp_path)
    if waiting:
        go(waiting)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)  # for the lock
    killed.kill(), killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert is_left(tmp_path)
    if waiting:
        assert_done(waiting, texts)
    kept, plain = (TfidfVectorizer(memory=m, ngram_range=(1, 2)) for m in (tmp_path, None))
    assert see(kept, texts) == see(plain, texts)
    assert_whole(tmp_path)
    monkeypatch.setattr(np, "save", None)  # nothing is left to do
    assert see(kept, texts) == see(plain, texts)
