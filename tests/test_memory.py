import errno
import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import FeatureUnion, Pipeline

from sentiment.data.cleaning import CleanedTexts
from sentiment.features import corpus, memory, storage
from sentiment.features.memory import CountMemory
from sentiment.features.packing import is_sound_corpus
from sentiment.features.rules import SENTIMENT_PATTERN, find_rules
from sentiment.features.vectorizers import CountVectorizer, TfidfVectorizer
from sentiment.pipeline import count_ahead, make_pipeline

FILMS = [
    "<br>Good film, good plot &amp; more",
    "bad film; Bad!",
    "",
    "ein guter Film",
    "Film <br> x",
]
CASES: list[dict[str, Any]] = [
    {}, {"ngram_range": (1, 2)}, {"ngram_range": (1, 3)}, {"ngram_range": (2, 3), "min_df": 2},
    {"stop_words": "english", "ngram_range": (1, 2)}, {"max_df": 0.3, "ngram_range": (2, 2)},
    {"stop_words": ["film", "the"], "max_features": 90}, {"binary": True, "sublinear_tf": True},
    {"ngram_range": (1, 3), "max_features": 70, "binary": True}, {"use_idf": False, "norm": "l1"},
    {"lowercase": False, "ngram_range": (1, 2)}, {"token_pattern": SENTIMENT_PATTERN},
    {"strip_accents": "unicode", "min_df": 0.1, "max_df": 20},
    {"analyzer": "char", "ngram_range": (1, 3)}, {"analyzer": "char", "ngram_range": (2, 4), "min_df": 5},
    {"analyzer": "char_wb", "ngram_range": (2, 4)}, {"analyzer": "char_wb", "ngram_range": (1, 1)},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 80, "sublinear_tf": True},
]  # fmt: skip
forget = storage._opened.clear  # what this process has open


def bug(reason: str, *values: Any) -> Any:
    mark = pytest.mark.xfail(reason=f"BUG: {reason}", strict=True)
    return pytest.param(*values, marks=mark) if values else mark


def see(vectorizer: Any, texts: Any, *others: Any) -> Any:
    """All that a fit on `texts` gives, to be compared bit by bit; or why there is none."""
    try:
        matrices = [vectorizer.fit_transform(texts)]
    except ValueError as error:
        return str(error)
    matrices += [vectorizer.transform(other) for other in (texts, *others)]
    parts = [getattr(m, part) for m in matrices for part in ("indptr", "indices", "data")]
    parts.append(getattr(vectorizer, "idf_", np.empty(0)) if vectorizer.use_idf else np.empty(0))
    return list(vectorizer.vocabulary_.items()), [(p.dtype.str, p.tobytes()) for p in parts]


def fit_films(folder: Path | None, **case: Any) -> Any:
    return see(TfidfVectorizer(memory=folder, n_jobs=1, ngram_range=(1, 2), **case), FILMS)


def recall(folder: Path, texts: Any, vectorizer: Any, **limit: int) -> Any:
    wanted = vectorizer._list_settings(find_rules(vectorizer))
    return CountMemory(folder, **limit).recall(texts, wanted)


def find_corpora(folder: Path) -> list[Path]:
    return [path.parent for path in folder.glob("*/*/manifest.json")]


def is_left(folder: Path) -> bool:
    return any(".new-" in path.name for path in folder.rglob("*"))


def read_nothing(*_: Any, **__: Any) -> None:
    raise AssertionError("texts are read again")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_counts_from_a_folder_change_nothing(
    case: dict[str, Any], reviews: pd.DataFrame, tmp_path: Path
) -> None:
    texts = reviews["text"].tolist()[:60]
    rows = np.random.default_rng(0).integers(0, 50, 45)
    parts = [texts, [texts[row] for row in rows], texts[30:10:-1], texts[55:]]
    kept, plain = (TfidfVectorizer(memory=m, n_jobs=1, **case) for m in (tmp_path, None))
    expected = [see(plain, part, texts[20:40], ["unseen film", *texts]) for part in parts]
    for part in parts[3:]:  # counted as it comes
        assert see(kept, part, texts[20:40], ["unseen film", *texts]) == expected[3]
    kept.count_ahead(texts)
    assert len(find_corpora(tmp_path)) == 2
    for _ in range(2):
        found = [see(kept, part, texts[20:40], ["unseen film", *texts]) for part in parts]
        assert found == expected
        forget()
    threads = TfidfVectorizer(memory=tmp_path, n_jobs=3, **case)
    assert see(threads, texts, texts[20:40], ["unseen film", *texts]) == expected[0]
    assert len(find_corpora(tmp_path)) == 2


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counts")


