"""The wire under fire: whatever comes in, nothing crashes and every skip is counted."""

from __future__ import annotations

import gzip
import json
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from metatap.errors import SourceError
from metatap.features import WIDTH, encode
from metatap.flow import COLUMNS, FlowBatch, Kind, Numeric, Strings, to_row
from metatap.flow.schema import STRING_MAX_BYTES
from metatap.sources import RecordingSource, RecordingWriter, WireOptions
from metatap.sources.recording_file import REASONS as RECORDING_REASONS
from metatap.sources.session import WireSession
from metatap.sources.zeek_wire import REASONS, Flows, decode
from tests.agent.flow.samples import assert_same
from tests.agent.sources.contract import closing
from tests.agent.sources.mutate import HUGE, Template, Traffic, parse, templates
from tests.agent.sources.samples import Parts, Zeek

SEEDS, SESSIONS, MESSAGES = 8, 5, 5000
"""Runs, sessions in each and messages in each of those: 200,000 messages in all."""

OPTIONS = WireOptions(batch_rows=128, max_message_bytes=1 << 15, max_rows=1 << 10)
DOCUMENTED = {*REASONS, "duplicate"}
FLOW_REASONS = {"lost", "duplicate"}

ALWAYS = {"id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "partial"}
"""Columns that every flow has; an unknown value of an enumeration is absent."""

CPU_MAX_S = 0.5
"""Time of the processor for one message, a thousand times what one takes; a loop over a length that
lies takes longer than anyone waits."""

MEMORY_FACTOR, MEMORY_MIN = 16, 64 << 10
"""A message may take so many times its own size while it is read, and so many bytes anyway."""

LOG_LINE_MAX = 4096


class Receiver:
    """A session that is watched: what it passes on is checked and added up.

    Attributes:
        session: The session.
        rows: Flows taken.
    """

    def __init__(self, options: WireOptions = OPTIONS) -> None:
        self.session = WireSession("fuzz", options)
        self.rows = 0

    def feed(self, messages: Iterable[Parts]) -> None:
        """Take the messages in, one every 20 ms, and check everything."""
        accepted, now, spent = 0, 0.0, time.thread_time()
        with capture_logs() as logs:
            for parts in messages:
                begin = time.monotonic()
                self.session.accept(parts, now)
                if time.monotonic() - begin >= CPU_MAX_S:  # or the machine was busy
                    assert time.thread_time() - spent < CPU_MAX_S
                accepted += 1
                now += 0.02
                while self.session.full():
                    self.drain()
                if accepted % 100 == 0:
                    self.session.check(now)
                    spent = time.thread_time()  # dear on some machines, so not for each message
        while self.session.waiting:
            self.drain()
        self.check(accepted, now)
        assert max((len(repr(line)) for line in logs), default=0) < LOG_LINE_MAX

    def drain(self) -> None:
        """One batch."""
        batch = self.session.take()
        assert batch is not None
        check_batch(batch)
        self.rows += batch.rows

    def check(self, accepted: int, now: float) -> None:
        """Nothing is lost without a count, and every reason is a documented one."""
        messages, flows = self.session.messages, self.session.flows
        assert messages.received == accepted
        assert messages.balanced
        assert set(messages.dropped) <= DOCUMENTED
        assert min(messages.dropped.values(), default=1) > 0
        assert flows.balanced
        assert flows.passed == self.rows
        assert set(flows.dropped) <= FLOW_REASONS
        assert min(flows.dropped.values(), default=0) >= 0
        status = self.session.status(now)
        assert status.lost == flows.dropped.get("lost", 0)
        assert status.before_join >= 0
        if not status.forgotten:
            assert sum(node.lost for node in status.nodes) == status.lost
            assert sum(node.passed for node in status.nodes) == flows.passed
            duplicates = sum(node.duplicates for node in status.nodes)
            assert duplicates == flows.dropped.get("duplicate", 0)
            assert sum(node.before_join for node in status.nodes) == status.before_join
        json.dumps(status.report(), allow_nan=False)


def check_batch(batch: FlowBatch) -> None:
    """What is passed on keeps the schema, and what comes after the source can work with it."""
    assert batch.rows > 0
    for spec in COLUMNS:
        column = batch.columns.get(spec.name)
        if isinstance(column, Strings):
            lengths = column.lengths()
            assert column.offsets[0] == 0
            assert lengths.min() >= 0
            assert lengths.max() <= STRING_MAX_BYTES
            assert column.offsets[-1] == len(column.data)
            assert ((lengths > 0) == column.mask()).all()
        elif isinstance(column, Numeric):
            assert column.values.shape[1:] == ((16,) if spec.kind is Kind.ADDR else ())
            assert column.mask().any()
            if spec.kind is Kind.ENUM:
                codes = column.values[column.mask()].tolist()
                assert max(codes) < len(spec.vocabulary)
    for name in ALWAYS:
        assert batch.columns[name].mask().all(), name
    matrix = encode(batch)
    assert matrix.shape == (batch.rows, WIDTH)
    assert not np.isinf(matrix).any()
    for row in {0, batch.rows // 2, batch.rows - 1}:
        assert to_row(batch, row).keys() >= ALWAYS


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(SEEDS))
def test_mutated_messages_are_read_or_skipped_and_counted(seed: int) -> None:
    """Of 200,000 none crashes the session, and every reason there is to skip one has come up."""
    dropped: dict[str, int] = {}
    passed = 0
    for part in range(SESSIONS):
        receiver = Receiver()
        receiver.feed(Traffic(seed * SESSIONS + part).messages(MESSAGES))
        messages = receiver.session.messages
        passed += messages.passed
        for reason, units in messages.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + units
        still_reads(receiver.session)
    # Neither are mutations so crude that nothing gets far, nor so tame that nothing breaks.
    assert SESSIONS * MESSAGES * 0.05 < passed < SESSIONS * MESSAGES * 0.5
    assert set(dropped) == DOCUMENTED
    assert min(dropped.values()) > 50, dropped


def still_reads(session: WireSession) -> None:
    """A Zeek that starts afterwards is read as if nothing had been."""
    template = next(found for found in reversed(templates()) if found.rows)
    parts = template.message(999_999, 0, 0)
    with capture_logs():
        session.accept(parts, 1e6)
    batch = session.take()
    assert batch is not None
    expected = decode(parts)
    assert isinstance(expected, Flows)
    assert_same(batch, expected.batch)
    assert session.take() is None


def test_more_nodes_than_can_be_remembered_are_counted_all_the_same() -> None:
    """Names and boots made up by the thousand, heard of again after they were forgotten."""
    rng = random.Random(1)
    zeeks = [Zeek(f"node-{at % 1500}", f"boot-{at}") for at in range(1800)]
    receiver = Receiver()
    chosen = (rng.choice(zeeks) for _ in range(4000))
    receiver.feed(zeek.batch(1) if rng.random() < 0.2 else zeek.hello() for zeek in chosen)
    assert receiver.session.status(0.0).forgotten > 500
    assert receiver.session.messages.passed == 4000
    still_reads(receiver.session)


def smallest() -> list[Template]:
    """A heartbeat, a batch of one flow and one of three with other protocols."""
    every = templates()
    return [every[0], *(next(each for each in every if each.rows == rows) for rows in (1, 3))]


@pytest.mark.parametrize("at", range(3))
def test_a_cut_message_is_never_read(at: int) -> None:
    """Wherever it is cut, it is skipped, and its flows are lost once the next one comes."""
    template = smallest()[at]
    parts = template.message(0, 0, 0)
    receiver = Receiver(WireOptions(join_s=0))
    receiver.feed([*parts[:3], parts[3][:size]] for size in range(len(parts[3])))
    assert receiver.session.messages.passed == 0
    assert receiver.session.flows.received == 0
    assert set(receiver.session.messages.dropped) == {"too_short"}
    receiver = Receiver(WireOptions(join_s=0))
    receiver.feed([[*parts[:3], parts[3][:-1]], template.message(0, 1, template.rows or 1)])
    # A heartbeat tells of nine flows of another shard as well.
    assert receiver.session.flows.dropped == {"lost": template.rows or 1 + 9}


@pytest.mark.parametrize(("at", "batch_rows"), [(0, 0), (1, 0), (2, 128)])
def test_any_byte_may_be_any_edge(at: int, batch_rows: int) -> None:
    """Each byte of a message in turn, set to where lengths, tags and signs tip, or one less."""
    template = smallest()[at]

    def changed() -> Iterator[Parts]:
        for start in range(len(template.parts[3])):
            # A boot each, lest all but one be duplicates.
            parts = template.message(start, 0, 0)
            payload = parts[3]
            old = payload[start]
            for byte in {0x00, 0x7F, 0x80, 0xFF, old ^ 1, (old - 1) % 256} - {old}:
                yield [*parts[:3], payload[:start] + bytes((byte,)) + payload[start + 1 :]]

    receiver = Receiver(replace(OPTIONS, batch_rows=batch_rows))
    receiver.feed(changed())
    assert receiver.session.messages.passed > len(template.parts[3]) / 10


def test_the_tree_of_a_message_is_all_of_it() -> None:
    """The mutations that know the format reach every byte of every message."""
    assert {each.rows for each in templates()} == {0, 1, 2, 3, 5, 8}
    for template in templates():
        assert parse(template.parts[3]).end == len(template.parts[3])
    groups = [parse(each.parts[3]).parts[2].parts[1].parts for each in templates() if each.rows]
    for group in range(1, 6):
        assert any(message[group].parts[0].size for message in groups), "a protocol never occurs"


@contextmanager
def traced() -> Iterator[None]:
    """Allocations are measured."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def peak(session: WireSession, parts: Parts) -> int:
    """Bytes allocated at most while the message was taken in."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    session.accept(parts, 0.0)
    return tracemalloc.get_traced_memory()[1] - before


def bound(parts: Parts) -> int:
    """Bytes that this message may take while it is read."""
    return MEMORY_MIN + MEMORY_FACTOR * sum(map(len, parts))


@pytest.mark.untraced
def test_no_message_takes_more_memory_than_its_size_allows() -> None:
    """Whatever is mutated in it, a small multiple of its bytes suffices."""
    session = WireSession("fuzz", WireOptions())
    with capture_logs(), traced():
        for parts in Traffic(1000).messages(4000):
            assert peak(session, parts) < bound(parts)
            session.discard("read")
    assert session.messages.balanced
    assert session.flows.balanced


@pytest.mark.parametrize("value", [*HUGE, 50_000])
def test_a_number_that_lies_allocates_nothing(value: int) -> None:
    """A kilobyte that speaks of 2^60 rows, in any of its numbers and lengths, stays a kilobyte."""
    template = next(each for each in templates() if each.rows == 3)
    parts = template.message(0, 0, 0)
    payload = parts[3]
    session = WireSession("fuzz", WireOptions())
    length = bytes((value >> 7 * at & 0x7F) | 0x80 for at in range(9)) + bytes((value >> 63,))
    with capture_logs(), traced():
        for each in template.numbers:
            lying = payload[: each.body] + struct.pack(">Q", value) + payload[each.end :]
            assert peak(session, [*parts[:3], lying]) < bound(parts)
            session.discard("read")
        passed = session.messages.passed
        for each in template.values:
            lying = payload[: each.start + 1] + length + payload[each.body :]
            assert peak(session, [*parts[:3], lying]) < bound(parts)
    assert session.messages.passed == passed, "no length may lie"
    assert session.messages.balanced


PART = st.binary(max_size=60)
REAL = st.sampled_from(templates()).map(lambda template: template.message(0, 0, 0))
EDITS = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 12), st.binary(max_size=12)))


