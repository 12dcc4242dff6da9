"""A folder of .txt files has one text per file, unless they are tables."""

from pathlib import Path

import pytest

from sentiment.data.datasets import TableFile
from sentiment.files import text_folder
from sentiment.files.batches import Batch, Limits, Position
from sentiment.files.delimited import DelimitedFile
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import choose_output, list_inputs, open_all, open_input
from sentiment.files.text_folder import TextFolder

TEXTS = {"a.txt": "Good,\nand fun", "b.TXT": "\ufeffBad", "c.txt": "", "é.txt": "\N{GRINNING FACE}"}


def write_texts(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def read(source: TextFolder, start: Position | None = None) -> list[Batch]:
    return list(source.read("text", Limits(max_chars=20, reject_empty=True), start or Position()))


def test_each_file_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_texts(tmp_path / "texts", TEXTS | {".hidden.txt": "no", "d.txt": "x" * 21})
    (folder / "notes.md").write_text("no")
    (folder / "f.txt").write_bytes(b"caf\xe9")
    (source,) = open_all(str(folder))
    assert isinstance(source, TextFolder)
    monkeypatch.setattr(text_folder, "_FILES", 2)
    batches = read(source)
    rows = [row for batch in batches for row in batch.make_table().to_pylist()]
    expected = {name: text.lstrip("\ufeff") for name, text in TEXTS.items() if text}
    assert {row["file"]: row["text"] for row in rows} == expected
    assert [len(batch.texts) + len(batch.rejects) for batch in batches] == [2, 2, 2]
    rejects = [(item.row, item.reason, item.raw) for batch in batches for item in batch.rejects]
    assert rejects == [
        (3, "the text is empty", "c.txt: "),
        (4, "text too long: 21 characters, at most 20", f"d.txt: {'x' * 21}"),
        (5, "bytes that are not UTF-8", r"f.txt: caf\xe9"),
    ]
    assert source.share == 1
    after = [batch.texts.to_pylist() for batch in read(source, batches[0].end)]
    assert after == [batch.texts.to_pylist() for batch in batches[1:]]
    assert choose_output(source, None, None) == (tmp_path / "texts.predictions.csv", "csv")
    identity_before = source.origin.identity
    assert open_input(folder).origin.identity == identity_before
    (folder / "a.txt").write_text("Other text")
    assert open_input(folder).origin.identity != identity_before
    latin = open_input(folder, ReadOptions(encoding="latin-1"))
    assert "café" in [text for batch in read(latin) for text in batch.texts.to_pylist()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        ({"a.txt": "id\tbody2\n1\tx", "b.txt": "id\tbody2\n2\ty"}, {}),  # one line of names
        ({"a.txt": 'id;"Text"\n1;x', "b.txt": "text\ny"}, {}),
        ({"a.txt": "1\tx", "b.txt": "2\ty"}, {"header": False}),
        ({"a.txt": "text\nx"}, {}),
    ],
)
def test_tables_are_still_tables(
    tmp_path: Path, texts: dict[str, str], options: dict[str, bool]
) -> None:
    folder = write_texts(tmp_path / "tables", texts)
    inputs = list(open_all(str(folder), ReadOptions(**options)))  # type: ignore[arg-type]
    assert [type(item) for item in inputs] == [DelimitedFile] * len(texts)
    (folder / "more.csv").write_text("text\nx")
    assert len(list_inputs(str(folder))[0]) == len(texts) + 1


def test_its_texts_are_learned_from(tmp_path: Path) -> None:
    folder = write_texts(tmp_path / "texts", TEXTS)
    dataset = TableFile(name="x", path="unread.csv", text_column="body", unlabelled=str(folder))
    assert dataset.read_unlabelled().tolist() == ["Good,\nand fun", "Bad", "", "\N{GRINNING FACE}"]


def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TextFolder(write_texts(tmp_path / "texts", {"a.txt": "good", "b.txt": "bad"}))

    def fail(path: Path) -> bytes:
        raise OSError(5, "Input/output error")  # as the disk does it, without a name

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match=r"a\.txt"):
        read(source)
