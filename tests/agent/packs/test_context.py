"""metatap.packs.context: contexts in pack files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from metatap.context import CONTEXT_NAMES, CONTEXT_WIDTH
from metatap.context.layout import CONTEXT_FEATURES, SPREAD_MAX
from metatap.errors import PackError
from metatap.flow import COLUMNS, Kind, from_rows
from metatap.packs import Pack, Severity, dump_pack, load_pack, parse_pack
from metatap.packs.context import MAX_VALUE, ZERO
from metatap.packs.flows import MAX_FLOWS

TEXT = """\
pack: 1
id: ssh-bruteforce
name: SSH brute force
created: 2026-11-24
severity: high
context_version: 1
flows:
  - {uid: C1, proto: tcp, context: {host.flows.s: 12.3, pair.gap: 60011, host.gap: ~}}
  - {uid: C2, proto: tcp}
not_like: [{uid: C3, proto: udp,
  context: {host.gap_spread: 0.5}}]
"""

HEAD = Pack(
    id="full-pack",
    name="Full",
    description="",
    author="",
    created=date(2026, 11, 24),
    severity=Severity.LOW,
    attack=(),
    references=(),
    flows=from_rows([{"uid": "C0", "proto": "tcp"}]),
)


def _at(name: str) -> int:
    return CONTEXT_NAMES.index(f"context.{name}")


def _load(text: str) -> Pack:
    return parse_pack(text.encode(), "p.yaml")


def test_a_context_is_read_by_name() -> None:
    """Values land in the columns of their features; what is not named, or null, is absent."""
    pack = _load(TEXT)
    assert pack.context is not None
    assert pack.context.shape == (2, CONTEXT_WIDTH)
    assert pack.context.dtype == np.float32
    known = {_at("host.flows.s"): np.float32(12.3), _at("pair.gap"): np.float32(60011)}
    for column in range(CONTEXT_WIDTH):
        assert pack.context[0, column] == known.get(column) or column not in known
    assert np.flatnonzero(~np.isnan(pack.context[0])).tolist() == sorted(known)
    assert np.isnan(pack.context[1]).all()
    assert pack.not_like_context is not None
    assert pack.not_like_context[0, _at("host.gap_spread")] == np.float32(0.5)


def test_a_pack_without_contexts_has_none() -> None:
    """No context, an empty one or one of nulls only: None, and no version is needed."""
    for given_ in ("", ", context: {}", ", context: ~"):
        pack = _load(f"{TEXT.partition('context_version')[0]}flows: [{{proto: tcp{given_}}}]\n")
        assert pack.context is None
        assert pack.not_like_context is None
        assert pack.context_ignored == 0
    pack = _load(TEXT.partition("flows:")[0] + "flows: [{proto: tcp, context: {host.gap: ~}}]")
    assert pack.context is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            "host.flows.s",
            "host.flow.s",
            "context.host.flow.s: not a feature of the context, did you mean host.flows.s?",
        ),
        ("host.flows.s", "context.host.flows.s", "context.host.flows.s: not a feature of the con"),
        ("12.3", "-1", "p.yaml:8: flows[0].context.host.flows.s: -1: must be from 0 to 1e+15"),
        ("12.3", "1.1e15", "flows[0].context.host.flows.s: 1.1e15: must be from 0 to 1e+15"),
        ("12.3", "many", "flows[0].context.host.flows.s: many: must be a number"),
        ("12.3", ".nan", "flows[0].context.host.flows.s: .nan: must be a number"),
        ("12.3", "1e999", "flows[0].context.host.flows.s: 1e999: must be a number"),
        ("12.3", "true", "flows[0].context.host.flows.s: true: must be a number"),
        ("12.3", "[1]", "flows[0].context.host.flows.s: must be one number, is a list"),
        ("0.5", "4.1", "p.yaml:11: not_like[0].context.host.gap_spread: 4.1: must be from 0 to 4"),
        ("{host.gap_spread: 0.5}", "0.5", "not_like[0].context: must be a mapping of features"),
        ("context_version: 1\n", "", "p.yaml:7: context_version: missing, a flow has a context"),
        ("_version: 1", "_version: 0", "p.yaml:6: context_version: must be a whole number, 1 for"),
        ("_version: 1", "_version: x", "p.yaml:6: context_version: must be a whole number, 1 for"),
        (
            "_version: 1",
            "_version: true",
            "p.yaml:6: context_version: must be a whole number, 1 for",
        ),
        ("context: {host.flows", "contxt: {host.flows", "not a field of a flow, did you mean con"),
    ],
)
def test_a_fault_names_line_flow_and_field(old: str, new: str, fault: str) -> None:
    """Each fault of a context says where it is and what would be right."""
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    with pytest.raises(PackError) as caught:
        _load(text)
    assert any(fault in found for found in caught.value.faults), caught.value.faults


def test_a_missing_version_is_told_once() -> None:
    """Two flows with contexts and no version are one fault, not two."""
    with pytest.raises(PackError) as caught:
        _load(TEXT.replace("context_version: 1\n", ""))
    assert len(caught.value.faults) == 1


def test_contexts_of_another_version_are_not_used() -> None:
    """Their names may be unknown: the pack is read without them, and the log says so."""
    text = TEXT.replace("context_version: 1", "context_version: 2").replace("pair.gap", "pair.new")
    with capture_logs() as logs:
        pack = _load(text)
    assert pack.context is None
    assert pack.not_like_context is None
    assert pack.context_ignored == 2
    assert pack.flows.rows == 2
    assert [(item["event"], item["pack"], item["version"]) for item in logs] == [
        ("pack_context_ignored", "ssh-bruteforce", 2)
    ]


def test_a_version_without_contexts_is_no_reason_to_warn() -> None:
    """Where no flow has a context there is nothing to ignore."""
    head = TEXT.partition("context_version")[0]
    with capture_logs() as logs:
        pack = _load(f"{head}context_version: 2\nflows: [{{proto: tcp}}]\n")
    assert pack.context_ignored == 0
    assert logs == []


VALUES = st.floats(0, float(np.float32(MAX_VALUE)), width=32) | st.sampled_from(
    [0.0, 1.0, ZERO, 99999.5, 0.1]
)


@st.composite
def contexts(draw: st.DrawFn, rows: int) -> npt.NDArray[np.float32]:
    """Contexts of so many flows, with gaps."""
    found = np.full((rows, CONTEXT_WIDTH), np.nan, np.float32)
    for row in range(rows):
        for column in draw(st.sets(st.integers(0, CONTEXT_WIDTH - 1), max_size=6)):
            share = CONTEXT_FEATURES[column].share
            found[row, column] = draw(st.floats(0, SPREAD_MAX, width=32) if share else VALUES)
    return found


@settings(deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(0, 3))
def test_contexts_come_back_rounded_and_then_exactly(
    data: st.DataObject, rows: int, counter: int
) -> None:
    """Written and read, values agree to five digits; written again, the text is the same."""
    pack = replace(
        HEAD,
        flows=from_rows([{"uid": f"C{at}"} for at in range(rows)]),
        context=data.draw(contexts(rows)),
        not_like=from_rows([{"uid": f"D{at}"} for at in range(counter)]) if counter else None,
        not_like_context=data.draw(contexts(counter)) if counter else None,
    )
    text = dump_pack(pack)
    again = _load(text)
    for name in ("context", "not_like_context"):
        given_, got = getattr(pack, name), getattr(again, name)
        if given_ is None or np.isnan(given_).all():
            assert got is None
        else:
            np.testing.assert_allclose(got, given_, rtol=5.1e-5, atol=ZERO)
    assert dump_pack(again) == text


def test_a_context_is_readable() -> None:
    """Short names, no exponents, five digits, on a line of its own and not over the width."""
    values = np.full((1, CONTEXT_WIDTH), np.nan, np.float32)
    values[0, _at("host.flows.s")] = 12.3
    values[0, _at("pair.gap")] = 12_345_678.0
    values[0, _at("host.failed.h")] = 1e-9
    text = dump_pack(replace(HEAD, context=values))
    assert text.endswith(
        "context_version: 1\nflows:\n  - {uid: C0, proto: tcp,\n"
        "     context: {host.flows.s: 12.3, host.failed.h: 0, pair.gap: 12346000}}\nnot_like: []\n"
    )
    values[:] = 1234.5
    values[0, [feature.share for feature in CONTEXT_FEATURES]] = 0.12345
    text = dump_pack(replace(HEAD, context=values))
    assert max(map(len, text.splitlines())) <= 100


def test_a_full_pack_can_be_read(tmp_path: Path) -> None:
    """64 flows and 64 counter-examples with every field and a whole context are within limits."""
    row: dict[str, object] = {}
    for spec in COLUMNS:
        row[spec.name] = {
            Kind.TIME: 1_700_000_000.123456,
            Kind.INTERVAL: 1234.567891,
            Kind.COUNT: 2**63,
            Kind.PORT: 65535,
            Kind.BOOL: True,
            Kind.ENUM: (spec.vocabulary or ("",))[-1],
            Kind.ADDR: "2001:db8:1111:2222:3333:4444:5555:6666",
            Kind.STRING: "x" * 256,
        }[spec.kind]
    values = np.full((MAX_FLOWS, CONTEXT_WIDTH), 0.98765, np.float32)
    pack = replace(
        HEAD,
        flows=from_rows([row | {"uid": f"C{at}"} for at in range(MAX_FLOWS)]),
        not_like=from_rows([row | {"uid": f"D{at}"} for at in range(MAX_FLOWS)]),
        context=values,
        not_like_context=values,
    )
    path = tmp_path / "full.yaml"
    path.write_text(dump_pack(pack))
    again = load_pack(path)
    assert again.not_like is not None
    assert again.not_like_context is not None
    assert (again.flows.rows, again.not_like.rows) == (MAX_FLOWS, MAX_FLOWS)
    np.testing.assert_allclose(again.not_like_context, values, rtol=1e-6)
