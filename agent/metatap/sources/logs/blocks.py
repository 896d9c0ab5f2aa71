"""Bytes of a file → its lines, in bounded memory, whatever the file says of itself."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from metatap.errors import SourceError
from metatap.sources.logs.faults import LineError
from metatap.sources.logs.options import LogOptions

BLOCK = 256 << 10
"""Bytes of text handled at once."""

_READ = 64 << 10
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
"""What some editors write before the first line."""
_WITH_HEADER = 31
"""zlib's window bits for data in gzip's form."""


@dataclass(frozen=True, slots=True)
class Unended:
    """The last line of a file, without an end of line: it may be cut."""

    line: bytes


Piece = list[bytes] | LineError | Unended
"""Whole lines without their ends, or one line that could not be read, or the last one."""


def read_lines(path: Path, options: LogOptions, took: Callable[[int], None]) -> Iterator[Piece]:
    """The lines of a file, gzipped or not (its first bytes tell).

    Args:
        path: The file.
        options: Bounds on lines and compression.
        took: Told the number of bytes each time some were read from the file.

    Raises:
        SourceError: the file can't be read; names it.
    """
    try:
        with path.open("rb") as file:
            blocks = _without_mark(_blocks(file, options, took))
            yield from _split(blocks, options.max_line_bytes)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from None


def _without_mark(blocks: Iterator[bytes | LineError]) -> Iterator[bytes | LineError]:
    """The blocks without a byte order mark before all."""
    head = b""
    for block in blocks:
        if isinstance(block, LineError):
            yield head
            yield block
            return
        head += block
        if len(head) >= len(_BOM):
            yield head.removeprefix(_BOM)
            break
    else:
        yield head
    yield from blocks


def _split(blocks: Iterator[bytes | LineError], longest: int) -> Iterator[Piece]:
    rest, skipping = bytearray(), False
    for block in blocks:
        if isinstance(block, LineError):
            yield block
            return
        if b"\n" not in block and len(rest) + len(block) <= longest:
            if not skipping:
                rest += block
            yield []
            continue
        lines = b"".join((rest, block)).split(b"\n")
        rest = bytearray(lines.pop())
        if skipping:
            if not lines:
                rest.clear()
                continue
            del lines[0]
            skipping = False
        if len(rest) > longest or (lines and max(map(len, lines)) > longest):
            yield from _without_long(lines, longest)
            if len(rest) > longest:
                yield _too_long(longest)
                rest, skipping = bytearray(), True
        else:
            yield lines
    if rest:
        yield Unended(bytes(rest))


def _without_long(lines: list[bytes], longest: int) -> Iterator[Piece]:
    """Lines one by one, those that are too long as faults."""
    for line in lines:
        yield [line] if len(line) <= longest else _too_long(longest)


def _too_long(longest: int) -> LineError:
    return LineError("line_too_long", "", f"more than {longest} bytes")


def _blocks(
    file: BinaryIO, options: LogOptions, took: Callable[[int], None]
) -> Iterator[bytes | LineError]:
    first = file.read(_READ)
    took(len(first))
    if first.startswith(_GZIP):
        yield from _inflate(file, first, options, took)
        return
    while first:
        yield first
        first = file.read(BLOCK)
        took(len(first))


def _inflate(
    file: BinaryIO, data: bytes, options: LogOptions, took: Callable[[int], None]
) -> Iterator[bytes | LineError]:
    """Text of gzipped data, of one member or several; at most `BLOCK` bytes at once."""
    engine = zlib.decompressobj(_WITH_HEADER)
    begun, more, given = True, False, 0
    size = len(data)
    while True:
        if not data and not more:
            data = file.read(_READ)
            took(len(data))
            size += len(data)
            if not data:
                break
        if not begun:
            data = data.lstrip(b"\0")  # gzip allows padding between and after members
            if not data:
                continue
            engine, begun = zlib.decompressobj(_WITH_HEADER), True
        spare = engine.copy()
        try:
            text = engine.decompress(data, BLOCK)
        except zlib.error as error:
            yield _until_fault(spare, data)
            yield LineError("gzip_corrupt", "", str(error))
            return
        if text:
            yield text
        given += len(text)
        data = engine.unused_data if engine.eof else engine.unconsumed_tail
        more = len(text) == BLOCK and not engine.eof
        begun = not engine.eof
        used = size - len(data)
        if given > options.free_bytes and given > options.max_ratio * used:
            yield LineError("gzip_bomb", "", f"{given} bytes from {used}")
            return
    if begun:
        yield LineError("gzip_cut", "", "the compressed data end too early")


def _until_fault(engine: zlib._Decompress, data: bytes) -> bytes:
    """What zlib kept for itself when it met the fault in `data`: given byte by byte, all of it."""
    text = b""
    for at in range(len(data)):
        try:
            text += engine.decompress(data[at : at + 1])
        except zlib.error:
            break
    return text
