import errno
import hashlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from starting import Started, Starter
from test_memory import FILMS, find_corpora, fit_films, forget, recall, see

from sentiment.ngrams import storage
from sentiment.ngrams.digests import digest_texts
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer


def is_left(folder: Path) -> bool:
    return any(".new-" in path.name for path in folder.rglob("*"))


def scatter(folder: Path) -> list[Path]:
    """Put what is not ours all over the folder."""
    (entry,) = find_corpora(folder)
    foreign = [
        target / name
        for target in (folder, entry.parent, folder / "mine", folder / "mine" / "photos")
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


def test_room_is_made_of_our_own_entries_only(tmp_path: Path) -> None:
    fit_films(tmp_path)
    (home,) = (entry.parent for entry in find_corpora(tmp_path))
    foreign = [path for path in scatter(tmp_path) if not path.is_relative_to(home)]
    recall(tmp_path, FILMS, CountVectorizer(), max_bytes=1)
    assert all(path.exists() for path in foreign)


def test_folders_named_like_entries_are_not_taken_for_them(tmp_path: Path) -> None:
    """Names of hexadecimal digits are those of many caches and stores."""
    fit_films(tmp_path)
    (entry,) = find_corpora(tmp_path)
    foreign = [
        tmp_path / "0123456789abcdef" / ("0" * 32) / "thesis.txt",
        tmp_path / "0123456789abcdef" / ("1" * 32) / "manifest.json",
        entry.parent / ("2" * 32) / "deep" / "a.npy",
        entry / "notes.txt",
        entry / "mine" / "b.npy",
        next(entry.glob("ngrams-*")) / "c.npy",
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"not": "ours"}')
    forget()
    recall(tmp_path, ["another film"], CountVectorizer(), max_bytes=1)
    assert all(path.read_text() == '{"not": "ours"}' for path in foreign)
    leftover = [path for path in entry.rglob("*") if path.is_file() and path not in foreign]
    assert leftover == []
    forget()
    assert fit_films(tmp_path) == fit_films(None)
    assert (entry / "manifest.json").is_file()


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
    saved, save = [], np.save

    def save_some(path: Any, array: Any, **how: Any) -> None:
        saved.append(path)
        if len(saved) > nth:
            Path(path).write_bytes(b"the first part")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(path, array, **how)

    monkeypatch.setattr(np, "save", save_some)
    assert fit_films(tmp_path) == fit_films(None)
    monkeypatch.undo()
    assert len(saved) > nth
    assert "No space left on device" in caplog.text
    assert not is_left(tmp_path)
    assert len(find_corpora(tmp_path)) == (nth >= 6)  # whole or absent
    forget(), caplog.clear()
    assert fit_films(tmp_path) == fit_films(None)
    assert not caplog.records
    assert len(list(tmp_path.rglob("manifest.json"))) == 2


def test_a_full_disk_is_named_once_in_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save = np.save

    def save_small_ones(path: Any, array: Any, **how: Any) -> None:
        if Path(path).parent.parent.parent == tmp_path:  # of the corpus, whose tokens do not fit
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save(path, array, **how)

    monkeypatch.setattr(np, "save", save_small_ones)
    for _ in range(3):
        assert fit_films(tmp_path) == fit_films(None)
    (record,) = caplog.records
    assert record.message.endswith(": No space left on device")
    # Counts of a corpus that is not there would take room, and nobody would find them.
    assert not list(tmp_path.rglob("*.npy"))


def name_entry(texts: list[str]) -> str:
    return hashlib.sha256(digest_texts(texts).tobytes()).hexdigest()[:32]


def age(entry: Path, seconds: float) -> None:
    for path in entry.rglob("*"):
        os.utime(path, times=(time.time() - seconds,) * 2)


@pytest.mark.parametrize(
    "analyzer",
    ["word", "char", "char_wb"],
)
def test_room_is_made_but_what_is_in_use_is_kept(analyzer: str, tmp_path: Path) -> None:
    vectorizer = CountVectorizer(analyzer=analyzer)
    for k in range(3):
        recall(tmp_path, FILMS[k:], vectorizer)
    assert len(find_corpora(tmp_path)) == 1  # the first has all of the texts
    for k in range(3):
        recall(tmp_path, [f"{k} film"], vectorizer)
    assert len(find_corpora(tmp_path)) == 4
    for _ in range(2):
        recall(tmp_path, FILMS, vectorizer, max_bytes=1)
        (remaining,) = find_corpora(tmp_path)
        assert len(np.load(remaining / "ends.npy")) == len(FILMS)
        forget()


def test_what_was_not_used_for_longest_is_deleted(tmp_path: Path) -> None:
    vectorizer = CountVectorizer()
    texts = [[f"{name} {film}" for film in FILMS] for name in ("one", "two", "six")]
    for k in range(3):
        folder = tmp_path / str(k)
        others = [part for part in texts if part is not texts[k]]
        for part in texts:
            recall(folder, part, vectorizer)
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 3
        for entry in find_corpora(folder):
            age(entry, 300)
        for part in others:
            recall(folder, part, vectorizer)
        corpora = set(find_corpora(folder))
        recall(folder, ["six a good film", "new"], vectorizer, max_bytes=int(3.25 * size))
        (deleted,) = corpora - set(find_corpora(folder))
        assert deleted == next(e for e in corpora if e.name == name_entry(texts[k]))


def test_files_that_vanish_while_room_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "entry").mkdir()
    file = tmp_path / "entry" / "tokens.npy"
    file.write_text("1")
    stat = Path.stat

    def vanish(path: Path, **options: Any) -> os.stat_result:
        if path == file:
            path.unlink()
        return stat(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", vanish)
        storage.make_room([tmp_path / "entry"], 1)
    assert not file.exists()


FIT = """
import contextlib, hashlib, json, os, signal, sys
import numpy as np
from sentiment.ngrams.vectorizers import TfidfVectorizer
texts, saves, save = json.loads(sys.argv[2]), int(sys.argv[3]), np.save
def save_some(path, array, **how):
    global saves
    save(path, array, **how)
    saves -= 1
    print("made", path, file=sys.stderr)
    if saves == 0:
        print("writing", flush=True)
        signal.pause()
np.save = save_some
others = int(sys.argv[4]) - 1
while others and os.fork():
    others -= 1
vectorizer = TfidfVectorizer(ngram_range=(1, 2), memory=sys.argv[1], n_jobs=1)
matrix = vectorizer.fit_transform(texts)
said = hashlib.sha256(repr(vectorizer.vocabulary_).encode() + matrix.data.tobytes()).hexdigest()
os.write(1, f"{said}\\n".encode())
if not others:
    with contextlib.suppress(ChildProcessError):
        while os.wait()[1] == 0:
            pass
"""


def start(
    starter: Starter, folder: Path, texts: list[str], *, saves: int = -1, forks: int = 1
) -> Started:
    """Start a process that forks and fits, and halts after so many arrays."""
    return starter.start_code(folder, FIT, str(folder), json.dumps(texts), str(saves), str(forks))


def assert_done(process: Started, texts: list[str], forks: int = 1) -> int:
    """Return how many arrays the processes made."""
    code = process.wait()
    plain = TfidfVectorizer(ngram_range=(1, 2))
    data = plain.fit_transform(texts).data.tobytes()
    expected = hashlib.sha256(repr(plain.vocabulary_).encode() + data).hexdigest()
    assert code.stdout.split() == [expected] * forks
    assert "the counts" not in code.stderr  # are damaged
    assert "cannot be kept" not in code.stderr
    assert code.returncode == 0
    return code.stderr.count("made ")


def is_waiting_for_a_lock(pid: int) -> bool:
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and str(pid) in line.split() for line in lines)


