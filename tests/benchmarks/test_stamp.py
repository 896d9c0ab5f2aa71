"""Messages that are sent again as new flows."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.stamp import Ring, flow_number
from benchmarks.traffic import EPHEMERAL, NS, PORTS, Profile, Traffic

from metatap.flow import FlowBatch, to_row
from metatap.sources.options import WireOptions
from metatap.sources.session import WireSession
from metatap.sources.zeek_wire import Flows, decode

RING, ROWS = 512, 64
CHANGED = {"ts", "uid", "id.orig_p", "id.orig_h"}


def ring(hostile: float = 0.1) -> Ring:
    return Ring(Traffic(Profile(hostile=hostile), seed=5), RING, ROWS, node="n1", shard=3)


def received(sender: Ring, messages: int) -> list[Flows]:
    found = []
    for _ in range(messages):
        message = sender.next(2_000_000_000 * NS, 1000.0)
        flows = decode([*message.parts[:3], bytes(message.parts[3])])
        assert isinstance(flows, Flows)
        found.append(flows)
    return found


def test_counts_run_on_over_turns_and_nothing_is_lost() -> None:
    sender, session = ring(), WireSession("test", WireOptions())
    for at in range(20):
        message = sender.next(at * NS, 1000.0)
        session.accept([*message.parts[:3], bytes(message.parts[3])], float(at))
    assert (session.flows.passed, session.flows.dropped) == (20 * ROWS, {})
    assert (session.messages.passed, session.messages.dropped) == (20, {})
    assert sender.flows_sent == 20 * ROWS
    header = received(sender, 1)[0].header
    assert (header.node, header.shard, header.batch) == ("n1", 3, 20)
    assert header.flows_before == 20 * ROWS


def test_a_flow_ends_when_it_is_told_to() -> None:
    sender = ring()
    received(sender, 9)
    batch = received(sender, 1)[0].batch
    starts, duration = batch.numeric("ts"), batch.numeric("duration")
    assert starts is not None
    assert duration is not None
    lasted = np.where(duration.mask(), duration.values, 0).astype(np.int64)
    ends = starts.values.astype(np.int64) + lasted
    assert (ends == 2_000_000_000 * NS + np.arange(ROWS) * NS // 1000).all()


def test_uids_are_never_the_same_and_tell_the_number() -> None:
    found = received(ring(), 3 * RING // ROWS)
    numbers = []
    for flows in found:
        uids = flows.batch.strings("uid")
        assert uids is not None
        numbers += [flow_number((uids.item(row) or b"").decode(), RING) for row in range(ROWS)]
    assert numbers == list(range(3 * RING))


def test_the_second_turn_differs_where_it_should_and_nowhere_else() -> None:
    found = received(ring(), 2 * RING // ROWS)
    half = len(found) // 2
    hosts = ports = 0
    for first, second in zip(found[:half], found[half:], strict=True):
        for row in range(ROWS):
            one, two = to_row(first.batch, row), to_row(second.batch, row)
            differ = {name for name in one | two if one.get(name) != two.get(name)}
            assert differ <= CHANGED
            assert "uid" in differ
            hosts += "id.orig_h" in differ
            ports += "id.orig_p" in differ
    assert 0 < hosts < 0.2 * RING
    assert ports > 0.7 * RING


def test_ports_stay_ephemeral_and_hostile_originators_are_new_each_turn() -> None:
    sender = Ring(Traffic(Profile(hostile=1.0), seed=5), ROWS, ROWS)
    batches: list[FlowBatch] = [flows.batch for flows in received(sender, 30)]
    seen: set[bytes] = set()
    for batch in batches:
        port, address = batch.numeric("id.orig_p"), batch.numeric("id.orig_h")
        assert port is not None
        assert address is not None
        ports = np.asarray(port.values, np.int64)
        assert (ports[ports >= EPHEMERAL] < EPHEMERAL + PORTS).all()
        seen |= {row.tobytes() for row in address.values}
    assert len(seen) == 30 * ROWS


@pytest.mark.parametrize("uid", ["", "C123", "D00000000000000001", "Cabcdefghijklmnopq"])
def test_a_foreign_uid_has_no_number(uid: str) -> None:
    with pytest.raises(ValueError, match="not a uid"):
        flow_number(uid, RING)
