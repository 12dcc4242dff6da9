"""Parsing and validation of request bodies."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from sentiment.commands.serve.problems import RequestError, too_large
from sentiment.commands.serve.routes import LABELS, PLAIN, Options
from sentiment.errors import count_of
from sentiment.files.batches import NO_TEXT, Limits
from sentiment.files.columns import as_text

_HALF_SURROGATE = "half a surrogate pair, which is not a character"
_NOT_TEXT = "the text is not a string"
# Formats of MLflow's scoring server; a JSON body has exactly one of the keys.
CSV = b"text/csv"
_INVOCATIONS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /predict``: one ``text`` or several ``texts``, and options."""

    text: Any = msgspec.UNSET
    texts: list[Any] | msgspec.UnsetType = msgspec.UNSET
    columns: dict[str, Any] | list[dict[str, Any]] | None = None
    key: str | None = None
    explain: bool = False
    probabilities: bool = False
    threshold: float | None = None


_Body = TypeVar("_Body")
_decode = msgspec.json.Decoder(PredictBody).decode


@dataclass(frozen=True)
class Texts:
    """Texts of a request.

    Attributes
    ----------
    values : list of str
        Valid texts, to be predicted.
    faults : dict of int to str
        Why each rejected text is rejected, by its position among all texts.
    count : int
        Number of all texts.
    is_single : bool
        True if the body has one ``text`` rather than a list.
    rows : list of dict, optional
        Other columns of the valid texts; default: the model reads no other columns.
    key : str
        Key that chooses between champion and challenger; default: the first valid text.
    options : Options
        Options of the request.
    """

    values: list[str]
    faults: dict[int, str]
    count: int
    is_single: bool = False
    rows: list[dict[str, Any]] | None = None
    key: str = ""
    options: Options = PLAIN


def read_body(data: bytes, limits: Limits, names: Sequence[str], max_texts: int) -> Texts:
    """Return the texts of a JSON body.

    Parameters
    ----------
    data : bytes
        The body.
    limits : Limits
        Limits of a valid text.
    names : sequence of str
        Columns that the model reads beside the text.
    max_texts : int
        Maximum number of texts.

    Raises
    ------
    RequestError
        The body is not JSON, does not match the schema, or has too many texts.
    """
    try:
        body = _decode(data)
    except msgspec.ValidationError as error:
        raise RequestError(422, f"{error}; see /docs.") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        body = convert(load_json(data), PredictBody)
    is_single = body.texts is msgspec.UNSET
    if is_single == (body.text is msgspec.UNSET):
        problem = "neither is there" if is_single else "both are"
        raise RequestError(422, f"expected either 'text' or 'texts', but {problem}; see /docs.")
    values = [body.text] if isinstance(body.texts, msgspec.UnsetType) else body.texts
    if len(values) > max_texts:
        raise too_large(f"the body has {len(values):,} texts", max_texts, "max_texts")
    options = PLAIN
    if body.explain or body.probabilities or body.threshold is not None:
        options = make_options(body.explain, body.probabilities, body.threshold)
    columns = body.columns
    if columns is not None and not names:
        raise RequestError(422, "the model reads no columns beside the text; leave out 'columns'.")
    rows = None
    if names:
        rows = [columns] if isinstance(columns, dict) else columns or []
        if len(rows) != len(values):
            counts = (
                f"{count_of(len(values), 'text')} and {count_of(len(rows), 'row')} of 'columns'"
            )
            raise RequestError(
                422,
                f"the body has {counts}; expected in 'columns' an object with {', '.join(names)} "
                "for each text.",
            )
    return read_texts(
        values, limits, names, rows, is_single=is_single, key=body.key, options=options
    )


def read_texts(
    values: list[Any],
    limits: Limits,
    names: Sequence[str] = (),
    rows: list[dict[str, Any]] | None = None,
    *,
    is_single: bool = False,
    key: str | None = None,
    options: Options = PLAIN,
) -> Texts:
    """Return the texts of a request; the command `predict` would reject the same texts."""
    for name in names if values else ():
        if not any(name in row for row in rows or ()):
            raise RequestError(
                422,
                f"the model reads a column {name!r} beside the text, which no row has; expected "
                f"{', '.join(names)}.",
            )
    valid_texts: list[str] = []
    valid_rows: list[dict[str, Any]] = []
    faults: dict[int, str] = {}
    for i, value in enumerate(values):
        text = value if type(value) is str else as_text(value)
        if text is None:
            fault = NO_TEXT if value is None else _NOT_TEXT
        elif len(text) > limits.max_chars or limits.reject_empty:
            fault = limits.find_fault(text) or ""
        else:
            fault = ""
        if not fault and not _is_unicode(text):
            fault = _HALF_SURROGATE
        if fault:
            faults[i] = fault
            continue
        valid_texts.append(text or "")
        if rows is not None:
            valid_rows.append({name: rows[i].get(name) for name in names})
    routing_key = key if key is not None else valid_texts[0] if valid_texts else ""
    return Texts(
        valid_texts,
        faults,
        len(values),
        is_single,
        valid_rows if names else None,
        routing_key,
        options,
    )


def _is_unicode(text: str | None) -> bool:
    if text is None or text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def make_options(explain: bool, probabilities: bool, threshold: float | None) -> Options:
    """Return the options of a request.

    Raises
    ------
    RequestError
        The threshold is not a probability.
    """
    if threshold is not None and not 0 < threshold < 1:
        raise RequestError(422, f"threshold is {threshold}; expected a number above 0 and below 1.")
    return Options(explain, probabilities, threshold)


