"""Flows written in YAML → `FlowBatch`, exactly; every fault with line, flow and field."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from metatap.errors import FlowError
from metatap.flow import FlowBatch, Numeric, from_rows
from metatap.flow.schema import BY_NAME, STRING_MAX_BYTES, ColumnSpec, Kind
from metatap.packs.context import ContextReader, FloatArray, stacked
from metatap.yamlfile import Faults, Fields, Items, Node, Scalar, kind_of, nearest, shown

MAX_FLOWS = 64
"""Flows in one list of a pack, at most."""

MAX_SECONDS = 9_000_000_000
"""Bound of times and intervals: ns in int64 reach to the year 2262."""

CONTEXT = "context"
"""Key of a flow's context, which stands among its fields."""

_NS = 1_000_000_000
_TIMES = (Kind.TIME, Kind.INTERVAL)


def read_flows(
    root: Fields, key: str, faults: Faults, uids: dict[str, str], contexts: ContextReader
) -> tuple[FlowBatch | None, FloatArray | None]:
    """The flows of one list of a pack, and their contexts.

    Args:
        root: The pack's document.
        key: `flows` or `not_like`.
        faults: Takes what is wrong.
        uids: Uid → where it was seen, over both lists; a repeated one is a fault.
        contexts: Reads the contexts.

    Returns:
        The batch of k flows with `partial` set in every one; None if the list is missing, empty or
        faulty. Their contexts float32 [k, C], NaN = absent; None if no flow has one.
    """
    node = root.items.get(key)
    if node is None or (isinstance(node, Scalar) and node.value is None and key != "flows"):
        return None, None
    if not isinstance(node, Items):
        faults.add(node.line, f"{key}: must be a list of flows, is {kind_of(node)}")
        return None, None
    if len(node.items) > MAX_FLOWS:
        faults.add(node.line, f"{key}: {len(node.items)} flows, at most {MAX_FLOWS}")
        return None, None
    before = len(faults.found)
    rows: list[dict[str, Any]] = []
    known: list[FloatArray | None] = []
    for at, item in enumerate(node.items):
        where = f"{key}[{at}]"
        rows.append(_read_flow(item, where, faults, uids))
        known.append(_read_context(item, where, contexts))
    if not rows or len(faults.found) > before:
        return None, None
    try:
        return _batch(rows), stacked(known)
    except FlowError as error:  # pragma: no cover - each value was checked
        faults.add(node.line, f"{key}: {error}")
        return None, None


def _read_flow(node: Node, where: str, faults: Faults, uids: dict[str, str]) -> dict[str, Any]:
    if not isinstance(node, Fields):
        faults.add(node.line, f"{where}: must be a mapping of Zeek's fields, is {kind_of(node)}")
        return {}
    row: dict[str, Any] = {}
    for name, item in node.items.items():
        line = node.lines[name]
        if name == CONTEXT:
            continue
        spec = BY_NAME.get(name)
        if spec is None:
            hint = faults.hint(name, (*BY_NAME, CONTEXT))
            faults.add(line, f"{where}.{shown(name)}: not a field of a flow{hint}")
            continue
        if not isinstance(item, Scalar):
            faults.add(line, f"{where}.{name}: must be one value, is {kind_of(item)}")
            continue
        if item.value in (None, "", b""):
            continue
        try:
            row[name] = _READERS[spec.kind](item, spec)
        except ValueError as error:
            faults.add(line, f"{where}.{name}: {shown(item.text)}: {error}")
    if not node.items:
        faults.add(node.line, f"{where}: has no fields")
    uid = row.get("uid", b"").decode("utf-8", "backslashreplace")
    if uid and uids.setdefault(uid, where) != where:
        faults.add(node.lines["uid"], f"{where}.uid: {shown(uid)} is also that of {uids[uid]}")
    row.setdefault("partial", False)
    return row


def _read_context(node: Node, where: str, contexts: ContextReader) -> FloatArray | None:
    item = node.items.get(CONTEXT) if isinstance(node, Fields) else None
    if item is None or not isinstance(node, Fields):
        return None
    return contexts.read(item, node.lines[CONTEXT], f"{where}.{CONTEXT}")


def _batch(rows: list[dict[str, Any]]) -> FlowBatch:
    """A batch whose times are exact: they come as whole ns, `from_rows` would round seconds."""
    times = [name for name, spec in BY_NAME.items() if spec.kind in _TIMES]
    rest = from_rows([{k: v for k, v in row.items() if k not in times} for row in rows])
    columns = dict(rest.columns)
    for name in times:
        valid = np.array([name in row for row in rows], np.bool_)
        if valid.any():
            values = np.array([row.get(name, 0) for row in rows], np.int64)
            columns[name] = Numeric(values, None if valid.all() else valid)
    return FlowBatch(rest.rows, columns, rest.origin)


def _read_time(item: Scalar, spec: ColumnSpec) -> int:
    if isinstance(item.value, bool) or not isinstance(item.value, int | float):
        raise ValueError("must be a number of seconds")
    try:
        seconds = Decimal(item.text)
    except InvalidOperation:  # pragma: no cover - what resolves to a number is a decimal
        raise ValueError("must be a number of seconds") from None
    low = 0 if spec.kind is Kind.TIME else -MAX_SECONDS
    if not low <= seconds <= MAX_SECONDS:
        raise ValueError(f"must be from {low} to {MAX_SECONDS} seconds")
    return int((seconds * _NS).to_integral_value())


def _read_count(item: Scalar, spec: ColumnSpec) -> int:
    limit = 2**16 if spec.kind is Kind.PORT else 2**64
    if isinstance(item.value, bool) or not isinstance(item.value, int):
        raise ValueError("must be a whole number")
    if not 0 <= item.value < limit:
        raise ValueError(f"must be from 0 to {limit - 1}")
    return item.value


def _read_bool(item: Scalar, _spec: ColumnSpec) -> bool:
    if not isinstance(item.value, bool):
        raise ValueError("must be true or false")
    return item.value


def _read_enum(item: Scalar, spec: ColumnSpec) -> str:
    if item.text not in spec.vocabulary:
        known = ", ".join(spec.vocabulary)
        raise ValueError(f"must be one of {known}{nearest(item.text, spec.vocabulary)}")
    return item.text


def _read_addr(item: Scalar, _spec: ColumnSpec) -> str:
    try:
        address = ipaddress.ip_address(item.text)
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise ValueError("must be an address without a zone")
    return item.text


def _read_string(item: Scalar, _spec: ColumnSpec) -> bytes:
    value = item.value if isinstance(item.value, bytes) else _utf8(item.text)
    if len(value) > STRING_MAX_BYTES:
        raise ValueError(f"{len(value)} bytes, at most {STRING_MAX_BYTES} (longer ones are cut)")
    return value


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # pragma: no cover - libyaml refuses it before
        raise ValueError("not UTF-8") from None


_READERS: dict[Kind, Callable[[Scalar, ColumnSpec], Any]] = {
    Kind.TIME: _read_time,
    Kind.INTERVAL: _read_time,
    Kind.COUNT: _read_count,
    Kind.PORT: _read_count,
    Kind.BOOL: _read_bool,
    Kind.ENUM: _read_enum,
    Kind.ADDR: _read_addr,
    Kind.STRING: _read_string,
}
