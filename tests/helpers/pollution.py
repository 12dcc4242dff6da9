"""Delimited files with one pollution each, and how well a reader survives them.

The kinds of pollution and the measure are those of Vitagliano et al. (2023), "Pollock: A Data
Loading Benchmark", whose files are not used: a table is polluted in every row and column.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sentiment.errors import SentimentError
from sentiment.files.batches import Limits, Position
from sentiment.files.dialects import ReadOptions
from sentiment.files.opening import open_input

Row = Sequence[str]
TEXT = "Description"
NAMES = ["Date", "Time", "Amount", "Code", "Price", "Kind", TEXT, "Address", "Remark"]
# Fields that are quoted in every line, as programs do that quote by column.
_QUOTED = {6, 7}
_KINDS = ["Men's Boots", "Hat", "Lamp, Two-Pack", 'Table, Round 48"', "Kids' Shirt, Short Sleeve"]
_TEXT = "this is a warm and light film that never won't let you down or get lost in rain"


@dataclass(frozen=True)
class Polluted:
    """A polluted file.

    Attributes
    ----------
    name, content : str, bytes
        The file.
    records : list of tuple of str
        The records that are in it.
    lines : list of str
        Each record as it is in the file; empty where the pollution leaves it whole.
    """

    name: str
    content: bytes
    records: list[tuple[str, ...]]
    lines: list[str]


@dataclass(frozen=True)
class Found:
    """Result of a reader on a file: records, rejected lines, or the message of an error."""

    records: list[tuple[str, ...]]
    rejected: list[str]
    error: str = ""


@dataclass
class Score:
    """Scores of a reader on some files; figures are means over files."""

    files: int = 0
    lost: int = 0
    wrong: int = 0
    failed: int = 0
    precision: float = 0.0
    recall: float = 0.0
    f1: float = 0.0


def make_table(rows: int, seed: int = 7) -> list[tuple[str, ...]]:
    """Return a clean table: dates, numbers, texts with commas, quotes and apostrophes, blanks."""
    draw = random.Random(seed)
    table = []
    for n in range(rows):
        words = draw.choices(_TEXT.split(), k=draw.randint(12, 24))
        text = " ".join(words).capitalize() + "."
        if draw.random() < 0.7:
            text = text.replace(" ", ", ", 1)
        if n % 20 == 11:
            text = f"A rod of 8\\'9\" length, {text}"
        table.append(
            (
                f"{n % 28 + 1:02d}/0{n % 9 + 1}/2018",
                f"{n % 24:02d}:{n % 4 * 15:02d}",
                str(draw.randint(0, 33)),
                f"{draw.choice('ABCR')}{draw.choice('HIN')}-{draw.randint(1000, 9999)}",
                f"${draw.randint(0, 9999) / 100:.2f}",
                draw.choice(_KINDS),
                text,
                f"https://www.example.com/product/{n}.html",
                "",
            )
        )
    return table


def write_row(
    row: Row, separator: str = ",", quote: str = '"', escape: str | None = None,
    *, quoted: bool = True,
) -> str:  # fmt: skip
    """Return a line, with quotes around the fields that need them, and those that always do."""
    return separator.join(_write_fields(row, quote, quote if escape is None else escape, quoted))


def _write_fields(row: Row, quote: str, escape: str, quoted: bool) -> list[str]:
    fields = []
    for k, field in enumerate(row):
        # As in most files, what a separator would be after its change is not quoted.
        needs = any(mark in field for mark in (",", quote, "\n")) or (quoted and k in _QUOTED)
        escaped = field.replace(quote, escape + quote)
        fields.append(f"{quote}{escaped}{quote}" if needs else field)
    return fields


def pollute(rows: int) -> Iterator[Polluted]:
    """Yield a table of `rows` rows with every kind of pollution, in every row and column."""
    table = [tuple(NAMES), *make_table(rows)]
    yield from _pollute_files(table)
    for row in range(len(table)):
        yield from _pollute_row(table, row)


def _make(
    name: str,
    lines: Sequence[str],
    records: Sequence[Row],
    end: str = "\r\n",
    *,
    close: bool = True,
) -> Polluted:
    text = end.join(lines) + (end if close else "")
    return Polluted(name, text.encode(), [tuple(one) for one in records], list(lines))


def _pollute_files(table: list[tuple[str, ...]]) -> Iterator[Polluted]:
    lines, body = [write_row(row) for row in table], table[1:]
    yield _make("source", lines, body)
    yield _make("no_trailing_newline", lines, body, close=False)
    yield _make("double_trailing_newline", [*lines, ""], body)
    yield _make("no_header", lines[1:], body)
    for count in (2, 3):
        yield _make(f"header_multirow_{count}", lines[:1] * count + lines[1:], body)
    blank = "," * (len(NAMES) - 1)
    yield _make("preamble", [f"PREAMBLE{blank}", blank, *lines], body)
    yield _make("preamble_plain", ["A report", "of 2024, by us", "", *lines], body)
    yield _make("footnote_plain", [*lines, "", "that is all"], body)
    yield _make("one_data_row", lines[:2], body[:1])
    yield _make("header_only", lines[:1], [])
    yield Polluted("no_payload", b"", [], [])
    less, more = [row[:-1] for row in table], [(*row, row[-1]) for row in table]
    more[0] = (*table[0], "Other")
    for name, other in (("less", less), ("more", more), ("same", table)):
        second = [write_row(row, quoted=False) for row in other]
        yield _make(f"multitable_{name}", [*lines, *second], [*body, *other[1:]])
        yield _make(f"multitable_{name}_blank", [*lines, "", *second], [*body, *other[1:]])
    for separator in (";", "\t", "|", ", ", "::", " "):
        name = f"field_delimiter_{separator!r}"
        yield _make(name, [write_row(row, separator) for row in table], body)
    excel = [write_row(row, ";") for row in table]
    yield _make("sep_line", ["sep=;", *excel], body)
    for name, escape in (("doubled", "'"), ("plain", "")):
        other = [write_row(row, quote="'", escape=escape) for row in table]
        yield _make(f"quotation_char_{name}", other, body)
    for name, escape in (("backslash", "\\"), ("none", "")):
        yield _make(f"escape_{name}", [write_row(row, escape=escape) for row in table], body)
    for end in ("\n", "\r"):
        yield _make(f"record_delimiter_{end!r}", lines, body, end)
    mixed = "".join(line + ("\n" if n % 3 else "\r\n") for n, line in enumerate(lines))
    yield Polluted("record_delimiter_mixed", mixed.encode(), body, lines)
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        plain = _make(f"encoding_{encoding}", lines, body)
        content = plain.content.decode().encode(encoding)
        yield Polluted(plain.name, content, plain.records, plain.lines)


def _pollute_row(table: list[tuple[str, ...]], row: int) -> Iterator[Polluted]:
    lines = [write_row(one) for one in table]

    def change(name: str, line: str, record: Row) -> Polluted:
        changed = [*lines[:row], line, *lines[row + 1 :]]
        records = [*table[:row], tuple(record), *table[row + 1 :]]
        return _make(f"{name}_{row}", changed, records[1:])

    fields, written = table[row], _write_fields(table[row], '"', '"', quoted=True)
    for k in range(len(fields)):
        if k:
            joined = [*written[: k - 1], written[k - 1] + written[k], *written[k + 1 :]]
            merged = [*fields[: k - 1], fields[k - 1] + fields[k], *fields[k + 1 :]]
            yield change(f"less_sep_{k}", ",".join(joined), merged)
        yield change(
            f"more_sep_{k}", ",".join([*written[:k], "", *written[k:]]),
            [*fields[:k], "", *fields[k:]],
        )  # fmt: skip
        opened = written[k].startswith('"')
        damaged = f'""{written[k][1:]}' if opened else f'"{written[k]}'
        yield change(
            f"extra_quote_{k}", ",".join([*written[:k], damaged, *written[k + 1 :]]),
            [*fields[:k], f'"{fields[k]}', *fields[k + 1 :]],
        )  # fmt: skip
    yield change("field_delimiter", write_row(fields, " "), fields)


def read_ours(path: Path) -> Found:
    """Return what `predict` reads of a file."""
    try:
        source = open_input(path, ReadOptions())
        column = TEXT if TEXT in source.columns else source.columns[-1]
        records: list[tuple[str, ...]] = []
        rejected: list[str] = []
        for batch in source.read(column, Limits(), Position()):
            columns = [one.to_pylist() for one in batch.make_table().columns]
            records += zip(*columns, strict=True)
            rejected += [one.raw for one in batch.rejects]
    except SentimentError as error:
        return Found([], [], str(error))
    return Found(records, rejected)


def read_pandas(path: Path) -> Found:
    """Return what pandas reads when it looks for the separator; bad lines are left out."""
    try:
        frame = pd.read_csv(
            path, sep=None, engine="python", dtype=str, keep_default_na=False, on_bad_lines="skip"
        )
    except (ValueError, csv.Error) as error:
        return Found([], [], str(error) or "error")
    frame = frame.fillna("")
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return Found([tuple(map(str, row)) for row in frame.itertuples(index=False)], [])


def read_sniffer(path: Path) -> Found:
    """Return what Python's own reader reads with the dialect that its sniffer finds."""
    try:
        text = path.read_bytes().decode()
        dialect = csv.Sniffer().sniff(text)
        return Found([tuple(row) for row in csv.reader(io.StringIO(text), dialect)][1:], [])
    except (ValueError, csv.Error) as error:
        return Found([], [], str(error) or "error")