def assert_whole(folder: Path) -> None:
    assert len(find_corpora(folder)) == 1
    assert len(list(folder.rglob("manifest.json"))) == 2
    assert not is_left(folder)


def test_processes_that_start_together_make_one_entry(
    reviews: pd.DataFrame, starter: Starter, tmp_path: Path
) -> None:
    texts = reviews["text"].tolist()[:40]
    matrix = assert_done(start(starter, tmp_path, texts, forks=4), texts, forks=4)
    assert_whole(tmp_path)
    assert matrix == len(list(tmp_path.rglob("*.npy"))) > 0  # the others waited


@pytest.mark.parametrize("saves", [2, 8])  # inside of a corpus, or of its counts
def test_a_killed_process_is_no_obstacle(
    saves: int, starter: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = FILMS[:4]
    killed = start(starter, tmp_path, texts, saves=saves)
    killed.wait_for_output("writing\n")
    assert is_left(tmp_path)
    waiting = start(starter, tmp_path, texts) if saves == 2 else None
    if waiting:
        waiting.wait_until(lambda: is_waiting_for_a_lock(waiting.pid))
    killed.send(signal.SIGKILL)
    assert killed.wait().returncode == -signal.SIGKILL
    if waiting:
        assert_done(waiting, texts)
    else:
        assert is_left(tmp_path)
    cached, plain = (TfidfVectorizer(memory=m, ngram_range=(1, 2)) for m in (tmp_path, None))
    assert see(cached, texts) == see(plain, texts)
    assert_whole(tmp_path)
    monkeypatch.setattr(np, "save", None)  # nothing is left to do
    assert see(cached, texts) == see(plain, texts)
