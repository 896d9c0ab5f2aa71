"""broker-bin-v1, read by columns.

The serialisation of Zeek's events (zeek/broker, `libbroker/broker/format/bin.hh`): big-endian, a
tag byte before each value, lengths as varbytes. A vector whose elements have one fixed size is one
strided view of the message, so a column of any length costs a handful of NumPy calls.

The bytes are hostile until proven otherwise: every length is compared with the bytes that are left
before it is used, and nothing is allocated that is larger than the message itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from metatap.errors import WireError

NONE, BOOL, COUNT, INT, REAL, STRING, ADDR, SUBNET, PORT = range(9)
TIME, INTERVAL, ENUM, SET, TABLE, VECTOR = range(9, 15)
"""Tag bytes of the format."""

TAG_NAMES = (
    *("none", "bool", "count", "int", "double", "string", "addr", "subnet", "port"),
    *("time", "interval", "enum", "set", "table", "vector"),
)

FIXED_BYTES = {
    NONE: 0,
    BOOL: 1,
    COUNT: 8,
    INT: 8,
    REAL: 8,
    ADDR: 16,
    SUBNET: 17,
    PORT: 3,
    TIME: 8,
    INTERVAL: 8,
}
"""Tag → bytes after the tag, for values of a fixed size."""

WORD = 9
"""Bytes of one count, int, double, time or interval with its tag."""

VARBYTE_MAX = 10
"""Bytes of the longest varbyte, a 64 bit length."""

_U8, _BE16, _BE64 = np.dtype(np.uint8), np.dtype(">u2"), np.dtype(">u8")

Buffer = bytes | bytearray | memoryview
U8Array = npt.NDArray[np.uint8]
U16Array = npt.NDArray[np.uint16]
U64Array = npt.NDArray[np.uint64]


def varbyte(value: int) -> bytes:
    """The shortest varbyte of `value` ≥ 0: 7 bits a byte, low first, high bit = more."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


@lru_cache(maxsize=256)
def _vector_head(size: int) -> bytes:
    return bytes((VECTOR,)) + varbyte(size)


def tag_name(tag: int) -> str:
    """Name of a tag byte, for messages."""
    return TAG_NAMES[tag] if tag < len(TAG_NAMES) else f"tag {tag:#04x}"


