"""The serialization `broker-bin-v1`, read value by value.

Slow, short and independent of the agent's decoder: it knows nothing of columns, and says of every
value which type it had on the wire.

Reference: `libbroker/broker/format/bin.hh` and `variant_tag.hh` of zeek/broker.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Any, NamedTuple

KINDS = (
    *("none", "bool", "count", "int", "double", "string", "addr", "subnet", "port"),
    *("time", "interval", "enum", "set", "table", "vector"),
)
"""Names of the types, by tag."""


class Value(NamedTuple):
    """One value: the name of its type and what it holds (a list of values for a container)."""

    kind: str
    data: Any

    def plain(self) -> Any:
        """What it holds, without type names."""
        if self.kind in {"vector", "set", "table"}:
            return [element.plain() for element in self.data]
        return self.data


class Event(NamedTuple):
    """An event and its arguments."""

    name: str
    args: list[Value]


def parse(payload: bytes) -> Event:
    """The event in a payload.

    Raises:
        ValueError: bytes are left over, or it is no event.
    """
    value, end = _value(payload, 0)
    if end != len(payload):
        raise ValueError(f"{len(payload) - end} bytes left over")
    version, kind, body = value.data
    if (version.data, kind.data) != (1, 1):
        raise ValueError(f"not an event: {version} {kind}")
    name, args = body.data[:2]
    return Event(name.data.decode(), args.data)


def _varbyte(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


_FIXED = {"bool": ">?", "count": ">Q", "int": ">q", "double": ">d", "time": ">q", "interval": ">q"}


def _value(data: bytes, at: int) -> tuple[Value, int]:
    kind = KINDS[data[at]]
    at += 1
    if kind == "none":
        return Value(kind, None), at
    if kind in _FIXED:
        form = _FIXED[kind]
        return Value(kind, struct.unpack_from(form, data, at)[0]), at + struct.calcsize(form)
    if kind == "addr":
        address = ipaddress.IPv6Address(data[at : at + 16])
        return Value(kind, str(address.ipv4_mapped or address)), at + 16
    if kind == "port":
        return Value(kind, struct.unpack_from(">HB", data, at)), at + 3
    count, at = _varbyte(data, at)
    if kind in {"string", "enum"}:
        return Value(kind, data[at : at + count]), at + count
    elements = []
    for _ in range(count * 2 if kind == "table" else count):
        element, at = _value(data, at)
        elements.append(element)
    return Value(kind, elements), at
