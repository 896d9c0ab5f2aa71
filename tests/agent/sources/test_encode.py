"""Batches → messages."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from metatap.errors import FlowError
from metatap.flow import FlowBatch, Numeric, Strings, from_rows
from metatap.sources import Header, Hello, flows_message, hello_message
from metatap.sources.encode import encode_event, encode_flows
from metatap.sources.zeek_wire import Flows, decode
from tests.agent.flow.samples import flow, plain


def count(value: int) -> bytes:
    """A count by hand."""
    return b"\x02" + struct.pack(">Q", value)


def test_a_message_has_topic_sender_serializer_and_payload() -> None:
    """The topic has the shard in three digits and ends with a dot."""
    topic, sender, serializer, payload = flows_message(plain(1), Header("worker-1", "b", 7))
    assert topic == b"metatap.flows.v1.007.worker-1."
    assert sender
    assert serializer == b"broker-bin-v1"
    assert payload.startswith(
        b"\x0e\x03" + count(1) * 2 + b"\x0e\x02\x05\x0eMetatap::flows\x0e\x06"
    )


def test_a_heartbeat_byte_by_byte() -> None:
    """The form is that of docs/wire.md."""
    hello = Hello(
        "n",
        "b",
        final=True,
        shards=(0, 1),
        batches=(2, 3),
        flows=(4, 5),
        seen=9,
        partials=1,
        filtered=1,
    )
    topic, _, _, payload = hello_message(hello)
    assert topic == b"metatap.hello.v1.n."
    assert payload == b"".join(
        [
            b"\x0e\x03" + count(1) * 2 + b"\x0e\x02\x05\x0eMetatap::hello\x0e\x0a",
            count(1) + b"\x05\x01n\x05\x01b\x01\x01",
            *(b"\x0e\x02" + count(a) + count(b) for a, b in [(0, 1), (2, 3), (4, 5)]),
            count(9) + count(1) * 2,
        ]
    )


def test_the_start_of_a_batch_byte_by_byte() -> None:
    """Header, then the conn record: times, joined uids, their lengths."""
    payload = encode_flows(from_rows([flow(), flow(1)]), Header("n", "b", 1, 2, 3))
    header = [1, 0, 0, 1, 2, 3, 2]
    head = b"\x0e\x07" + count(header[0]) + b"\x05\x01n\x05\x01b"
    head += b"".join(count(value) for value in header[3:])
    times = b"".join(b"\x09" + struct.pack(">q", (1_700_000_000 + at) * 10**9) for at in (0, 1))
    conn = b"\x0e\x16\x0e\x02" + times + b"\x05\x12C00000000C00000001\x0e\x02" + count(9) * 2
    assert head + conn in payload


def test_a_column_every_flow_must_have_is_asked_for() -> None:
    """A flow without an address can't be sent, and no value is made up for it."""
    batch = plain(2)
    columns = {name: col for name, col in batch.columns.items() if name != "id.resp_h"}
    with pytest.raises(FlowError, match=r"id\.resp_h: every flow of conn"):
        encode_flows(FlowBatch(2, columns), Header("n", "b"))
    partly = batch.columns["id.resp_p"]
    assert isinstance(partly, Numeric)
    columns = dict(batch.columns) | {
        "id.resp_p": Numeric(partly.values, np.array([True, False])),
    }
    with pytest.raises(FlowError, match=r"id\.resp_p: "):
        encode_flows(FlowBatch(2, columns), Header("n", "b"))
    with pytest.raises(FlowError, match=r"dns\.queries: every flow of dns"):
        encode_flows(from_rows([flow(dns__query="a.example")]), Header("n", "b"))


def test_bytes_of_absent_strings_are_not_sent() -> None:
    """A masked string may have bytes in memory; on the wire it has none."""
    data = np.frombuffer(b"C1junkC3", np.uint8)
    uid = Strings(np.array([0, 2, 6, 8]), data, np.array([True, False, True]))
    batch = FlowBatch(3, dict(plain(3).columns) | {"uid": uid})
    decoded = decode(flows_message(batch, Header("n", "b")))
    assert isinstance(decoded, Flows)
    column = decoded.batch.strings("uid")
    assert column is not None
    assert [column.item(at) for at in range(3)] == [b"C1", None, b"C3"]


def test_a_missing_bool_is_false() -> None:
    """`partial` is there for every flow; a batch that doesn't say has none."""
    batch = from_rows([flow(partial=None)])
    decoded = decode(flows_message(batch, Header("n", "b")))
    assert isinstance(decoded, Flows)
    partial = decoded.batch.numeric("partial")
    assert partial is not None
    assert partial.values.tolist() == [False]


def test_an_event_of_any_name() -> None:
    """For messages other than the contract's two."""
    assert encode_event("x", [b"\0"]).endswith(b"\x05\x01x\x0e\x01\x00")
