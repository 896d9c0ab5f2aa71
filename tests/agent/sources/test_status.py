"""What the log is told of a source."""

from __future__ import annotations

import json
from typing import Any

import pytest

from metatap.sources import WireOptions, flows_message
from metatap.sources.nodes import REPORT_NODES, REPORT_SHARDS
from metatap.sources.session import WireSession
from tests.agent.flow.samples import plain
from tests.agent.sources.samples import Zeek
from tests.agent.sources.test_session import feed, session


def report(of: WireSession, now: float = 0.0) -> dict[str, Any]:
    """The report, through JSON."""
    told: dict[str, Any] = json.loads(json.dumps(of.status(now).report()))
    return told


def test_losses_are_told_by_node_and_shard() -> None:
    """With the state of each node and what it had sent before."""
    receiver, zeek = WireSession("test", WireOptions()), Zeek()
    zeek.batch(100)
    zeek.batch(2, shard=7)
    heard = [zeek.batch(3)]
    zeek.batch(4)
    heard.append(zeek.batch(1))
    feed(receiver, heard)
    told = report(receiver, 1.26)
    assert told == {
        "nodes": [
            {
                "node": "worker-1",
                "boot": "boot-1",
                "state": "active",
                "seen_s_ago": 1.3,
                "passed": 4,
                "lost": 4,
                "lost_by_shard": {"0": 4},
                "duplicates": 0,
                "before_join": 100,
                "restarts": 0,
                "unfinished": 0,
            }
        ],
        "more_nodes": 0,
        "lost": 4,
        "before_join": 100,
        "unknown_values": {},
        "forgotten": 0,
        "bytes": sum(len(part) for parts in heard for part in parts),
    }


def test_unknown_values_are_told_by_column() -> None:
    """As many flows as had one."""
    receiver, zeek = session(), Zeek()
    parts = flows_message(plain(1), zeek.header(1))
    receiver.accept([*parts[:3], parts[3].replace(b"\x05\x02SF", b"\x05\x02S9")], 0.0)
    assert report(receiver)["unknown_values"] == {"conn_state": 1}


def test_of_many_nodes_the_troubled_ones_are_told() -> None:
    """Dead ones first, then those that lost most; of the others there is the number."""
    receiver = session()
    feed(receiver, [Zeek(node="dead").batch(1)], now=0.0)
    for at in range(100):
        zeek = Zeek(node=f"node-{at:02d}")
        zeek.batch(1 + at)
        feed(receiver, [zeek.batch(1)], now=100.0)
    told = report(receiver, 100.0)
    assert len(told["nodes"]) == REPORT_NODES
    assert [node["node"] for node in told["nodes"][:3]] == ["dead", "node-99", "node-98"]
    assert told["more_nodes"] == 101 - REPORT_NODES
    assert told["lost"] == sum(range(101))


def test_of_many_shards_those_that_lost_most_are_told() -> None:
    """The others are summed up, so that the sum is what the node lost."""
    receiver, zeek = session(), Zeek()
    for shard in range(200):
        zeek.batch(1 + shard, shard)
        feed(receiver, [zeek.batch(1, shard)])
    (node,) = report(receiver)["nodes"]
    assert len(node["lost_by_shard"]) == REPORT_SHARDS + 1
    assert node["lost_by_shard"]["199"] == 200
    assert sum(node["lost_by_shard"].values()) == node["lost"] == sum(range(201))


@pytest.mark.untraced
def test_the_worst_there_can_be_is_still_small() -> None:
    """Long names of hostile nodes included."""
    receiver = session()
    for at in range(100):
        zeek = Zeek(node=f"{at:03d}" + "\0" * 253, boot="\0" * 256)
        for shard in range(30):
            zeek.batch(1, shard)
            feed(receiver, [zeek.batch(1, shard)])
    assert len(json.dumps(receiver.status(0.0).report())) < 256 << 10
