r"""One flow as a mapping under Zeek's field names, and back.

For what a person reads or writes: alerts, threat packs, training data. Values have the form of
Zeek's JSON logs: `ts` and `duration` in seconds, addresses and enumerations as text, a byte that is
not UTF-8 as `\xNN` (so text that says `\xNN` of itself becomes that byte on the way back, as in
Zeek's logs). Not for the hot path.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metatap.errors import FlowError
from metatap.flow.batch import FlowBatch, Origin
from metatap.flow.columns import Column, Numeric, Strings
from metatap.flow.schema import BY_NAME, COLUMNS, DTYPES, STRING_MAX_BYTES, ColumnSpec, Kind

NS = 1_000_000_000

Row = dict[str, Any]

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def _addr_bytes(value: Any, _spec: ColumnSpec) -> bytes:
    address = ipaddress.ip_address(value)
    if isinstance(address, ipaddress.IPv4Address):
        return b"\0" * 10 + b"\xff\xff" + address.packed
    return address.packed


def _seconds(value: Any, _spec: ColumnSpec) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number of seconds")
    return round(value * NS)


def _count(value: Any, spec: ColumnSpec) -> int:
    limit = 2**16 if spec.kind is Kind.PORT else 2**64
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < limit:
        raise ValueError(f"not a whole number from 0 to {limit - 1}")
    return value


def _bool(value: Any, _spec: ColumnSpec) -> bool:
    if not isinstance(value, bool):
        raise ValueError("not true or false")
    return value


def _code(value: Any, spec: ColumnSpec) -> int:
    return spec.vocabulary.index(value)


_ENCODERS: dict[Kind, Callable[[Any, ColumnSpec], Any]] = {
    Kind.TIME: _seconds,
    Kind.INTERVAL: _seconds,
    Kind.COUNT: _count,
    Kind.PORT: _count,
    Kind.BOOL: _bool,
    Kind.ENUM: _code,
    Kind.ADDR: _addr_bytes,
}


def from_rows(rows: Sequence[Mapping[str, Any]], origin: Origin | None = None) -> FlowBatch:
    """A batch from mappings under schema names; unknown names are ignored, None is absent.

    Raises:
        FlowError: a value does not fit its column; names the row (from 0) and the column.
    """
    columns: dict[str, Column] = {}
    for spec in COLUMNS:
        items = [row.get(spec.name) for row in rows]
        if all(item is None for item in items):
            continue
        if spec.kind is Kind.STRING:
            columns[spec.name] = Strings.from_items([_text(spec, i) for i in enumerate(items)])
            continue
        valid = np.array([item is not None for item in items], np.bool_)
        shape = (len(rows), 16) if spec.kind is Kind.ADDR else (len(rows),)
        values = np.zeros(shape, DTYPES[spec.kind])
        for at, item in enumerate(items):
            if item is None:
                continue
            try:
                value = _ENCODERS[spec.kind](item, spec)
                values[at] = np.frombuffer(value, np.uint8) if spec.kind is Kind.ADDR else value
            except (ValueError, OverflowError) as error:
                raise FlowError(f"flow {at}: {spec.name}: {item!r}: {error}") from None
        columns[spec.name] = Numeric(values, None if bool(valid.all()) else valid)
    return FlowBatch(len(rows), columns, origin or Origin())


def _text(spec: ColumnSpec, item: tuple[int, Any]) -> bytes | None:
    at, value = item
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return value[:STRING_MAX_BYTES]
    if not isinstance(value, str):
        raise FlowError(f"flow {at}: {spec.name}: {value!r}: not text")
    return text_bytes(value)


def text_bytes(text: str) -> bytes | None:
    r"""The bytes of a text of Zeek's JSON logs: `\xNN` is a byte, what is too long is cut."""
    encoded = text.encode("utf-8", "surrogateescape")
    if b"\\x" in encoded:
        encoded = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), encoded)
    return encoded[:STRING_MAX_BYTES] or None


def addr_text(packed: bytes) -> str:
    """Text of a 16-byte address; IPv4-mapped ones as IPv4."""
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def to_row(batch: FlowBatch, row: int) -> Row:
    """One flow as a mapping; absent values are left out, bytes that are not UTF-8 are escaped."""
    result: Row = {}
    for spec in COLUMNS:
        column = batch.columns.get(spec.name)
        if column is None or (column.valid is not None and not column.valid[row]):
            continue
        result[spec.name] = _value(spec, column, row)
    return result


def _value(spec: ColumnSpec, column: Column, row: int) -> Any:
    if isinstance(column, Strings):
        return (column.item(row) or b"").decode("utf-8", "backslashreplace")
    value = column.values[row]
    if spec.kind is Kind.ADDR:
        return addr_text(value.tobytes())
    if spec.kind in (Kind.TIME, Kind.INTERVAL):
        return int(value) / NS
    if spec.kind is Kind.ENUM:
        return BY_NAME[spec.name].vocabulary[int(value)]
    return value.item()
