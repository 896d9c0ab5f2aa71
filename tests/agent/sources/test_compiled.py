"""metatap.sources.kernel and compiled: the compiled decoder does what NumPy does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metatap.errors import WireError
from metatap.flow import FlowBatch, Group, Kind, Strings, from_rows
from metatap.flow.schema import group_columns
from metatap.sources import RecordingReader, WireOptions, flows_message
from metatap.sources.joining import BatchJoiner, Joiner, joiner
from metatap.sources.messages import Header, Hello
from metatap.sources.recording_file import Record
from metatap.sources.session import WireSession
from metatap.sources.zeek_wire import FlowsMessage, open_message
from tests.agent.context.streams import needs_numba
from tests.agent.flow.samples import arbitrary, batches, flow, plain
from tests.agent.sources.mutate import RECORDING, Traffic
from tests.agent.sources.samples import Parts

pytestmark = needs_numba

OPTIONS = WireOptions(max_message_bytes=1 << 20, max_rows=1 << 14)
Outcome = Hello | dict[str, int] | tuple[str, str, str]


def message(batch: FlowBatch, number: int = 0) -> Parts:
    return flows_message(batch, Header("node", "boot", 0, number))


def outcome(parts: Parts, into: Joiner, *, keep: bool = True) -> Outcome:
    """What comes of one message: unknown values, or why it is skipped."""
    try:
        opened = open_message(parts, OPTIONS)
        if not isinstance(opened, FlowsMessage):
            return opened
        unknown = into.read(opened)
    except WireError as error:
        return error.reason, error.field, str(error)
    if keep and opened.header.rows:
        into.keep()
    return unknown


def assert_same_columns(one: FlowBatch, two: FlowBatch) -> None:
    """Both have the same columns in the same form, and the same values where there are some."""
    assert one.rows == two.rows
    assert one.origin == two.origin
    assert one.columns.keys() == two.columns.keys()
    for name in two.columns:
        left: Any = one.columns[name]
        right: Any = two.columns[name]
        assert type(left) is type(right), name
        assert (left.valid is None) == (right.valid is None), name
        mask = right.mask()
        np.testing.assert_array_equal(left.mask(), mask, name, strict=True)
        if isinstance(right, Strings):
            np.testing.assert_array_equal(left.offsets, right.offsets, name, strict=True)
            np.testing.assert_array_equal(left.data, right.data, name, strict=True)
        else:
            np.testing.assert_array_equal(left.values[mask], right.values[mask], name, strict=True)


def assert_same_outcome(
    messages: Sequence[Parts], kept: Iterator[bool] | None = None, batch_rows: int = 4096
) -> None:
    """The twin joins these messages as the reference does."""
    one, two = joiner(compiled=True)("wire", batch_rows), BatchJoiner("wire")
    for parts in messages:
        keep = True if kept is None else next(kept)
        assert outcome(parts, one, keep=keep) == outcome(parts, two, keep=keep)
        assert one.rows == two.rows
    if two.rows:
        assert_same_columns(one.take(), two.take())
    assert one.rows == 0


def batched(messages: Iterator[Parts], size: int) -> Iterator[list[Parts]]:
    while some := list(islice(messages, size)):
        yield some


def recorded() -> Iterator[Parts]:
    reader = RecordingReader(RECORDING, 1 << 24)
    with closing(reader):
        for record in reader:
            assert isinstance(record, Record)
            yield list(record.parts)


def test_recording() -> None:
    """Every message of a recording of a real Zeek, alone and seven to a batch."""
    messages = list(recorded())
    for parts in messages:
        assert_same_outcome([parts])
    for some in batched(iter(messages), 7):
        assert_same_outcome(some)


@settings(max_examples=150)
@given(st.lists(batches(40), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_anything_the_schema_allows(parts: list[FlowBatch], random: Any) -> None:
    """Groups of none, some and all flows, any value, bytes and mask; some messages not kept."""
    kept = (random.random() < 0.8 for _ in count())
    assert_same_outcome([message(batch, at) for at, batch in enumerate(parts)], kept)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages(seed: int) -> None:
    """What breaks the contract is skipped for the same reason, naming the same field.

    What came before and what comes after it is whole.
    """
    for messages in batched(Traffic(seed).messages(2500), 9):
        assert_same_outcome(messages)


def test_cut_anywhere() -> None:
    """A message that ends too early is never read beyond its end, nor is anything of it left."""
    topic, sender, serializer, payload = message(arbitrary(np.random.default_rng(3), 4))
    cut = [[topic, sender, serializer, payload[:end]] for end in range(len(payload))]
    assert_same_outcome([message(plain(3)), *cut, message(plain(2, 3))])


def group_of(group: Group, rows: int) -> FlowBatch:
    """Flows of which the last one has the group."""
    values = {Kind.STRING: "x", Kind.BOOL: True}
    summary = {spec.name: values.get(spec.kind, 1) for spec in group_columns(group)}
    return from_rows([flow(at) | (summary if at == rows - 1 else {}) for at in range(rows)])


@pytest.mark.parametrize("group", [group for group in Group if group is not Group.CONN])
def test_a_group_that_comes_and_goes(group: Group) -> None:
    """The rows of the messages that lack it are absent, wherever they stand."""
    bare, some = from_rows([flow(at) for at in range(5)]), group_of(group, 3)
    bad = message(some)
    bad[3] = bad[3][:-1]
    for order in (
        [message(bare), message(some)],
        [message(some), message(bare), message(bare)],
        [message(bare), message(bare), message(some), message(bare), message(some), message(bare)],
        [message(bare), bad, message(bare)],
        [message(some), bad, message(bare), message(some)],
    ):
        assert_same_outcome(order)


def test_unknown_values_are_counted_by_message() -> None:
    """Of states (a foreign word, one with a zero byte, a long one) and of protocols."""
    right = message(from_rows([flow(conn_state=state) for state in ("SF", "S0", "REJ")]))

    def wrong(old: bytes, new: bytes) -> Parts:
        assert right[3].count(old) >= 1
        return [*right[:3], right[3].replace(old, new)]

    assert_same_outcome(
        [
            right,
            wrong(b"SFS0REJ", b"SFS9REJ"),
            wrong(b"SFS0REJ", b"SFS0RE\0"),
            wrong(b"\x01\xbb\x01", b"\x01\xbb\x09"),
            [*right[:3], lengths(right[3], (7, 0, 0))],
            [*right[:3], lengths(right[3], (1, 1, 5))],
            right,
        ]
    )


def lengths(payload: bytes, sizes: tuple[int, int, int]) -> bytes:
    """The states of three flows cut in another way."""
    start = payload.index(b"SFS0REJ") + 7 + 2
    for size in sizes:
        payload = payload[: start + 1] + size.to_bytes(8, "big") + payload[start + 9 :]
        start += 9
    return payload


LONG = b"\x0e\x96\x80\x80\x80\x80\x00"
"""Head of the first group with its length written in six bytes: right, and nothing Zeek writes."""


def odd(batch: FlowBatch) -> Parts:
    parts = message(batch)
    assert parts[3].count(b"\x0e\x16\x0e") == 1
    return [*parts[:3], parts[3].replace(b"\x0e\x16\x0e", LONG + b"\x0e")]


def test_what_only_the_reference_reads_is_joined() -> None:
    """A length in a longer form than need be, before, between and behind usual messages."""
    usual = message(plain(4))
    for order in (
        [odd(plain(3))],
        [odd(plain(3)), usual],
        [usual, odd(plain(3)), odd(plain(1)), usual, usual],
    ):
        assert_same_outcome(order)


@pytest.mark.parametrize("rows", [1, 500])
def test_usual_messages_are_not_read_twice(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest flows there are, and such with everything."""

    def refused(*_: Any) -> None:
        raise AssertionError("read by the reference")

    monkeypatch.setattr(FlowsMessage, "decode", refused)
    small = {"id.orig_h": "::", "id.resp_h": "::", "id.orig_p": 0, "id.resp_p": 0, "proto": "tcp"}
    into = joiner(compiled=True)("wire", 4096)
    for batch in (from_rows([small] * rows), arbitrary(np.random.default_rng(1), rows)):
        assert isinstance(outcome(message(batch), into), dict)
    assert into.take().rows == 2 * rows


