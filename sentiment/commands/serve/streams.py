"""Prediction of CSV and JSON lines files in request bodies, returned with added predictions.

The readers and writers are those of `predict`, so the rows of a response are the same bytes. The
output waits in a temporary file until the whole input was read. Otherwise, a client that sends the
whole file before it reads anything would deadlock with the server, and an error in a later row
could not set the status.
"""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl

from sentiment.commands.serve.bodies import make_options
from sentiment.commands.serve.file_rows import FileCounts, RowSpool
from sentiment.commands.serve.problems import RequestError
from sentiment.commands.serve.routes import Options, ServedModel
from sentiment.errors import AllRowsRejectedError, ConfigError, SentimentError
from sentiment.files.batches import Position, Reject
from sentiment.files.columns import check_extra_columns, choose_text_column
from sentiment.files.delimited import DelimitedFile
from sentiment.files.dialects import ReadOptions
from sentiment.files.inputs import Input
from sentiment.files.json_lines import JsonLinesFile
from sentiment.files.opening import make_output
from sentiment.files.pipes import PipeSource
from sentiment.files.values import write_json
from sentiment.modeling.scoring import read_columns

KINDS = {
    b"application/x-ndjson": "jsonl",
    b"application/jsonl": "jsonl",
    b"text/csv": "csv",
}
_TYPES = {"jsonl": b"application/x-ndjson", "csv": b"text/csv; charset=utf-8"}
_NAME = Path("the body")
# Maximum size of output in memory, and the size of a block of the response, in bytes.
_MAX_MEMORY, _BLOCK = 2**22, 2**17
# Number of rejected rows in a header of a CSV response.
_MAX_LISTED = 20
_OPTIONS = ("explain", "probabilities", "threshold", "text_column", "key")


@dataclass(frozen=True)
class StreamRequest:
    """A file to predict.

    Attributes
    ----------
    kind : {"csv", "jsonl"}
        Format of the file.
    model : ServedModel
        The model.
    options : Options
        Options of the request.
    text_column : str, optional
        Column of the texts; default: chosen as in `predict`.
    receive : callable
        Returns the next bytes of the body, and True if there are more; called from a thread.
    counts : FileCounts
        Counts to update.
    rows : RowSpool, optional
        Rows for the log; default: no log.
    """

    kind: str
    model: ServedModel
    options: Options
    text_column: str | None
    receive: Callable[[], tuple[bytes, bool]]
    counts: FileCounts
    rows: RowSpool | None = None


@dataclass
class StreamResult:
    """A predicted file; iterate over its blocks, then close it.

    Attributes
    ----------
    file : file
        Temporary file with the output.
    headers : list of (bytes, bytes)
        Headers of the response.
    problem : str, default=""
        Why all rows are rejected; empty if a row was predicted.
    """

    file: IO[bytes]
    headers: list[tuple[bytes, bytes]]
    problem: str = ""

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(0)
        while block := self.file.read(_BLOCK):
            yield block

    def close(self) -> None:
        """Remove the temporary file."""
        self.file.close()


class _Body(io.RawIOBase):
    """The body of a request as a file that can be read once.

    Parameters
    ----------
    receive : callable
        As in `StreamRequest`.
    """

    def __init__(self, receive: Callable[[], tuple[bytes, bool]]) -> None:
        self._receive, self._buffer, self._has_more = receive, bytearray(), True

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while self._has_more and (size < 0 or len(self._buffer) < size):
            block, self._has_more = self._receive()
            self._buffer += block
        size = len(self._buffer) if size < 0 else size
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def read_query(query: bytes) -> tuple[Options, str | None, str]:
    """Return the options, the text column and the key in the query of a URL.

    Raises
    ------
    RequestError
        An option is unknown or has an invalid value.
    """
    params = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    if unknown := [name for name in params if name not in _OPTIONS]:
        raise RequestError(
            422, f"there is no option {unknown[0]!r}; expected {', '.join(_OPTIONS)}."
        )
    flags = {}
    for name in ("explain", "probabilities"):
        value = params.get(name, "false").lower()
        if value not in ("true", "false"):
            raise RequestError(422, f"{name} is {value!r}; expected true or false.")
        flags[name] = value == "true"
    threshold = None
    if "threshold" in params:
        try:
            threshold = float(params["threshold"])
        except ValueError:
            raise RequestError(
                422, f"threshold is {params['threshold']!r}; expected a number."
            ) from None
    options = make_options(flags["explain"], flags["probabilities"], threshold)
    return options, params.get("text_column"), params.get("key", "")