def load_json(data: bytes) -> Any:
    """Parse a JSON body with Python's parser, which accepts more than msgspec's.

    Raises
    ------
    RequestError
        The body is not JSON.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply; see /docs.") from None
    except UnicodeDecodeError:
        raise RequestError(400, "the body is not in UTF-8; expected JSON in UTF-8.") from None
    except ValueError as error:
        raise RequestError(
            400, f'the body is not JSON: {error}; expected an object such as {{"text": "A gem."}}.'
        ) from None


def convert(value: Any, kind: type[_Body]) -> _Body:
    """Convert a value of `load_json` to a type.

    Raises
    ------
    RequestError
        The value does not match the type.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RequestError(422, f"{error}; see /docs.") from error
    except UnicodeEncodeError:
        raise RequestError(422, f"the name of a field has {_HALF_SURROGATE}; see /docs.") from None


def read_invocation(
    data: bytes, kind: bytes, text_column: str, limits: Limits, names: Sequence[str], max_texts: int
) -> Texts:
    """Return the texts of a body of MLflow's ``/invocations``; parameters as in `read_body`.

    Raises
    ------
    RequestError
        The body is not in one of MLflow's formats, or has too many rows.
    """
    options = LABELS
    if kind == CSV:
        records = _read_csv(data)
    else:
        body = load_json(data)
        formats = [name for name in _INVOCATIONS if isinstance(body, dict) and name in body]
        if len(formats) != 1:
            raise RequestError(
                400,
                f"expected a JSON object with one of {', '.join(_INVOCATIONS)}, as in MLflow.",
            )
        records = _list_records(formats[0], body[formats[0]])
        options = _read_params(body.get("params") or {})
    if len(records) > max_texts:
        raise too_large(f"the body has {len(records):,} rows", max_texts, "max_texts")
    names_to_try = (text_column, "text")
    column = next((name for name in names_to_try if any(name in row for row in records)), "")
    if records and not column:
        raise RequestError(400, f"no row has a column 'text'; found {sorted(records[0])}.")
    values = [row.get(column) for row in records]
    return read_texts(values, limits, names, records, options=options)


def _read_csv(data: bytes) -> list[dict[str, Any]]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        raise RequestError(400, "the body is not in UTF-8; expected a CSV file in UTF-8.") from None
    except csv.Error as error:
        raise RequestError(400, f"the body is not a CSV file: {error}.") from None
    header, *rows = [row for row in rows if row] or [[]]
    if any(len(row) != len(header) for row in rows):
        raise RequestError(400, "the CSV file has rows that are longer or shorter than its header.")
    return [dict(zip(header, row, strict=True)) for row in rows]


def _read_params(params: Any) -> Options:
    """Return the options in `params`, the same as those of `sentiment.tracking.pyfunc_model`.

    Unknown names are ignored, as in MLflow.
    """
    if not isinstance(params, dict):
        raise RequestError(400, "params is not an object; expected {name: value}.")
    probabilities, top_k = params.get("probabilities", "none"), params.get("top_k", 1)
    if probabilities not in ("none", "top", "all"):
        raise RequestError(400, f"probabilities is {probabilities!r}; expected none, top or all.")
    if type(top_k) is not int or top_k < 1:
        raise RequestError(400, f"top_k is {top_k!r}; expected a whole number of 1 or more.")
    is_plain, threshold = probabilities == "none" and top_k == 1, params.get("threshold")
    if threshold is None:
        return LABELS if is_plain else Options(probabilities=probabilities == "all", top_k=top_k)
    try:
        value = float(threshold)
    except (TypeError, ValueError, OverflowError):
        raise RequestError(
            400,
            f"threshold is {threshold!r}; expected a number. A goal, such as max_f1, is a setting "
            "of the server, deploy.threshold.",
        ) from None
    options = make_options(False, probabilities == "all", value)
    return replace(options, top_k=top_k, labels_only=is_plain)


def _list_records(format_name: str, value: Any) -> list[dict[str, Any]]:
    """Return the rows of the value of an MLflow format."""
    if format_name == "dataframe_split":
        columns = value.get("columns") if isinstance(value, dict) else None
        rows = value.get("data") if isinstance(value, dict) else None
        if (
            isinstance(rows, list)
            and isinstance(columns, list)
            and all(isinstance(row, list) and len(row) == len(columns) for row in rows)
        ):
            return [dict(zip(map(str, columns), row, strict=True)) for row in rows]
        raise RequestError(
            400,
            'dataframe_split is not a table; expected {"columns": [...], "data": [[...], ...]}.',
        )
    if format_name == "inputs" and isinstance(value, dict):  # columns by their names
        columns = {
            name: values if isinstance(values, list) else [values] for name, values in value.items()
        }
        if len({len(values) for values in columns.values()}) == 1:
            return [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        raise RequestError(400, "the columns of inputs differ in length; expected the same.")
    if not isinstance(value, list):
        raise RequestError(400, f"{format_name} is not a list; expected a list of rows.")
    if all(isinstance(row, dict) for row in value):
        return value
    if format_name == "dataframe_records" or any(isinstance(row, dict) for row in value):
        raise RequestError(400, f"{format_name} has rows that are not objects; expected objects.")
    return [{"text": row[0] if isinstance(row, list) and len(row) == 1 else row} for row in value]
