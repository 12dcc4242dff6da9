"""Bytes of a file, decompressed and in UTF-8, block by block."""

import codecs
import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from sentiment.errors import ConfigError, UnreadableFileError, read_reason
from sentiment.files.dialects import find_codec
from sentiment.files.origins import COMPRESSIONS, Origin, warn_of_change

# First bytes of compressed files (RFC 1952, RFC 8878).
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
BLOCK = 2**22
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# An error handler that passes on a byte that is not UTF-8, so that its row is rejected.
_KEEP_ERRORS = "sentiment.keep_errors"
_MARK = "\udcff"


def _mark_error(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeDecodeError):
        return _MARK, error.end
    if isinstance(error, UnicodeEncodeError):  # the mark, or half a surrogate pair in the text
        return b"\xff" * (error.end - error.start), error.end
    raise error


codecs.register_error(_KEEP_ERRORS, _mark_error)


class ByteSource:
    """A file whose text is read as UTF-8, whatever its compression and encoding.

    Parameters
    ----------
    path : Path
        The file, which ends with ``.gz`` or ``.zst`` if it is compressed.
    encoding : str, optional
        Its encoding; default: that of a byte order mark, or UTF-8.
    group : str
        Prefix of its settings in messages, such as ``data.``.

    Attributes
    ----------
    origin : Origin
        Its origin.

    Raises
    ------
    ConfigError
        There is no such encoding.
    """

    def __init__(self, path: Path, encoding: str | None, group: str = "") -> None:
        self.path, self.group = path, group
        self._compression = self._find_compression()
        self.origin = self._find_origin()
        self._size = self.origin.identity.get("size")
        self._share = 0.0
        self._has_changed = False
        with self._open() as file:
            start = self._read(file, 4)
        mark = next((mark for mark in _MARKS if start.startswith(mark)), b"")
        try:
            name = find_codec(encoding or _MARKS.get(mark, "utf-8"))
        except LookupError:
            raise ConfigError(
                [
                    f"{group}encoding is {encoding!r}, which is not known; expected utf-8, utf-16, "
                    "latin-1, cp1252 or another that Python knows."
                ]
            ) from None
        if name in ("utf-16", "utf-32") and not mark:  # the usual byte order
            name = f"{name}-le"
        self.encoding = "utf-8" if name == "utf-8-sig" else name
        self._mark = len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0

    @property
    def share(self) -> float:
        """Share of the file that has been read, from 0 to 1."""
        return self._share

    def peek(self, size: int = BLOCK) -> Iterator[bytes]:
        """Yield the text from its beginning, for detection before it is read."""
        return ByteSource.read(self, 0, size)

    def read(self, offset: int = 0, size: int = BLOCK) -> Iterator[bytes]:
        """Yield the text from the byte `offset` of its UTF-8 on, in blocks of about `size` bytes.

        Bytes that cannot be decoded become bytes that are not UTF-8.

        Raises
        ------
        UnreadableFileError
            A compressed file is damaged.
        """
        with self._open() as file:
            if self.encoding == "utf-8":
                self._skip(file, self._mark + offset)
                while block := self._read(file, size):
                    yield block
                return
            decoder = codecs.getincrementaldecoder(self.encoding)(_KEEP_ERRORS)
            skip, has_begun = offset, False
            while True:
                raw = self._read(file, size)
                text = decoder.decode(raw, final=not raw)
                if text and not has_begun:
                    text, has_begun = text.removeprefix("\ufeff"), True
                block = text.encode("utf-8", _KEEP_ERRORS)
                if block[skip:]:
                    yield block[skip:]
                skip = max(skip - len(block), 0)
                if not raw:
                    return

    def _find_compression(self) -> str | None:
        return COMPRESSIONS.get(self.path.suffix.lower())

    def _find_origin(self) -> Origin:
        return Origin.of_file(self.path)

    def _open_raw(self) -> AbstractContextManager[Any]:
        return self.path.open("rb")

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        with self._open_raw() as file:
            self._file: IO[bytes] = file
            if self._compression is None:
                yield file
                return
            raw = pa.PythonFile(file, mode="r")
            with pa.CompressedInputStream(raw, self._compression) as stream:
                yield stream

    def _read(self, file: Any, size: int) -> bytes:
        try:
            block: bytes = file.read(size)
        except (OSError, pa.ArrowException) as error:
            if self._compression is None:
                raise
            kind = f"a {self._compression} file"
            raise UnreadableFileError(self.path, kind, read_reason(error)) from error
        if self._size:
            self._share = min(self._file.tell() / self._size, 1.0)
        if not block:
            self._look_for_changes()
        return block

    def _look_for_changes(self) -> None:
        """Warn, once, if the file has changed since it was opened."""
        identity = self.origin.identity
        if self._has_changed or "modified" not in identity:
            return
        status = os.fstat(self._file.fileno())
        if (status.st_size, status.st_mtime_ns) != (identity["size"], identity["modified"]):
            self._has_changed = True
            warn_of_change(self.origin)

    def _skip(self, file: Any, size: int) -> None:
        if self._compression is None:
            file.seek(size)
            return
        while size and (block := self._read(file, min(size, BLOCK))):
            size -= len(block)