@settings(max_examples=500)
@given(st.lists(st.lists(PART, max_size=6), max_size=6))
def test_arbitrary_parts_are_skipped(messages: list[Parts]) -> None:
    """Random bytes are no message, in any number of parts."""
    receiver = Receiver()
    receiver.feed(messages)
    assert receiver.session.messages.passed == 0


@settings(max_examples=500)
@given(REAL, PART)
def test_arbitrary_payloads_are_skipped(parts: Parts, payload: bytes) -> None:
    """Random bytes under a topic and a serializer that are right."""
    receiver = Receiver()
    receiver.feed([[*parts[:3], payload]])
    assert receiver.session.messages.passed == 0


@pytest.mark.untraced
@settings(max_examples=1000)
@given(st.lists(st.tuples(REAL, EDITS), min_size=1, max_size=4), st.integers(0, 64))
def test_any_edit_of_real_messages_is_survived(
    edited: list[tuple[Parts, list[tuple[int, int, bytes]]]], batch_rows: int
) -> None:
    """A few pieces replaced, whichever and by whatever."""
    messages = []
    for parts, edits in edited:
        payload = parts[3]
        for start, size, new in edits:
            at = start % (len(payload) + 1)
            payload = payload[:at] + new + payload[at + size :]
        messages.append([*parts[:3], payload])
    Receiver(WireOptions(batch_rows=batch_rows)).feed(messages)


