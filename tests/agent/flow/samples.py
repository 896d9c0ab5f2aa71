"""Batches to test with."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from metatap.flow import (
    COLUMNS,
    ColumnSpec,
    FlowBatch,
    Group,
    Kind,
    Numeric,
    Strings,
    from_rows,
)
from metatap.flow.columns import BoolArray, Column
from metatap.flow.schema import DTYPES, group_columns


def flow(index: int = 0, **changes: Any) -> dict[str, Any]:
    """A plain TCP connection as a mapping; `changes` by schema name, dots as double underscores."""
    row: dict[str, Any] = {
        "ts": 1_700_000_000.0 + index,
        "uid": f"C{index:08d}",
        "id.orig_h": f"10.0.{index // 250 % 250}.{index % 250}",
        "id.orig_p": 1024 + index % 60_000,
        "id.resp_h": "2001:db8::1",
        "id.resp_p": 443,
        "proto": "tcp",
        "conn_state": "SF",
        "history": "ShADadFf",
        "orig_pkts": index,
        "partial": False,
    }
    return row | {name.replace("__", "."): value for name, value in changes.items()}


def plain(rows: int, start: int = 0) -> FlowBatch:
    """A batch of plain connections, every third with a DNS summary."""
    dns = {
        "dns.queries": 1,
        "dns.query_bytes": 11,
        "dns.query": "example.com",
        "dns.qtype": 1,
        "dns.rare_qtypes": 0,
        "dns.nxdomain": 0,
        "dns.answers": 1,
        "dns.answer_bytes": 9,
    }
    return from_rows(
        [flow(start + at) | (dns if at % 3 == 0 else {}) for at in range(rows)],
    )


def uids(batch: FlowBatch) -> list[bytes | None]:
    """The uid of each flow."""
    column = batch.strings("uid")
    return [None] * batch.rows if column is None else [column.item(at) for at in range(batch.rows)]


def arbitrary(rng: np.random.Generator, rows: int) -> FlowBatch:
    """A batch with everything the schema allows: any value, any bytes, any mask."""
    columns: dict[str, Column] = {}
    for group in Group:
        chance = rng.choice([0.0, 0.3, 1.0])
        member = np.ones(rows, np.bool_) if group is Group.CONN else rng.random(rows) < chance
        if not member.any():
            continue
        for spec in group_columns(group):
            valid = member & (rng.random(rows) < rng.choice([0.0, 0.5, 1.0]))
            if not spec.optional and spec.kind is not Kind.STRING:
                valid = member
            if valid.any():
                columns[spec.name] = _column(rng, spec, valid)
    return FlowBatch(rows, columns)


def _column(rng: np.random.Generator, spec: ColumnSpec, valid: BoolArray) -> Column:
    rows = len(valid)
    mask = None if valid.all() else valid
    if spec.kind is Kind.STRING:
        top = int(rng.choice([1, 8, 256]))
        lengths = np.where(valid, rng.integers(1, top + 1, rows), 0)
        return Strings.from_lengths(lengths, rng.integers(0, 256, int(lengths.sum()), np.uint8))
    if spec.kind is Kind.ENUM:
        values: Any = rng.integers(0, len(spec.vocabulary), rows).astype(np.uint8)
    elif spec.kind is Kind.BOOL:
        values = rng.random(rows) < 0.5
    elif spec.kind is Kind.ADDR:
        values = rng.integers(0, 256, (rows, 16), np.uint8)
    else:
        dtype = np.dtype(DTYPES[spec.kind])
        info = np.iinfo(dtype)
        values = rng.integers(info.min, info.max, rows, dtype, endpoint=True)
    return Numeric(values, mask)


@st.composite
def batches(draw: st.DrawFn, max_rows: int = 40) -> FlowBatch:
    """Arbitrary batches of up to `max_rows` flows."""
    rows = draw(st.integers(0, max_rows))
    return arbitrary(np.random.default_rng(draw(st.integers(0, 2**32))), rows)


def assert_same(left: FlowBatch, right: FlowBatch) -> None:
    """Both have the same flows: the same masks, and the same values where there are some."""
    assert left.rows == right.rows
    for spec in COLUMNS:
        a, b = left.columns.get(spec.name), right.columns.get(spec.name)
        mask_a = np.zeros(left.rows, np.bool_) if a is None else a.mask()
        mask_b = np.zeros(left.rows, np.bool_) if b is None else b.mask()
        assert mask_a.tolist() == mask_b.tolist(), spec.name
        for at in np.flatnonzero(mask_a).tolist():
            if isinstance(a, Strings) and isinstance(b, Strings):
                assert a.item(at) == b.item(at), spec.name
            elif isinstance(a, Numeric) and isinstance(b, Numeric):
                assert np.array_equal(a.values[at], b.values[at]), spec.name
            else:
                raise AssertionError(f"{spec.name}: {type(a)} and {type(b)}")
