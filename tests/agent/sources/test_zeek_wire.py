"""Messages → batches: the contract, and what is done with what breaks it."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import WireError
from metatap.flow import FlowBatch, Origin
from metatap.sources import Header, Hello, WireOptions, flows_message, hello_message
from metatap.sources.broker_bin import varbyte
from metatap.sources.encode import encode_event
from metatap.sources.messages import COUNT_MAX
from metatap.sources.zeek_wire import REASONS, Flows, FlowsMessage, decode, open_message
from tests.agent.flow.samples import arbitrary, assert_same, batches, plain
from tests.agent.sources.samples import Parts, damaged

HEADER = Header("worker-1", "boot-1", shard=3, batch=9, flows_before=70)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
COUNTS = st.integers(0, COUNT_MAX - 1)


def flows_of(parts: Parts) -> Flows:
    """The decoded batch of a message."""
    decoded = decode(parts)
    assert isinstance(decoded, Flows)
    return decoded


def refused(parts: Parts, options: WireOptions | None = None) -> tuple[str, str]:
    """Reason and field for which the message is refused."""
    with pytest.raises(WireError) as caught:
        decode(parts, options)
    assert caught.value.reason in REASONS
    return caught.value.reason, caught.value.field


def edited(parts: Parts, old: bytes, new: bytes) -> Parts:
    """The message with one piece of its payload replaced, which must be there once."""
    assert parts[3].count(old) == 1
    return [*parts[:3], parts[3].replace(old, new)]


def count(value: int) -> bytes:
    """A count on the wire."""
    return b"\x02" + value.to_bytes(8, "big")


@given(batches(), st.sampled_from(["", "zeek+zmq"]))
def test_any_batch_comes_back(batch: FlowBatch, source: str) -> None:
    """Whatever the schema allows is decoded to the same values and masks."""
    message = open_message(flows_message(batch, HEADER))
    assert isinstance(message, FlowsMessage)
    assert message.header == replace(HEADER, rows=batch.rows)
    decoded = message.decode(source)
    assert_same(decoded.batch, batch)
    assert decoded.unknown == {}
    assert decoded.batch.origin == Origin(source, "worker-1", 9)


@given(
    st.builds(
        Hello,
        node=TEXT,
        boot=TEXT,
        final=st.booleans(),
        seen=COUNTS,
        partials=COUNTS,
        filtered=COUNTS,
    ),
    st.dictionaries(st.integers(0, 999), st.tuples(COUNTS, COUNTS), max_size=5),
)
def test_any_heartbeat_comes_back(hello: Hello, totals: dict[int, tuple[int, int]]) -> None:
    """Names in any script, any counts below 2^63."""
    told = replace(
        hello,
        shards=tuple(totals),
        batches=tuple(batches for batches, _ in totals.values()),
        flows=tuple(flows for _, flows in totals.values()),
    )
    assert decode(hello_message(told)) == told


def test_a_message_is_decoded_once() -> None:
    """The cursor is at its end then."""
    message = open_message(flows_message(plain(1), HEADER))
    assert isinstance(message, FlowsMessage)
    message.decode()
    with pytest.raises(RuntimeError):
        message.decode()


def test_buffers_of_any_kind_are_read() -> None:
    """ZeroMQ gives memoryviews."""
    views = [memoryview(bytearray(part)) for part in flows_message(plain(2), HEADER)]
    decoded = decode(views)
    assert isinstance(decoded, Flows)
    assert_same(decoded.batch, plain(2))


def test_metadata_behind_the_arguments_is_passed_over() -> None:
    """Zeek can append the network time to an event."""
    parts = flows_message(plain(2), HEADER)
    payload = parts[3].replace(b"\x0e\x02\x05", b"\x0e\x03\x05", 1)
    metadata = b"\x0d\x01" + count(1) + b"\x09" + b"\0" * 8
    assert_same(flows_of([*parts[:3], payload + metadata]).batch, plain(2))
    assert refused([*parts[:3], payload])[1] == "event.metadata"


def test_every_damage_has_its_reason() -> None:
    """What `samples.damaged` breaks is refused for what was broken."""
    for parts in (flows_message(plain(3), HEADER), hello_message(Hello("n", "b"))):
        for reason, broken in damaged(parts):
            assert refused(broken)[0] == reason


def test_sizes_are_bounded_before_anything_is_read() -> None:
    """100 MB are refused by their size, many rows by the header."""
    parts = flows_message(plain(3), HEADER)
    assert refused([*parts[:3], bytes(100 << 20)]) == ("too_big", "message")
    assert refused([b"t" * (17 << 20), *parts[1:]]) == ("too_big", "message")
    assert refused(parts, WireOptions(max_rows=2)) == ("too_big", "flows.header.rows")
    assert refused(parts, WireOptions(max_message_bytes=100)) == ("too_big", "message")


@pytest.mark.parametrize("node", [b"\xff\xff", b"n" * 257])
def test_a_bad_node_name_is_refused(node: bytes) -> None:
    """Node and boot id are short UTF-8."""
    parts = flows_message(plain(1), Header("worker-1", "b"))
    name = b"\x05" + varbyte(len(node)) + node
    reason, field = refused(edited(parts, b"\x05\x08worker-1", name))
    assert reason == ("not_utf8" if node[0] == 0xFF else "too_big")
    assert field == "flows.header.node"


def test_another_version_is_refused_whatever_else_is_in_it() -> None:
    """The version is read before sizes are compared, since a later one may have more fields."""
    parts = flows_message(plain(1), replace(HEADER, version=2))
    assert refused(parts) == ("version", "flows.header.version")
    event = encode_event("Metatap::flows", [b"\x0e\x09" + count(3) + b"\0" * 8, b"\0"])
    assert refused([*parts[:3], event]) == ("version", "flows.header.version")
    assert refused(hello_message(Hello("n", "b", version=2))) == ("version", "hello.version")


def test_events_that_are_not_ours_are_refused() -> None:
    """The topic may be ours and the event not."""
    parts = flows_message(plain(1), HEADER)
    assert refused([*parts[:3], encode_event("Other::event", [])]) == ("event", "event.name")
    assert refused([*parts[:3], parts[3].replace(count(1), count(2), 1)]) == (
        "event",
        "event.protocol",
    )
    assert refused([*parts[:3], encode_event("Metatap::hello", [count(1)])]) == ("length", "hello")
    event = encode_event("Metatap::flows", [b"\x0e\x01" + count(1)])
    assert refused([*parts[:3], event]) == ("length", "flows")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"shard": 1000}, "flows.header.shard"),
        ({"batch": COUNT_MAX}, "flows.header.batch"),
        ({"flows_before": 2**64 - 1}, "flows.header.flows_before"),
    ],
)
def test_numbers_of_the_header_are_bounded(change: dict[str, int], field: str) -> None:
    """A sum of two counts never overflows, and there are a thousand shards."""
    parts = flows_message(plain(1), HEADER)
    payload = parts[3].replace(
        count(HEADER.shard) + count(HEADER.batch) + count(HEADER.flows_before),
        b"".join(
            count(change.get(name, getattr(HEADER, name)))
            for name in ("shard", "batch", "flows_before")
        ),
    )
    assert refused([*parts[:3], payload]) == ("range", field)


def test_the_totals_of_a_heartbeat_belong_to_different_shards() -> None:
    """Three vectors of one length, no shard twice."""
    twice = Hello("n", "b", shards=(1, 1), batches=(0, 0), flows=(0, 0))
    assert refused(hello_message(twice)) == ("range", "hello.shards")
    uneven = Hello("n", "b", shards=(1, 2), batches=(0,), flows=(0, 0))
    assert refused(hello_message(uneven)) == ("length", "hello.batches")
    many = Hello("n", "b", shards=tuple(range(1001)))
    assert refused(hello_message(many)) == ("range", "hello.shards")


def test_a_batch_of_no_flows_is_decoded() -> None:
    """Zero rows are no error."""
    assert flows_of(flows_message(FlowBatch(0, {}), HEADER)).batch.rows == 0


def test_each_cut_is_refused() -> None:
    """However short a message is, it is refused, and only for what is missing."""
    parts = flows_message(arbitrary(np.random.default_rng(5), 6), HEADER)
    for size in range(len(parts[3])):
        assert refused([*parts[:3], parts[3][:size]])[0] == "too_short"


def mutate(rng: random.Random, payload: bytes) -> bytes:
    """A copy with a few bits flipped, bytes set to telling values, or a piece cut or doubled."""
    data = bytearray(payload)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        action = rng.randrange(5)
        if action == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            data[at] = rng.choice((0x00, 0x02, 0x05, 0x0E, 0x7F, 0x80, 0xFF))
        elif action == 2:
            data[at : at + 10] = b"\xff" * rng.randint(1, 10)
        elif action == 3:
            del data[at : at + rng.randint(1, 30)]
        else:
            data[at:at] = data[at : at + rng.randint(1, 30)]
        if not data:
            return b""
    return bytes(data)


def mutants(seed: int, number: int) -> Iterator[Parts]:
    """Damaged batches and heartbeats."""
    rng, made = random.Random(seed), np.random.default_rng(seed)
    originals = [
        *(flows_message(arbitrary(made, rows), HEADER) for rows in (1, 3, 20)),
        hello_message(Hello("n", "b", shards=(0, 1), batches=(1, 2), flows=(3, 4))),
    ]
    for _ in range(number):
        parts = rng.choice(originals)
        yield [*parts[:3], mutate(rng, parts[3])]


def faults(messages: Iterator[Parts]) -> list[WireError]:
    """The errors of those that are refused."""
    found: list[WireError] = []
    for parts in messages:
        try:
            decode(parts)
        except WireError as error:
            found.append(error.with_traceback(None))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_never_do_harm(seed: int) -> None:
    """20,000 damaged messages: decoded, or refused with a reason and a field; nothing else."""
    found = faults(mutants(seed, 5000))
    assert len(found) > 1000
    assert {fault.reason for fault in found} <= set(REASONS)
    assert all(fault.field for fault in found)


def test_mutated_messages_take_little_memory() -> None:
    """No length of a message of a few kilobytes makes the decoder reserve megabytes."""
    messages = mutants(9, 1000)
    faults(itertools.islice(messages, 50))
    tracemalloc.start()
    try:
        faults(messages)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