@settings(deadline=None, max_examples=60, derandomize=True)
@given(data=st.data())
def test_any_part_in_any_order(reviews: pd.DataFrame, shared_folder: Path, data: Any) -> None:
    pool = [text[:150] for text in reviews["text"][:25]] + ["", "?"]
    numbers = st.lists(st.integers(0, len(pool) - 1), min_size=1, max_size=30)
    rows, others = data.draw(numbers), data.draw(numbers)
    orders = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(sorted).map(tuple)
    case = {
        "ngram_range": data.draw(orders),
        "analyzer": data.draw(st.sampled_from(["word", "char", "char_wb"])),
        "stop_words": data.draw(st.sampled_from([None, ["film", "and", "the"]])),
        "min_df": data.draw(st.sampled_from([1, 2, 0.2])),
        "max_df": data.draw(st.sampled_from([1.0, 0.5, 3])),
        "max_features": data.draw(st.sampled_from([None, 5, 60])),
        "binary": data.draw(st.booleans()), "sublinear_tf": data.draw(st.booleans()),
    }  # fmt: skip
    if case["analyzer"] != "word":
        case["stop_words"] = None
    kept, plain = (TfidfVectorizer(memory=m, n_jobs=1, **case) for m in (shared_folder, None))
    kept.count_ahead(pool)
    part, other = [pool[row] for row in rows], [pool[row] for row in others]
    assert see(kept, part, other) == see(plain, part, other)
    assert len(find_corpora(shared_folder)) <= 3


def test_cleaned_texts_are_other_texts(tmp_path: Path) -> None:
    for texts in (FILMS, CleanedTexts(FILMS)):
        expected = see(TfidfVectorizer(), texts)
        assert see(TfidfVectorizer(memory=tmp_path), texts) == expected
        forget()
        assert see(TfidfVectorizer(memory=tmp_path), texts) == expected
    assert len(find_corpora(tmp_path)) == 2
    assert see(TfidfVectorizer(), FILMS) != see(TfidfVectorizer(), CleanedTexts(FILMS))


@bug("the name of counts leaves out the rules: numbers of other tokens are taken, even unsound")
@pytest.mark.parametrize("change", [{}, {"lowercase": False}, {"analyzer": "char"}], ids=str)
def test_rules_change_between_fit_and_transform(change: dict[str, Any], tmp_path: Path) -> None:
    texts = FILMS if change else CleanedTexts(FILMS)
    other = CountVectorizer(memory=tmp_path, **change).fit(texts)
    plain, kept = (CountVectorizer(memory=m).fit(FILMS) for m in (None, tmp_path))
    names = {recall(tmp_path, FILMS, kept).name, recall(tmp_path, texts, other).name}
    assert len(names) == 2  # before kernels follow the wrong numbers, out of their arrays
    kept.set_params(**change), plain.set_params(**change)
    assert (kept.transform(texts) != plain.transform(texts)).nnz == 0