def predict_stream(request: StreamRequest) -> StreamResult:
    """Predict a file, and return after the whole file was read; called in a thread.

    Raises
    ------
    RequestError
        The file or an option of the request is not valid.
    """
    out = tempfile.SpooledTemporaryFile(_MAX_MEMORY)  # noqa: SIM115 - StreamResult closes it
    tally, problem = request.counts.tally, ""
    try:
        rejects = _predict(request, out)
        if tally.read and not tally.written:
            first_row = f"row {rejects[0].row:,}" if rejects else ""
            problem = str(AllRowsRejectedError(str(_NAME), tally.reasons, first_row))
    except SentimentError as error:
        out.close()
        raise RequestError(422, str(error)) from error
    except BaseException:
        out.close()
        raise
    headers = [
        (b"content-type", _TYPES[request.kind]),
        (b"x-rows-read", b"%d" % tally.read),
        (b"x-rows-rejected", b"%d" % tally.rejected),
    ]
    if rejects and request.kind == "csv":
        listed_rejects = [
            {"row": reject.row, "line": reject.line, "reason": reject.reason} for reject in rejects
        ]
        headers.append((b"x-rejected-rows", json.dumps(listed_rejects).encode()))
    return StreamResult(out, headers, problem)


def _predict(request: StreamRequest, out: IO[bytes]) -> list[Reject]:
    model = request.model
    predictor = model.with_options(request.options)
    pipe = PipeSource(_Body(request.receive), None, _NAME)  # type: ignore[arg-type]
    source: Input = (
        DelimitedFile(pipe, ReadOptions().parse(""))
        if request.kind == "csv"
        else JsonLinesFile(pipe)
    )
    trained_column = model.choice.text_column
    column = choose_text_column(_NAME, source.columns, request.text_column, trained_column)
    check_extra_columns(_NAME, source.columns, predictor.extra_columns)
    added = predictor.schema
    if repeated := [name for name in added.names if name in source.columns]:
        raise ConfigError([f"the body already has a column {repeated[0]!r}; rename or remove it."])
    limits = replace(
        model.limits,
        fields=None if request.kind == "jsonl" else frozenset(source.columns),
        added=added.names,
    )
    writer = make_output(source, request.kind, added)
    listed_rejects: list[Reject] = []
    with tempfile.SpooledTemporaryFile(_MAX_MEMORY) as rejected:
        has_header = False
        for batch in source.read(column.name, limits, Position()):
            predictions = predictor.predict(batch.texts, read_columns(batch, predictor))
            rows = writer.write(batch, predictions)
            out.write(rows if has_header else writer.begin(batch) + rows)
            has_header = True
            request.counts.add(batch, predictions)
            if request.rows is not None:
                request.rows.add(batch, predictions)
            listed_rejects += batch.rejects[: _MAX_LISTED - len(listed_rejects)]
            if request.kind == "jsonl":
                rejected.write(b"".join(map(_format_reject, batch.rejects)))
        rejected.seek(0)
        while block := rejected.read(_BLOCK):
            out.write(block)
    return listed_rejects


def _format_reject(reject: Reject) -> bytes:
    facts: dict[str, Any] = {"row": reject.row, "line": reject.line, "error": reject.reason}
    return f"{write_json(facts)}\n".encode()