class Reader:
    """A cursor over one payload.

    Every method takes the name of the field it reads, which an error carries, and leaves the cursor
    behind that field. Arrays that are called views share the payload's memory.

    Attributes:
        at: Offset of the next byte.

    Raises:
        WireError: from every method: `too_short` (a length goes beyond the payload), `bad_tag`
            (another type than the one asked for), `length` (another number of elements), `range`
            (a varbyte of more than 64 bits or a bool that is neither 0 nor 1).
    """

    __slots__ = ("_data", "_size", "at")

    def __init__(self, payload: Buffer) -> None:
        self._data = memoryview(payload).cast("B")
        self._size = len(self._data)
        self.at = 0

    def left(self) -> int:
        """Bytes not yet read."""
        return self._size - self.at

    @property
    def payload(self) -> memoryview:
        """All bytes, of format `B`."""
        return self._data

    def starts_with(self, expected: bytes) -> bool:
        """Whether the next bytes are these; if so the cursor moves behind them."""
        end = self.at + len(expected)
        if self._data[self.at : end] != expected:
            return False
        self.at = end
        return True

    def tag(self, field: str, expected: int) -> None:
        """One tag byte, which must be `expected`."""
        if self.at >= self._size:
            self._need(field, 1)
        found = self._data[self.at]
        if found != expected:
            self._wrong_tag(field, expected, found)
        self.at += 1

    def varbyte(self, field: str) -> int:
        """A length, below 2^64."""
        data, at, end = self._data, self.at, min(self._size, self.at + VARBYTE_MAX)
        value = shift = 0
        while at < end:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 2**64:
                    raise WireError("range", field, "a length of more than 64 bits")
                self.at = at
                return value
            shift += 7
        if at == self._size:
            raise WireError("too_short", field, "the message ends within a length")
        raise WireError("range", field, f"a length of more than {VARBYTE_MAX} bytes")

    def count(self, field: str) -> int:
        """A Zeek `count`."""
        self.tag(field, COUNT)
        return int.from_bytes(self._take(field, 8), "big")

    def boolean(self, field: str) -> bool:
        """A Zeek `bool`."""
        self.tag(field, BOOL)
        value = self._take(field, 1)[0]
        if value > 1:
            raise WireError("range", field, f"bool of {value}")
        return value == 1

    def string(self, field: str) -> memoryview:
        """The bytes of a Zeek `string`, a view; not always UTF-8."""
        self.tag(field, STRING)
        size = self.varbyte(field)
        start, end = self.at, self.at + size
        if end > self._size:
            self._need(field, size)
        self.at = end
        return self._data[start:end]

    def text(self, field: str, max_bytes: int) -> str:
        """A `string` that must be UTF-8 (else `not_utf8`) of at most `max_bytes` (`too_big`)."""
        raw = self.string(field)
        if len(raw) > max_bytes:
            raise WireError("too_big", field, f"{len(raw)} bytes, more than {max_bytes}")
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise WireError("not_utf8", field, str(error)) from None

    def vector(self, field: str) -> int:
        """Start of a vector: its number of elements, each of which takes one byte at least."""
        self.tag(field, VECTOR)
        size = self.varbyte(field)
        self._need(field, size)
        return size

    def record(self, field: str, size: int) -> None:
        """Start of a vector or record of exactly `size` elements."""
        if self.starts_with(_vector_head(size)):
            return
        found = self.vector(field)
        if found != size:
            raise WireError("length", field, f"{found} elements, not {size}")

    def peek_vector(self, field: str) -> int:
        """Number of elements of the vector that comes next; the cursor stays."""
        at = self.at
        size = self.vector(field)
        self.at = at
        return size

    def words(self, fields: Sequence[str], tags: Sequence[bytes], out: U64Array) -> None:
        """Consecutive vectors of n eight-byte values each.

        Args:
            fields: Name of each of k vectors.
            tags: The tag byte of each vector's elements.
            out: uint64 [k, n], filled in native order; signed kinds as their two's complement bits.
        """
        size = out.shape[1]
        head = _vector_head(size)
        first = self.at + len(head)
        stride = len(head) + WORD * size
        span = stride * len(fields)
        if span <= self._size - self.at:
            # All vectors at once. A length that is not written in the shortest form, and whatever
            # is wrong, goes the slow way below, which knows the field.
            heads = np.ndarray((len(fields), len(head)), _U8, self._data, self.at, (stride, 1))
            found = np.ndarray(out.shape, _U8, self._data, first, (stride, WORD))
            due = b"".join([tag * size for tag in tags])
            if heads.tobytes() == head * len(fields) and found.tobytes() == due:
                if size:
                    out[:] = np.ndarray(out.shape, _BE64, self._data, first + 1, (stride, WORD))
                self.at += span
                return
        for field, tag, row in zip(fields, tags, out, strict=True):
            row[:] = self._elements(field, tag[0], WORD, size)[:, 1:].copy().view(_BE64)[:, 0]

    def addrs(self, field: str, size: int) -> U8Array:
        """A vector of `addr`: uint8 [size, 16], IPv4 as ::ffff:a.b.c.d."""
        return self._elements(field, ADDR, 17, size)[:, 1:].copy()

    def ports(self, field: str, size: int) -> tuple[U16Array, U8Array]:
        """A vector of `port`: numbers, uint16 [size], and protocol bytes, uint8 [size]."""
        elements = self._elements(field, PORT, 4, size)
        numbers = np.ascontiguousarray(elements[:, 1:3]).view(_BE16)[:, 0].astype(np.uint16)
        return numbers, elements[:, 3].copy()

    def skip(self, field: str, max_values: int) -> None:
        """One value of any type, of at most `max_values` values in all (`too_big`)."""
        due = 1
        for _ in range(max_values):
            if not due:
                return
            self._need(field, 1)
            tag = self._data[self.at]
            self.at += 1
            due -= 1
            if tag in FIXED_BYTES:
                self._take(field, FIXED_BYTES[tag])
            elif tag in (STRING, ENUM):
                self._take(field, self.varbyte(field))
            elif tag in (SET, TABLE, VECTOR):
                due += self.varbyte(field) * (2 if tag == TABLE else 1)
            else:
                raise WireError("bad_tag", field, tag_name(tag))
        if due:
            raise WireError("too_big", field, f"more than {max_values} values")

    def end(self, field: str) -> None:
        """The end of the payload: bytes that are left over are `too_long`."""
        if self.left():
            raise WireError("too_long", field, f"{self.left()} bytes left over")

    def _elements(self, field: str, tag: int, width: int, size: int) -> U8Array:
        """A vector as uint8 [size, width], a view with the tags in column 0."""
        self.record(field, size)
        self._need(field, size * width)
        view: U8Array = np.ndarray((size, width), _U8, self._data, self.at)
        if view[:, 0].tobytes() != bytes((tag,)) * size:
            at = int((view[:, 0] != tag).argmax())
            self._wrong_tag(f"{field}[{at}]", tag, int(view[at, 0]))
        self.at += size * width
        return view

    def _take(self, field: str, size: int) -> memoryview:
        self._need(field, size)
        start = self.at
        self.at = start + size
        return self._data[start : self.at]

    def _need(self, field: str, size: int) -> None:
        if size > self._size - self.at:
            raise WireError("too_short", field, f"{size} bytes due, {self.left()} left")

    def _wrong_tag(self, field: str, expected: int, found: int) -> NoReturn:
        raise WireError("bad_tag", field, f"{tag_name(found)}, not {tag_name(expected)}")
