"""metatap.packs.write."""

from __future__ import annotations

import string
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.flow import COLUMNS, FlowBatch, Kind, Numeric, Strings, from_rows
from metatap.flow.columns import Column
from metatap.packs import Pack, Severity, dump_pack
from metatap.packs.load import _pack
from metatap.packs.write import quoted
from metatap.yamlfile import Faults, Fields, Scalar, parse

EXAMPLE = """\
pack: 1
id: ssh-bruteforce
name: SSH brute force
description: Password guessing against an SSH server.
author: metatap
created: 2026-11-24
severity: high
attack: [T1110.001]
references: [https://attack.mitre.org/techniques/T1110/001/]
flows:
  - {ts: 1700000000.5, uid: C1, id.orig_h: 10.0.0.1, id.orig_p: 40000, id.resp_h: 10.0.0.2,
     id.resp_p: 22, proto: tcp, service: ssh, duration: 2.1, orig_bytes: 2000, resp_bytes: 2900,
     conn_state: SF, ssh.auth_success: false, ssh.client: SSH-2.0-libssh_0.9}
not_like:
  - {uid: C2, proto: udp, partial: true}
"""

LINE = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60)
ADDRESSES = st.ip_addresses().map(str)


def _values(kind: Kind, vocabulary: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return {
        Kind.TIME: st.integers(0, 4_000_000_000 * 10**9),
        Kind.INTERVAL: st.integers(-(10**15), 10**15),
        Kind.COUNT: st.integers(0, 2**64 - 1),
        Kind.PORT: st.integers(0, 2**16 - 1),
        Kind.BOOL: st.booleans(),
        Kind.ENUM: st.sampled_from(vocabulary or ("",)),
        Kind.ADDR: ADDRESSES,
        Kind.STRING: st.binary(min_size=1, max_size=256) | LINE.map(str.encode),
    }[kind]


ROWS = st.fixed_dictionaries(
    {"partial": st.booleans()},
    optional={
        spec.name: _values(spec.kind, spec.vocabulary)
        for spec in COLUMNS
        if spec.name not in ("partial", "uid")
    },
)


@st.composite
def batches(draw: st.DrawFn, first: int, min_rows: int = 1) -> FlowBatch:
    """Flows with unique uids and times in whole ns."""
    rows = draw(st.lists(ROWS, min_size=min_rows, max_size=4))
    rows = [row | {"uid": f"C{first + at}"} for at, row in enumerate(rows)]
    times = [spec.name for spec in COLUMNS if spec.kind in (Kind.TIME, Kind.INTERVAL)]
    plain = from_rows([{k: v for k, v in row.items() if k not in times} for row in rows])
    columns = dict(plain.columns)
    for name in times:
        valid = np.array([name in row for row in rows])
        if valid.any():
            columns[name] = Numeric(np.array([row.get(name, 0) for row in rows], np.int64), valid)
    return FlowBatch(plain.rows, columns)


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    """Packs of every kind that can be written."""
    techniques = st.from_regex(r"T[0-9]{4}(\.[0-9]{3})?", fullmatch=True)
    urls = LINE.map(lambda text: "https://x/" + text.replace("<", "").replace(">", ""))
    return Pack(
        id=draw(st.text(string.ascii_lowercase + string.digits + "-", min_size=3, max_size=64)),
        name=draw(LINE),
        description=draw(st.just("") | LINE),
        author=draw(st.just("") | LINE),
        created=draw(st.dates(date(1000, 1, 1))),
        severity=draw(st.sampled_from(Severity)),
        attack=tuple(draw(st.lists(techniques, unique=True, max_size=3))),
        references=tuple(
            url for url in draw(st.lists(urls, unique=True, max_size=3)) if '"' not in url
        ),
        flows=draw(batches(0)),
        not_like=draw(st.none() | batches(100)),
    )


def _read(text: str) -> Pack:
    return _pack(text.encode(), Path("p.yaml"), Faults("p.yaml"))


def _column(column: Column | None, rows: int) -> list[object]:
    if column is None:
        return [None] * rows
    if isinstance(column, Strings):
        return [column.item(row) for row in range(rows)]
    return [
        value.tolist() if valid else None
        for value, valid in zip(column.values, column.mask(), strict=True)
    ]


def _same(one: FlowBatch | None, two: FlowBatch | None) -> bool:
    if one is None or two is None:
        return one is two
    return one.rows == two.rows and all(
        _column(one.columns.get(spec.name), one.rows)
        == _column(two.columns.get(spec.name), two.rows)
        for spec in COLUMNS
    )


@pytest.mark.untraced
@settings(deadline=None)
@given(packs())
def test_reading_what_was_written_gives_the_same_pack(pack: Pack) -> None:
    """Every field and every flow comes back exactly, bytes that are not UTF-8 included."""
    again = _read(dump_pack(pack))
    for name in ("id", "name", "description", "author", "created", "severity", "attack"):
        assert getattr(again, name) == getattr(pack, name)
    assert again.references == pack.references
    assert _same(again.flows, pack.flows)
    assert _same(again.not_like, pack.not_like)


def test_the_text_is_readable_and_stable() -> None:
    """Fields in schema order, plain where possible, one flow a braced block; twice the same."""
    assert dump_pack(_read(EXAMPLE)) == EXAMPLE


@settings(deadline=None)
@given(st.text(max_size=80) | st.binary(max_size=40))
def test_quoted_reads_back(value: str | bytes) -> None:
    """Any text or bytes as a scalar inside a flow mapping."""
    try:
        text = quoted(value)
        content = f"- {{a: {text}, b: 1}}".encode()
    except UnicodeEncodeError:
        return  # a lone surrogate is no text
    faults = Faults("f")
    root = parse(content, faults)
    assert not faults
    assert root is not None
    assert not isinstance(root, Scalar | Fields)
    fields = root.items[0]
    assert isinstance(fields, Fields)
    node = fields.items["a"]
    assert isinstance(node, Scalar)
    got = node.value
    if isinstance(value, bytes) and isinstance(got, str):
        got = got.encode()
    assert got == value


@pytest.mark.parametrize("text", ["ssh", "SSH-2.0-x_0.9", "/a/b", "10.0.0.1", "a b", "2001:db8::1"])
def test_simple_texts_stay_plain(text: str) -> None:
    """What needs no quotes gets none."""
    assert quoted(text) == text
