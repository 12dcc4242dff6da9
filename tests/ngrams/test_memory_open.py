"""Entries that stay open in a process while their files change, and digests that it remembers."""

import hashlib
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_memory import FILMS, find_corpora, fit_films, forget, read_nothing

from sentiment.ngrams import corpus, digests, memory, storage
from sentiment.ngrams.digests import digest_texts
from sentiment.ngrams.packing import is_valid_corpus
from sentiment.ngrams.vectorizers import CountVectorizer, TfidfVectorizer


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the place of `path`, so that who has the old one open keeps it."""
    new = path.with_name("new")
    new.write_bytes(content)
    new.rename(path)


@pytest.mark.parametrize("pattern", ["*/*/tokens.npy", "*/*/*/ids-2.npy", "*/*/*/stamp.npy"])
def test_damage_is_seen_though_the_entry_is_open(
    pattern: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = fit_films(tmp_path)
    (path,) = tmp_path.glob(pattern)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 64  # the number would point far outside
    for write in (Path.write_bytes, replace):
        write(path, bytes(damaged))
        os.utime(path, ns=(0, 0))  # nor do dates hide it
        assert fit_films(tmp_path) == expected
        assert "are damaged and are made anew" in caplog.text
        caplog.clear()
        (path,) = tmp_path.glob(pattern)
        assert fit_films(tmp_path) == expected
        assert not caplog.records


def test_an_open_entry_that_was_deleted_is_not_taken_for_kept(tmp_path: Path) -> None:
    expected = fit_films(tmp_path)
    for folder in (*find_corpora(tmp_path), next(iter(tmp_path.iterdir())), tmp_path):
        shutil.rmtree(folder)
        assert fit_films(tmp_path) == expected
        assert len(find_corpora(tmp_path)) == 1
        assert len(list(tmp_path.glob("*/*/ngrams-*/manifest.json"))) == 1


def test_an_entry_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fit_films(tmp_path)
    (folder,) = find_corpora(tmp_path)
    checked = []
    monkeypatch.setattr(
        storage, "_digest", lambda array, f=storage._digest: checked.append(1) or f(array)
    )
    assert fit_films(tmp_path) == expected
    assert not checked
    forget()
    assert fit_films(tmp_path) == expected
    once = len(checked)
    assert once > 0
    assert fit_films(tmp_path) == expected
    assert len(checked) == once
    assert storage.open_entry(folder, is_valid_corpus) is storage.open_entry(
        folder, is_valid_corpus
    )


def test_counts_belong_to_the_corpus_they_were_made_of(tmp_path: Path) -> None:
    texts = ["bad film", "good film", "good plot"]
    plain = CountVectorizer(ngram_range=(1, 2)).fit(texts)
    for k, order in enumerate([(0, 1, 2), (2, 1, 0)]):  # words are numbered in another order
        part = [texts[row] for row in order]
        CountVectorizer(memory=tmp_path / str(k), ngram_range=(1, 2)).fit(part)
    (first,), (two,) = (find_corpora(tmp_path / str(k)) for k in range(2))
    for path in first.glob("*.*"):  # the corpus of one, the counts of the other
        shutil.copy(path, two / path.name)
    vectorizer = CountVectorizer(memory=tmp_path / "1", ngram_range=(1, 2)).fit(texts)
    assert vectorizer.vocabulary_ == plain.vocabulary_


def fit_in_child(folder: Path, parts: Any) -> None:
    corpus.encode_texts = read_nothing  # type: ignore[assignment]
    parts.put(fit_films(folder))


def test_a_forked_process_has_the_entry_too(tmp_path: Path) -> None:
    expected = fit_films(tmp_path)
    context = multiprocessing.get_context("fork")
    parts = context.Queue()
    child = context.Process(target=fit_in_child, args=(tmp_path, parts))
    child.start()
    assert parts.get(timeout=300) == expected
    child.join()
    assert child.exitcode == 0


class Odd(str):
    """Says that it is equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("odd")


def test_digests_are_those_of_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(texts: list[str], given: Any) -> None:
        expected = [hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest()
                    for t in texts]  # fmt: skip
        assert [row.tobytes() for row in digest_texts(given)] == expected

    monkeypatch.setattr(digests, "_MAX_BYTES", 2000)
    texts = ["", "a", "\0", "a\0", "ä", "\ud800", "\U0001f600", "a"]
    films = [f"{k} film" for k in range(50)]  # more than may be held
    for part in (
        texts,
        texts[::-1],
        films,
        [*texts, *films[:5]],
        [],
        films[:20],
        films[10:25],
        texts,
    ):
        for given in (part, tuple(part), np.array(part, object)):
            check(part, given)
        assert digests._DIGESTS._size <= 2000
    check(["a", "b"], [Odd("a"), Odd("b")])
    check(["a", "b"], pd.Series(["a", "b"]))
    check(["b", "a"], pd.Series(["a", "b"])[::-1])


def test_no_text_is_hashed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = TfidfVectorizer(memory=tmp_path).fit(FILMS)
    expected = fitted.transform(FILMS[::-1])
    monkeypatch.setattr(hashlib, "blake2b", None)
    assert (fitted.transform(FILMS[::-1]) != expected).nnz == 0
    assert TfidfVectorizer(memory=tmp_path).fit(FILMS[1:]).vocabulary_


def test_rows_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fit_films(tmp_path)
    monkeypatch.setattr(memory, "_split_digests", None)
    assert fit_films(tmp_path) == expected