def played(path: Path) -> RecordingSource | None:
    """The recording read to its end and checked; None if it is refused at once."""
    try:
        source = RecordingSource(path, OPTIONS)
    except SourceError:
        return None
    rows = 0
    with capture_logs(), closing(source):
        for _ in range(1000):
            batch = source.read(0)
            if batch is None:
                break
            check_batch(batch)
            rows += batch.rows
        assert source.done
        json.dumps(source.status(), allow_nan=False)
    assert source.messages.balanced
    assert source.flows.balanced
    assert source.flows.passed == rows
    assert set(source.messages.dropped) <= DOCUMENTED | set(RECORDING_REASONS)
    assert set(source.flows.dropped) <= FLOW_REASONS
    return source


def resealed(rng: random.Random, data: bytes, records: list[tuple[int, int]]) -> bytes:
    """A record with other bytes in its body, time or length, under a checksum that is right."""
    start, end = rng.choice(records)
    body = bytearray(data[start + 16 : end])
    at = rng.randrange(len(body) + 1)
    new = rng.choice((b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\1"))
    body[at : at + rng.choice((len(new), 0))] = new
    if rng.random() < 0.3 and len(body) >= 4:  # the length of the first part
        struct.pack_into(">I", body, 0, rng.choice((0, 1, 2**31, 2**32 - 1)))
    head = struct.pack(">QI", rng.choice((0, 5, 2**63, 2**64 - 1)), len(body))
    crc = zlib.crc32(bytes(body), zlib.crc32(head))
    return data[:start] + head + struct.pack(">I", crc) + bytes(body) + data[end:]


def mangled(rng: random.Random, data: bytes) -> bytes:
    """Bytes with one piece changed, cut out, put in or cut off."""
    at = rng.randrange(len(data) + 1)
    size = rng.choice((0, 1, 1, 1, 4, 16, 200))
    new = rng.choice((b"", rng.randbytes(size), b"\xff" * size, data[at : at + size] * 2))
    return data[:at] if rng.random() < 0.1 else data[:at] + new + data[at + size :]


def records_of(data: bytes) -> list[tuple[int, int]]:
    """Start and end of each record of a sound recording, uncompressed."""
    found, at = [], 16
    while at < len(data):
        end = at + 16 + struct.unpack_from(">QI", data, at)[1]
        found.append((at, end))
        at = end
    return found


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(4))
def test_mutated_recordings_are_read_as_far_as_they_go(tmp_path: Path, seed: int) -> None:
    """Of 4,000 files, damaged before or after compression, each is refused or read to its end."""
    rng, traffic = random.Random(seed), Traffic(2000 + seed)
    path = tmp_path / "a.mtrec"
    dropped: set[str] = set()
    refused = passed = 0
    for at in range(1000):
        if at % 50 == 0:
            with RecordingWriter(path, started_ns=7) as writer:
                for number, parts in enumerate(traffic.messages(8)):
                    writer.write(number * 1_000_000, parts)
            packed = path.read_bytes()
            data = gzip.decompress(packed)
            records = records_of(data)
        chance = rng.random()
        if chance < 0.3:
            path.write_bytes(mangled(rng, packed))
        elif chance < 0.6:
            path.write_bytes(gzip.compress(mangled(rng, data), 1))
        else:
            path.write_bytes(gzip.compress(resealed(rng, data, records), 1))
        source = played(path)
        if source is None:
            refused += 1
            continue
        passed += source.messages.passed
        dropped |= set(source.messages.dropped)
    assert 0 < refused < 500
    assert passed > 500
    assert dropped >= {*RECORDING_REASONS, "parts", "too_big", "too_short"}
