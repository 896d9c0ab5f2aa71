"""The file of a recording: raw ZeroMQ messages as they came, suffix `.mtrec`.

All of it is one gzip stream, integers are big-endian. It starts with the magic `METATAP`, a version
byte of 1, and the time of the recording's start (u64, ns since the epoch). Each message is then a
record:

| bytes | what |
|---|---|
| 8 | time since the start, ns |
| 4 | length of the body |
| 4 | CRC32 of time, length and body |
| n | body: each part as its length (u32) and its bytes |

Reading trusts nothing: a record whose checksum or parts are wrong is skipped (`checksum`, `parts`),
one that is larger than the limit is passed over without being held (`too_big`), a file that ends
within a record (`truncated`) or whose compressed data are broken (`corrupt`) ends there, and all
that came before is read.
"""

from __future__ import annotations

import gzip
import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from metatap.errors import SourceError, WireError
from metatap.sources.broker_bin import Buffer

SUFFIX = ".mtrec"
MAGIC = b"METATAP\x01"

REASONS: dict[str, str] = {
    "checksum": "A record's bytes are not those that were written.",
    "truncated": "The recording ends within a record.",
    "corrupt": "The recording's compressed data are broken from here on.",
}
"""Reasons for which a record is skipped, besides `parts` and `too_big` of the wire."""

_FILE_HEAD = struct.Struct(">8sQ")
_RECORD_HEAD = struct.Struct(">QII")
_CHECKED_HEAD = struct.Struct(">QI")
_PART = struct.Struct(">I")
_PARTS_MAX = 64
_OVERHEAD = 4096
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Record:
    """A message of a recording.

    Attributes:
        time_ns: Time since the recording's start.
        parts: Parts of the message.
    """

    time_ns: int
    parts: tuple[bytes, ...]


