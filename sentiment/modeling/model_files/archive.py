"""Reading of the zip file of a model, within limits."""

import io
import json
import math
import re
import stat
import struct
import sys
import zipfile
from typing import Any, BinaryIO, NoReturn

import numpy as np

# A model of a million n-grams takes half a GB, and about a tenth of that when compressed.
_MAX_BYTES = 2**31
# A file that is small when unpacked may have any compression ratio.
_MAX_RATIO, _UNLIMITED_RATIO_BYTES = 100, 2**26
# A forest of a thousand trees has a schema of 16 MB with 64 thousand containers and 650 thousand
# values. The objects of a JSON text take up to 35 times its size in memory, so all three have
# limits. Those of the counts are for 350 MB: 232 bytes for a small dictionary, 70 for a value.
_MAX_SCHEMA_BYTES = 2**25
_MAX_CONTAINERS, _MAX_VALUES = 400_000, 3_000_000
# Entries in the directory of a zip file take some 75 bytes.
_MAX_DIRECTORY_BYTES = 2**23
# The header of an array of tree nodes has some 400 characters.
_MAX_HEADER_CHARS = 1000
# The endings that skops writes. Only arrays are read; other members are named in messages.
_NAME = re.compile(r"[\w-]+\.(npy|npz|bin)|schema\.json", re.ASCII)
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LOCATOR_SIZE = 22, 20
_TOO_LARGE = "it takes too much memory when it is unpacked"


class Archive:
    """The members of a skops file.

    Parameters
    ----------
    file : file object
        Opened for reading bytes.

    Attributes
    ----------
    schema : dict
        Description of the objects of the model, which are not constructed.

    Raises
    ------
    ValueError, RuntimeError, zipfile.BadZipFile, zlib.error
        The file is damaged, or takes too much memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        size = _check_directory(file)
        with zipfile.ZipFile(file) as source:
            infos = source.infolist()
            max_bytes = min(_MAX_BYTES, _UNLIMITED_RATIO_BYTES + _MAX_RATIO * size)
            _check_members(infos, max_bytes)
            # Reading without a size would unpack more than the directory lists.
            self._members = {info.filename: _read_member(source, info) for info in infos}
        schema = _read_schema(self._members.pop("schema.json"))
        if not isinstance(schema, dict):
            raise ValueError("its schema.json is not an object")
        self.schema: dict[str, Any] = schema
        self._arrays: dict[str, np.ndarray] = {}
        self._remaining_bytes = 2 * max_bytes

    def read_array(self, name: str) -> np.ndarray:
        """Return the array `name`; repeated calls return the same array.

        Trees and vocabularies copy their arrays, so an array counts toward the limit in each call.
        """
        if name not in self._arrays:
            if not name.endswith(".npy") or name not in self._members:
                raise ValueError(f"its array {name!r} is missing")
            self._arrays[name] = _read_array(name, self._members.pop(name))
        self._remaining_bytes -= self._arrays[name].nbytes
        if self._remaining_bytes < 0:
            raise ValueError(_TOO_LARGE)
        return self._arrays[name]


def _check_directory(file: BinaryIO) -> int:
    """Return the size of `file`; raise if its directory is too large to be read at once."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _END_SIZE - _LOCATOR_SIZE))
    tail = file.read().rjust(_END_SIZE + _LOCATOR_SIZE, b"\0")
    locator, end = tail[:_LOCATOR_SIZE], tail[_LOCATOR_SIZE:]
    if not end.startswith(_END):
        raise zipfile.BadZipFile("File is not a zip file")
    if locator.startswith(_END_64) or struct.unpack("<I", end[12:16])[0] > _MAX_DIRECTORY_BYTES:
        raise ValueError("it has too many members")
    return size


def _check_members(infos: list[zipfile.ZipInfo], max_bytes: int) -> None:
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise ValueError("it has two members of one name")
    for info in infos:
        is_regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
        # Other compression methods unpack without a limit.
        is_limited = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        is_encrypted = info.flag_bits & 1
        if not (_NAME.fullmatch(info.filename) and is_regular and is_limited) or is_encrypted:
            raise ValueError(f"its member {info.filename!r} does not belong to a model")
        if info.filename == "schema.json" and info.file_size > _MAX_SCHEMA_BYTES:
            raise ValueError("its schema.json is too large")
    if sum(info.file_size for info in infos) > max_bytes:
        raise ValueError(_TOO_LARGE)


def _read_member(source: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with source.open(info) as member:
        data = member.read(info.file_size)
    if len(data) < info.file_size:
        raise ValueError(f"its member {info.filename!r} is cut off")
    return data


def _read_schema(text: bytes) -> Any:
    """Return the schema; raise before parsing if it would take too much memory."""
    if text.count(b"{") + text.count(b"[") > _MAX_CONTAINERS:
        raise ValueError("its schema.json has too many parts")
    if text.count(b",") + text.count(b":") > _MAX_VALUES:
        raise ValueError("its schema.json has too many values")
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"its schema.json holds {name}")


def _read_array(name: str, data: bytes) -> np.ndarray:
    """Return the array in `data`, which must have exactly the size that its header implies."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    reader = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if reader is None:
        raise ValueError(f"its array {name!r} has an unknown format")
    shape, _, dtype = reader(file, max_header_size=_MAX_HEADER_CHARS)
    # Only tree nodes have fields. NumPy would unpickle arrays of objects.
    is_known = dtype.isnative and not dtype.hasobject and (dtype.kind in "biufU" or dtype.names)
    size = math.prod(shape) * dtype.itemsize
    # An array without elements could have a shape of any size.
    is_partly_zero = any(shape) and not all(shape)
    if (
        not is_known
        or is_partly_zero
        or min(shape, default=0) < 0
        or size != len(data) - file.tell()
    ):
        raise ValueError(f"its array {name!r} does not match its header")
    if shape and not dtype.itemsize:
        raise ValueError(f"its array {name!r} has elements without size")
    if dtype.kind == "U" and dtype.itemsize:
        points = np.frombuffer(data, np.uint32, offset=file.tell())
        if points.max(initial=0) > sys.maxunicode:  # not valid in a Python string
            raise ValueError(f"its array {name!r} holds values that are not characters")
    array: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    return array
