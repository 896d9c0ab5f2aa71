"""What is remembered of a Zeek node, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

REPORT_NODES = 32
"""Nodes told of in a report; of the others there is the number."""

REPORT_SHARDS = 16
"""Shards whose loss a report tells, a node; those that lost most."""

State = Literal["active", "idle", "dead", "ended"]


class Due(NamedTuple):
    """What was sent so far of a shard, as known here; the next batch has these numbers.

    Attributes:
        flows: Flows sent, the next batch's `flows_before`.
        batches: Batches sent, the next batch's number.
    """

    flows: int = 0
    batches: int = 0


@dataclass(slots=True)
class Boot:
    """One start of Zeek on a node.

    Attributes:
        joining: It may have run before this receiver did, and no heartbeat has come yet.
        final: Its final heartbeat has come.
        shards: Shard → what was sent of it so far.
    """

    joining: bool
    final: bool = False
    shards: dict[int, Due] = field(default_factory=dict)


@dataclass(slots=True)
class Node:
    """A Zeek node. Times are seconds on the tracker's clock.

    Attributes:
        boot: Id of the boot last heard of.
        last_seen: When anything came.
        last_flow: When flows came, None if none did.
        reported: It is silent, and that has been said.
        passed: Flows passed on.
        lost: Flows lost.
        lost_by_shard: The same by shard.
        duplicates: Flows of batches that came again.
        before_join: Flows it had sent before this receiver joined.
        restarts: Boots after the first.
        unfinished: Boots that were followed by another without a final heartbeat.
    """

    boot: str
    last_seen: float
    last_flow: float | None = None
    reported: bool = False
    passed: int = 0
    lost: int = 0
    lost_by_shard: dict[int, int] = field(default_factory=dict)
    duplicates: int = 0
    before_join: int = 0
    restarts: int = 0
    unfinished: int = 0

    def status(self, name: str, boot: Boot, now: float, silent_s: float) -> NodeStatus:
        """What to tell of it; silence of more than `silent_s` seconds is death."""
        state: State = "active"
        if boot.final:
            state = "ended"
        elif now - self.last_seen > silent_s:
            state = "dead"
        elif self.last_flow is None or now - self.last_flow > silent_s:
            state = "idle"
        return NodeStatus(
            name,
            self.boot,
            state,
            seen_s_ago=now - self.last_seen,
            passed=self.passed,
            lost=self.lost,
            lost_by_shard=dict(self.lost_by_shard),
            duplicates=self.duplicates,
            before_join=self.before_join,
            restarts=self.restarts,
            unfinished=self.unfinished,
        )


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A node as a person may want to see it.

    Attributes:
        node: Its name.
        boot: Id of the boot last heard of.
        state: `active`: flows come; `idle`: only heartbeats; `dead`: neither, and no final
            heartbeat; `ended`: the final heartbeat has come.
        seen_s_ago: Seconds since anything came.
        passed: Flows passed on.
        lost: Flows lost on the way or in bad messages.
        lost_by_shard: The same by shard.
        duplicates: Flows of batches that came again.
        before_join: Flows it had sent before this receiver joined; not lost.
        restarts: Restarts of this Zeek since.
        unfinished: Restarts without a final heartbeat: what was lost at that end is not known.
    """

    node: str
    boot: str
    state: State
    seen_s_ago: float
    passed: int
    lost: int
    lost_by_shard: Mapping[int, int]
    duplicates: int
    before_join: int
    restarts: int
    unfinished: int

    def report(self) -> dict[str, object]:
        """The same for the log; of many shards those that lost most."""
        most = sorted(self.lost_by_shard.items(), key=lambda item: (-item[1], item[0]))
        shards = {str(shard): lost for shard, lost in most[:REPORT_SHARDS]}
        if rest := sum(lost for _, lost in most[REPORT_SHARDS:]):
            shards["others"] = rest
        return asdict(self) | {"seen_s_ago": round(self.seen_s_ago, 1), "lost_by_shard": shards}


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source of wire messages as a whole.

    Attributes:
        nodes: Each node, by name.
        lost: Flows lost, of all nodes.
        before_join: Flows sent before this receiver joined, of all nodes; not lost.
        unknown_values: Column → flows whose value is not in the column's vocabulary, absent now.
        forgotten: Boots no longer remembered, since there were too many.
        bytes: Bytes of the messages received.
    """

    nodes: tuple[NodeStatus, ...]
    lost: int
    before_join: int
    unknown_values: Mapping[str, int]
    forgotten: int
    bytes: int = 0

    def report(self) -> dict[str, object]:
        """The same as JSON can say it and a log can hold it: of many nodes the troubled ones."""
        worst = sorted(self.nodes, key=lambda node: (node.state != "dead", -node.lost, node.node))
        return {
            "nodes": [node.report() for node in worst[:REPORT_NODES]],
            "more_nodes": len(worst[REPORT_NODES:]),
            "lost": self.lost,
            "before_join": self.before_join,
            "unknown_values": dict(self.unknown_values),
            "forgotten": self.forgotten,
            "bytes": self.bytes,
        }