class RecordingWriter:
    """Writes a recording; a context manager.

    Attributes:
        messages: Messages written.
        size: Bytes of their bodies, before compression.
    """

    def __init__(self, path: Path, *, started_ns: int | None = None) -> None:
        """Start a file; an existing one is replaced.

        Args:
            path: The file.
            started_ns: Time of the start, ns since the epoch; None: now.

        Raises:
            SourceError: the file can't be written.
        """
        self.messages = 0
        self.size = 0
        self._path = path
        try:
            self._raw = path.open("wb")
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from None
        self._file = gzip.GzipFile("", "wb", 6, self._raw, mtime=0)
        with self._named():
            self._file.write(
                _FILE_HEAD.pack(MAGIC, time.time_ns() if started_ns is None else started_ns)
            )

    def write(self, time_ns: int, parts: Sequence[Buffer]) -> None:
        """Append one message; `time_ns` since the start.

        Raises:
            SourceError: the file can't be written.
        """
        body = b"".join(piece for part in parts for piece in (_PART.pack(len(part)), part))
        checked = _CHECKED_HEAD.pack(time_ns, len(body))
        crc = zlib.crc32(body, zlib.crc32(checked))
        with self._named():
            self._file.write(_RECORD_HEAD.pack(time_ns, len(body), crc))
            self._file.write(body)
        self.messages += 1
        self.size += len(body)

    def flush(self) -> None:
        """Make what was written readable, should the process die.

        Raises:
            SourceError: the file can't be written.
        """
        with self._named():
            self._file.flush()

    def close(self) -> None:
        """End the file; idempotent.

        Raises:
            SourceError: the file can't be written; it is closed all the same.
        """
        with self._named():
            try:
                self._file.close()
            finally:
                self._raw.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of the file as this module's, with its name."""
        try:
            yield
        except OSError as error:
            raise SourceError(f"{self._path}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What went wrong first is what is told.
        with nullcontext() if kind is None else suppress(SourceError):
            self.close()


class RecordingReader:
    """Reads a recording: an iterator of records, and of the errors met in between.

    Attributes:
        started_ns: Time of the recording's start, ns since the epoch.
        bytes_total: Bytes of the file, as it lies on disk.
        bytes_read: How many of them have been read.
    """

    def __init__(self, path: Path, max_message_bytes: int) -> None:
        """Open a file and read its head.

        Args:
            path: The file.
            max_message_bytes: A larger message is passed over.

        Raises:
            SourceError: there is no such file, or it is no recording.
        """
        self._max = max_message_bytes + _OVERHEAD
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from None
        self.bytes_total = os.fstat(self._file.fileno()).st_size
        self._stream = _Inflated(self._file)
        head = self._stream.read(_FILE_HEAD.size)
        if len(head) < _FILE_HEAD.size or not head.startswith(MAGIC[:-1]):
            self._file.close()
            raise SourceError(f"{path}: not a recording of metatap")
        magic, self.started_ns = _FILE_HEAD.unpack(head)
        if magic != MAGIC:
            self._file.close()
            raise SourceError(f"{path}: a recording of version {magic[-1]}, not {MAGIC[-1]}")

    def __iter__(self) -> Iterator[Record | WireError]:
        index = 0
        while True:
            field = f"record {index}"
            head = self._stream.read(_RECORD_HEAD.size)
            if len(head) < _RECORD_HEAD.size:
                if head or self._stream.fault:
                    yield self._ended(field)
                return
            time_ns, size, crc = _RECORD_HEAD.unpack(head)
            index += 1
            if size > self._max:
                if self._stream.skip(size) < size:
                    yield self._ended(field)
                    return
                yield WireError("too_big", field, f"{size} bytes, more than {self._max}")
                continue
            body = self._stream.read(size)
            if len(body) < size:
                yield self._ended(field)
                return
            if zlib.crc32(body, zlib.crc32(_CHECKED_HEAD.pack(time_ns, size))) != crc:
                yield WireError("checksum", field, "not the bytes that were written")
                continue
            parts = _split(body)
            if parts is None:
                yield WireError("parts", field, "the lengths of its parts don't fit")
                continue
            yield Record(time_ns, parts)

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file have been read."""
        return self._stream.bytes_read

    def close(self) -> None:
        """Free the file; idempotent."""
        self._file.close()

    def _ended(self, field: str) -> WireError:
        if self._stream.fault:
            return WireError("corrupt", field, self._stream.fault)
        return WireError("truncated", field, "the file ends within it")


def _split(body: bytes) -> tuple[bytes, ...] | None:
    """Parts of a record's body, None if their lengths don't fit."""
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        start = at + _PART.size
        if start > len(body) or len(parts) == _PARTS_MAX:
            return None
        at = start + _PART.unpack_from(body, at)[0]
        if at > len(body):
            return None
        parts.append(body[start:at])
    return tuple(parts)


class _Inflated:
    """A gzip stream that gives all there is before it breaks off, and never more than asked for.

    Attributes:
        fault: What is wrong with the compressed data, "" while nothing is.
        bytes_read: Compressed bytes taken from the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.fault = ""
        self.bytes_read = 0
        self._file = file
        self._inflate = zlib.decompressobj(wbits=31)

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end of the stream, or of what is sound in it."""
        out = bytearray()
        while len(out) < size and (piece := self._piece(size - len(out))):
            out += piece
        return bytes(out)

    def skip(self, size: int) -> int:
        """Pass over `size` bytes without holding them; the number there were."""
        done = 0
        while done < size and (piece := self._piece(min(_CHUNK, size - done))):
            done += len(piece)
        return done

    def _piece(self, most: int) -> bytes:
        """Between one and `most` bytes; none at the end."""
        while not self._inflate.eof and not self.fault:
            compressed = self._inflate.unconsumed_tail or self._next()
            if not compressed:
                return b""
            try:
                piece = self._inflate.decompress(compressed, most)
            except zlib.error as error:
                self.fault = str(error)
                return b""
            if piece:
                return piece
        return b""

    def _next(self) -> bytes:
        compressed = self._file.read(_CHUNK)
        self.bytes_read += len(compressed)
        return compressed