def test_odd_messages_hold_little_memory() -> None:
    """Between two of them there is a part of a batch, as small as its flows."""
    into: Any = joiner(compiled=True)("wire", 4096)
    assert outcome(message(plain(4000)), into) == {}
    into.take()
    for _ in range(50):
        for parts in (message(plain(1)), odd(plain(1))):
            assert outcome(parts, into) == {}
    held = {}
    for part in into._parts:
        for column in part.columns.values():
            for name in ("values", "offsets", "data", "valid"):
                array: Any = getattr(column, name, None)
                while isinstance(getattr(array, "base", None), np.ndarray):
                    array = array.base
                if array is not None:
                    held[id(array)] = array.nbytes
    assert into.rows == 100
    assert sum(held.values()) < 1 << 18


@pytest.mark.parametrize("sizes", [(30, 30, 30), (1, 64, 1, 64, 63), (200, 3, 90, 64)])
def test_a_batch_larger_than_the_buffers(sizes: tuple[int, ...], monkeypatch: Any) -> None:
    """It is joined from several."""
    monkeypatch.setattr("metatap.sources.kernel.BLOCK_ROWS", 64)
    rng = np.random.default_rng(7)
    assert_same_outcome([message(arbitrary(rng, rows)) for rows in sizes], batch_rows=100_000)