def count_faults(file: Polluted, found: Found) -> tuple[int, int]:
    """Return the records of `file` that are lost without a word, and those written wrongly.

    A record is accounted for if it was read, or the line that holds it was rejected, or reading
    ended in an error.
    """
    wrong = Counter(found.records) - Counter(file.records)
    if found.error:
        return 0, wrong.total()
    missing = Counter(file.records) - Counter(found.records)
    return max(0, missing.total() - len(found.rejected)), wrong.total()


def score(file: Polluted, found: Found) -> tuple[float, float, float]:
    """Return precision, recall and F1 of the records, as multisets."""
    if not file.records:
        perfect = float(not found.records)
        return perfect, perfect, perfect
    right = (Counter(file.records) & Counter(found.records)).total()
    if not right:
        return 0.0, 0.0, 0.0
    precision, recall = right / len(found.records), right / len(file.records)
    return precision, recall, 2 * precision * recall / (precision + recall)


def measure(
    read: Callable[[Path], Found], files: Sequence[Polluted], folder: Path,
    report: Callable[[Polluted, Found], None] | None = None,
) -> Score:  # fmt: skip
    """Return how well `read` does on `files`, which are written to `folder` one after the other."""
    total, path = Score(), folder / "x.csv"
    for file in files:
        path.write_bytes(file.content)
        found = read(path)
        lost, wrong = count_faults(file, found)
        precision, recall, f1 = score(file, found)
        total.files += 1
        total.lost, total.wrong = total.lost + lost, total.wrong + wrong
        total.failed += bool(found.error)
        total.precision += precision
        total.recall += recall
        total.f1 += f1
        if report is not None:
            report(file, found)
    for name in ("precision", "recall", "f1"):
        setattr(total, name, getattr(total, name) / total.files)
    return total
