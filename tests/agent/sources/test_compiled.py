"""metatap.sources.kernel, compiled and group_reader: the compiled decoder does what NumPy does."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs

from metatap.errors import WireError
from metatap.flow import FlowBatch, Strings
from metatap.sources import RecordingReader, WireOptions, flows_message
from metatap.sources.group_reader import group_reader
from metatap.sources.messages import Header, Hello
from metatap.sources.recording_file import Record
from metatap.sources.session import WireSession
from metatap.sources.wire_columns import read_group
from metatap.sources.zeek_wire import Flows, FlowsMessage, ReadGroup, open_message
from tests.agent.context.streams import needs_numba
from tests.agent.flow.samples import batches, plain
from tests.agent.sources.mutate import RECORDING, Traffic
from tests.agent.sources.samples import Parts

pytestmark = needs_numba

OPTIONS = WireOptions(max_message_bytes=1 << 20, max_rows=1 << 14)


def outcome(parts: Parts, read: ReadGroup) -> Flows | Hello | tuple[str, str, str]:
    try:
        message = open_message(parts, OPTIONS)
        return message.decode("wire", read) if isinstance(message, FlowsMessage) else message
    except WireError as error:
        return error.reason, error.field, str(error)


def assert_same_outcome(parts: Parts) -> None:
    got, expected = outcome(parts, group_reader(compiled=True)), outcome(parts, read_group)
    if not (isinstance(got, Flows) and isinstance(expected, Flows)):
        assert got == expected
        return
    assert got.unknown == expected.unknown
    assert list(got.batch.columns) == list(expected.batch.columns)
    for name, two in expected.batch.columns.items():
        one: Any = got.batch.columns[name]
        assert type(one) is type(two), name
        arrays = ("offsets", "data") if isinstance(two, Strings) else ("values",)
        for array in arrays:
            np.testing.assert_array_equal(
                getattr(one, array), getattr(two, array), name, strict=True
            )
        assert (one.valid is None) == (two.valid is None), name
        np.testing.assert_array_equal(one.mask(), two.mask(), name, strict=True)


def test_recording() -> None:
    """Every message of a recording of a real Zeek."""
    reader = RecordingReader(RECORDING, 1 << 24)
    with closing(reader):
        for record in reader:
            assert isinstance(record, Record)
            assert_same_outcome(list(record.parts))


@settings(max_examples=150)
@given(batches(80))
def test_anything_the_schema_allows(batch: FlowBatch) -> None:
    """Groups of none, some and all flows, any value, any bytes, any mask."""
    assert_same_outcome(flows_message(batch, Header("node", "boot", rows=batch.rows)))


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages(seed: int) -> None:
    """What breaks the contract is skipped for the same reason, naming the same field."""
    for parts in Traffic(seed).messages(2500):
        assert_same_outcome(parts)


def test_cut_anywhere() -> None:
    """A message that ends too early is never read beyond its end."""
    topic, sender, serializer, payload = flows_message(plain(4), Header("node", "boot", rows=4))
    for end in range(len(payload)):
        assert_same_outcome([topic, sender, serializer, payload[:end]])


def test_a_session_takes_the_twin() -> None:
    """Asked for the reference, a session reads by it; both give the same flows."""
    parts = flows_message(plain(50), Header("node", "boot", rows=50))
    found = []
    for compiled in (True, False):
        session = WireSession("wire", OPTIONS, compiled=compiled)
        assert session._read_group is group_reader(compiled=compiled)
        session.accept(parts, 0.0)
        found.append(session.take())
    assert found[0] is not None
    assert found[1] is not None
    assert list(found[0].columns) == list(found[1].columns)


def test_one_signature() -> None:
    """Messages of bytes, of a buffer that can be written to, and of none: no compilation."""
    from metatap.sources.compiled import read_rows  # noqa: PLC0415 - an optional dependency

    parts = flows_message(plain(7), Header("node", "boot", rows=7))
    assert_same_outcome([*parts[:3], bytearray(parts[3])])  # type: ignore[list-item]
    assert_same_outcome([*parts[:3], memoryview(parts[3])])  # type: ignore[list-item]
    assert len(read_rows.signatures) == 1


def test_a_twin_that_is_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that loses a column is compiled anew; if that doesn't help, the reference reads."""
    from metatap.sources import kernel  # noqa: PLC0415 - an optional dependency

    anew: list[bool] = []
    right = kernel.read_group

    def wrong(*given: Any) -> None:
        right(*given)
        given[3].pop("duration", None)

    monkeypatch.setattr(kernel, "recompile", lambda: anew.append(True))
    monkeypatch.setattr(kernel, "read_group", wrong)
    with capture_logs() as events:
        assert group_reader.__wrapped__() is read_group
    assert anew == [True]
    assert [event["event"] for event in events] == ["twin_not_used"]


def test_numba_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken numba costs speed, not flows: the reference reads, an event says why."""
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("kernel", "compiled"):
        monkeypatch.delitem(sys.modules, f"metatap.sources.{name}", raising=False)
    monkeypatch.setattr("metatap.compiling.find_spec", lambda _: object())
    with capture_logs() as events:
        assert group_reader.__wrapped__() is read_group
    assert [event["event"] for event in events] == ["twin_not_used"]