def test_flows_that_a_message_can_not_hold_take_no_memory() -> None:
    """Buffers are made only once the bytes are there."""
    short = message(plain(2))
    claimed = [*short[:3], short[3].replace(b"\x02" + bytes(7) + b"\x02", b"\x02" + bytes(6) + b"\x20\x00", 1)]  # fmt: skip # noqa: E501
    opened = open_message(claimed)
    assert isinstance(opened, FlowsMessage)
    assert opened.header.rows == 1 << 13
    into: Any = joiner(compiled=True)("wire", 4096)
    with pytest.raises(WireError):
        into.read(opened)
    assert into._block is None


def test_a_batch_is_its_own() -> None:
    """What comes after a batch was taken writes into other buffers."""
    into = joiner(compiled=True)("wire", 64)
    assert outcome(message(plain(20)), into) == {}
    first = into.take()
    before = first.take(np.arange(first.rows))
    for _ in range(3):
        assert outcome(message(plain(20, 500)), into) == {}
    assert into.take().rows == 60
    assert_same_columns(first, before)


def test_a_session_takes_the_twin() -> None:
    """Asked for the reference, a session reads by it; both give the same flows."""
    found = []
    for compiled in (True, False):
        session = WireSession("wire", OPTIONS, compiled=compiled)
        assert isinstance(session._joined, joiner(compiled=compiled))  # type: ignore[arg-type]
        session.accept(message(plain(50)), 0.0)
        session.accept(flows_message(plain(9), Header("node", "boot", 0, 1, 50)), 0.0)
        batch = session.take()
        assert batch is not None
        found.append(batch)
    assert found[0].rows == 59
    assert_same_columns(*found)


def test_one_signature() -> None:
    """Messages of bytes, of a buffer that can be written to, and of none: no compilation."""
    from metatap.sources.compiled import read_message  # noqa: PLC0415 - an optional dependency

    parts: list[Any] = message(plain(7))
    others: list[Any] = [[*parts[:3], bytearray(parts[3])], [*parts[:3], memoryview(parts[3])]]
    assert_same_outcome(others)
    assert len(read_message.signatures) == 1
