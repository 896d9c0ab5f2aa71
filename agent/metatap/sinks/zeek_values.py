"""Single values → broker-bin-v1, the other way round than `metatap.sources.broker_bin` reads them.

Big-endian, a tag byte before each value, lengths as varbytes (zeek/broker,
`libbroker/broker/format/bin.hh`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from ipaddress import ip_address

from metatap.sources.broker_bin import (
    ADDR,
    COUNT,
    INTERVAL,
    NONE,
    PORT,
    REAL,
    STRING,
    TIME,
    VECTOR,
    varbyte,
)

UNSET = bytes((NONE,))
"""An `&optional` field of a record without a value."""

_IPV4_MAPPED = b"\0" * 10 + b"\xff\xff"


def count(value: int) -> bytes:
    """A `count`, 0 to 2⁶⁴ − 1."""
    return struct.pack(">BQ", COUNT, value)


def double(value: float) -> bytes:
    """A `double`."""
    return struct.pack(">Bd", REAL, value)


def time(ns: int) -> bytes:
    """A `time`: ns since the epoch, in 64 bits."""
    return struct.pack(">Bq", TIME, ns)


def interval(ns: int) -> bytes:
    """An `interval`: ns, in 64 bits."""
    return struct.pack(">Bq", INTERVAL, ns)


def string(value: str, most: int) -> bytes:
    """A `string` in UTF-8, cut to at most `most` bytes between two characters."""
    raw = value.encode(errors="replace")
    if len(raw) > most:
        raw = raw[:most].decode(errors="ignore").encode()
    return bytes((STRING,)) + varbyte(len(raw)) + raw


def addr(text: str) -> bytes:
    """An `addr` from the text of an IP address without a zone; IPv4 as ::ffff:a.b.c.d.

    Raises:
        ValueError: it is no address.
    """
    packed = ip_address(text).packed
    return bytes((ADDR,)) + (_IPV4_MAPPED + packed if len(packed) == 4 else packed)


def port(number: int, protocol: int) -> bytes:
    """A `port`: 0 to 65535, and its protocol, a place in `metatap.flow.schema.PROTOS`."""
    return struct.pack(">BHB", PORT, number, protocol)


def vector(elements: Sequence[bytes]) -> bytes:
    """A `vector`, or a record, of values that are already encoded."""
    return b"".join((bytes((VECTOR,)), varbyte(len(elements)), *elements))