def test_no_text_is_read_again(
    reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = reviews["text"].tolist()[:20]
    words = [{"ngram_range": r, **c} for r in [(1, 1), (1, 2), (2, 3), (1, 3)] for c in
             ({}, {"min_df": 2}, {"max_features": 30, "binary": True})]  # fmt: skip
    spelled = [{"analyzer": "char_wb", "ngram_range": (n, n + 1)} for n in (1, 3, 4)]
    stopped = [{"stop_words": ["the", "film"], "ngram_range": (1, 2)}, {"stop_words": "english"}]
    longer = [{"ngram_range": (2, 4)}]
    parts = [texts, texts[::-2], texts[15:]]
    cases = words + spelled + stopped + longer
    expected = [[see(TfidfVectorizer(**case), part, texts) for part in parts] for case in cases]
    for case in ({"ngram_range": (1, 3)}, spelled[1]):
        TfidfVectorizer(memory=tmp_path, **case).count_ahead(texts)
    forget()
    monkeypatch.setattr(corpus, "encode_texts", read_nothing)
    with pytest.raises(AssertionError, match="read again"):
        TfidfVectorizer(memory=tmp_path).fit(["unseen"])
    for _ in range(2):
        for case, views in zip(cases, expected, strict=True):
            kept = TfidfVectorizer(memory=tmp_path, **case)
            assert [see(kept, part, texts) for part in parts] == views
            assert case not in words or not list(tmp_path.rglob("ngrams-*-[12]"))
        for counts in list(tmp_path.rglob("ngrams-*-[124]")):
            shutil.rmtree(counts)
        cases, expected = words, expected[: len(words)]
        monkeypatch.setattr(memory, "count_corpus", read_nothing)  # nor are n-grams counted again
        forget()


def test_every_vectorizer_of_a_pipeline_counts_ahead(
    reviews: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(folder: Path | None) -> Pipeline:
        words = TfidfVectorizer(memory=folder, ngram_range=(1, 2))
        letters = CountVectorizer(memory=folder, analyzer="char_wb", ngram_range=(2, 3))
        inner = Pipeline([("letters", letters), ("weights", "passthrough")])
        return make_pipeline(FeatureUnion([("words", words), ("inner", inner)]), "passthrough")

    frame = reviews[["text"]][:30]
    expected = make(None).fit_transform(frame[10:])
    pipeline = make(tmp_path)
    count_ahead(pipeline, frame["text"])
    assert len(find_corpora(tmp_path)) == 2
    monkeypatch.setattr(corpus, "encode_texts", read_nothing)
    assert (pipeline.fit_transform(frame[10:]) != expected).nnz == 0
    assert pipeline.transform(frame).shape == (30, expected.shape[1])


def test_unseen_texts_are_transformed_without_a_trace(tmp_path: Path) -> None:
    vectorizer = TfidfVectorizer(memory=tmp_path).fit(FILMS)
    before = sorted(tmp_path.rglob("*"))
    assert vectorizer.transform(["a good film", FILMS[0]]).nnz > 2
    assert sorted(tmp_path.rglob("*")) == before


def damage_all(entry: Path) -> Any:
    """Yield after every damage to every file of a corpus and of its counts."""
    for path in [*entry.glob("[!.]*.*"), *entry.glob("*/*.*")]:
        whole = path.read_bytes()
        middle, last = bytearray(whole), bytearray(whole)
        middle[len(whole) // 2] ^= 4
        last[-1] ^= 4
        for content in (whole[: len(whole) // 2], whole[:-1], b"", b"\0" * 200, middle, last, None):
            path.write_bytes(content) if content is not None else path.unlink()
            yield path, content


def test_damaged_entries_are_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = fit_films(None)
    assert fit_films(tmp_path) == expected
    (entry,) = find_corpora(tmp_path)
    shutil.copytree(entry, tmp_path / "kept" / "whole")
    seen = set()
    for path, content in damage_all(entry):
        forget(), caplog.clear()
        assert fit_films(tmp_path) == expected
        if content is not None or path.suffix == ".npy":  # else it looks as if there was none
            assert "are damaged and are made anew" in caplog.text, path
        forget(), caplog.clear()
        assert fit_films(tmp_path) == expected
        assert not caplog.records, path
        seen.add(path.name)
        shutil.rmtree(entry), shutil.copytree(tmp_path / "kept" / "whole", entry)
    assert {"manifest.json", "tokens.npy", "store.npy", "digests.npy", "keys-2.npy"} < seen
    assert not is_left(tmp_path)


@bug("each look at a damaged entry is logged: three times for a corpus, twice for counts")
@pytest.mark.parametrize("pattern", ["*/*/tokens.npy", "*/*/*/ids-1.npy"])
def test_damage_is_logged_once(
    pattern: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit_films(tmp_path)
    next(tmp_path.glob(pattern)).write_bytes(b"")
    forget()
    fit_films(tmp_path)
    assert len(caplog.records) == 1


@bug("numpy's TokenError for an .npy header that is cut short is not caught")
def test_any_damage_to_a_header(tmp_path: Path) -> None:
    expected = fit_films(tmp_path)
    (entry,) = find_corpora(tmp_path)
    whole = (entry / "tokens.npy").read_bytes()
    for place in range(0, 128, 2):
        for byte in (0, ord("'"), ord("}"), whole[place] ^ 1):
            damaged = bytearray(whole)
            damaged[place] = byte
            (entry / "tokens.npy").write_bytes(damaged)
            forget()
            assert fit_films(tmp_path) == expected


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "[]", "[1]", "{}", '{"tokens": 1}', '"tokens"', b"\xff\xfe", '["../../secret"]',
     '{"../../secret": "DIGEST"}', '{"/etc/secret": "DIGEST"}', '{"tokens/../secret": "DIGEST"}',
     bug("a TypeError is not caught", "null"), bug("a TypeError is not caught", "7")],
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


def put(place: int, value: int) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array.flat[place] = value
        return array

    return change


UNSOUND = "is_sound_corpus takes it, and kernels read or write outside of arrays"


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
     bug("an IndexError is not caught", "ends", lambda a: np.int64(3)),
     bug(UNSOUND, "bounds", put(0, -(10**6))), bug(UNSOUND, "bounds", put(1, 0)),
     bug(UNSOUND, "store", lambda a: np.full_like(a, 97)),
     bug("is_sound_corpus takes it", "store", lambda a: a.astype(np.int8)),
     bug("is_sound_corpus takes it", "tokens", lambda a: a[:, None])],
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
        assert storage.open_entry(entry, is_sound_corpus) is None  # before any kernel sees it
    assert fit_films(tmp_path) == expected
    assert "are damaged" in caplog.text
