"""Conversion of any values of Arrow columns to Python objects and JSON."""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sentiment.files.batches import RejectedRows

# Errors of Arrow for values that Python cannot represent: a date after the year 9999, an unknown
# time zone, a string that is not UTF-8.
_BEYOND_PYTHON = (OverflowError, ValueError, KeyError)


def list_values(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return the values of a column; values that Python cannot represent, as strings or bytes."""
    try:
        values: list[Any] = column.to_pylist()
    except _BEYOND_PYTHON:
        return [_read_value(column, row) for row in range(len(column))]
    return values


def write_json(value: Any) -> str:
    """Return `value` as JSON; values of other types than those of JSON become strings."""
    return json.dumps(value, ensure_ascii=False, default=show_value)


def show_value(value: object) -> str:
    r"""Return `value` as a string; bytes that are not UTF-8 become escapes such as ``\xff``."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def reject_invalid(table: pa.Table, rejected: RejectedRows) -> None:
    """Reject the rows of `table` with a value that its type does not allow.

    Arrow does not check the values that it reads; they would cause errors later.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = column.combine_chunks()
        if _is_valid(array):
            continue
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        for row in range(len(array)):
            # A copy, since the check of a slice of a nested array includes the whole array.
            if not _is_valid(array.take(pa.array([row]))):
                rejected.add(row, f"bytes that are not UTF-8, or no such value: column {name!r}")


def _is_valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _read_value(column: pa.ChunkedArray | pa.Array, row: int) -> Any:
    value = column.slice(row, 1)
    try:
        return value.to_pylist()[0]
    except _BEYOND_PYTHON:
        data_type = value.type
    try:
        if pa.types.is_dictionary(data_type):
            data_type = data_type.value_type
            value = value.cast(data_type)
        # The first cast removes a time zone without looking it up.
        converted = value.cast(_map_leaves(data_type, _use_utc)).cast(
            _map_leaves(data_type, _use_text)
        )
    except pa.ArrowException:
        return f"<a value of type {data_type}>"
    return converted.to_pylist()[0]


def _map_leaves(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Return `kind` with `change` applied to every inner type that is not nested."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_map_leaves(field.type, change)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_map_leaves(kind.key_type, change), _map_leaves(kind.item_type, change))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_map_leaves(kind.value_type, change), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _map_leaves(kind.value_type, change)
        return pa.list_(inner) if pa.types.is_list(kind) else pa.large_list(inner)
    return change(kind)


def _use_utc(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp(kind.unit, "UTC") if pa.types.is_timestamp(kind) and kind.tz else kind


def _use_text(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_temporal(kind):
        return pa.string()
    return pa.binary() if pa.types.is_string(kind) or pa.types.is_large_string(kind) else kind
