"""Counting what never arrived: flows lost between Zeek and here, exactly, per (node, boot, shard).

In: batch headers and heartbeats in the order they came. Out: whether a batch is to be passed on.
Counted in `Counters` of flows: `passed`; dropped as `lost` (sent by Zeek, never read here: dropped
by ZeroMQ at a high-water mark, or in a message that was skipped as bad) and as `duplicate` (a batch
older than the one that is due). `before_join` is apart and no part of `received`: those flows were
never ours.

Within one (node, boot, shard) a batch's `flows_before` is due to be what was sent before it. A
difference is a loss, and a heartbeat's totals ahead of what was read are a loss at the tail, since
both travel in order on one connection; either moves the due number on, so that no loss is counted
twice. A bad message moves nothing: its flows show up as the gap before the next batch. Nor does a
number that can't be: so many flows lost in so many batches is checked against what a batch holds.
"""

from __future__ import annotations

import structlog

from metatap.counters import Counters
from metatap.errors import WireError
from metatap.sources.messages import Header, Hello
from metatap.sources.nodes import Boot, Due, Node, NodeStatus
from metatap.sources.options import WireOptions

_log = structlog.get_logger(__name__)

MAX_BOOTS = 1024
"""Boots remembered at most; the one not heard of for longest is forgotten first."""

MAX_SHARDS = 65_536
"""Shards remembered at most, of all boots together."""

MAX_BATCH_ROWS = 1 << 20
"""Flows in one batch at most, read or lost; far beyond what `max_rows` lets through."""


class SequenceTracker:
    """Loss accounting for all nodes a source hears.

    Attributes:
        flows: Counters of flows this tracker counts into.
        before_join: Flows that nodes had sent before this receiver joined them.
        forgotten: Boots that were forgotten to bound memory.
    """

    def __init__(
        self, flows: Counters, options: WireOptions, *, joined_at: float | None = None
    ) -> None:
        """Start with nothing known.

        Args:
            flows: Counted into.
            options: `shards`, `silent_s` and `join_s` are used.
            joined_at: Since when this receiver would have heard any node; None: since the first
                message, for one that connects and can't know when it got through.
        """
        self.flows = flows
        self.before_join = 0
        self.forgotten = 0
        self._shards = frozenset(options.shards)
        self._silent_s = options.silent_s
        self._join_s = options.join_s
        self._joined_at = joined_at
        self._boots: dict[tuple[str, str], Boot] = {}
        self._nodes: dict[str, Node] = {}
        self._remembered = 0

    def batch(self, header: Header, now: float) -> bool:
        """Account for a batch that was read.

        Args:
            header: Its header.
            now: Seconds on any steady clock.

        Returns:
            Whether to pass it on; a batch older than the one due is not.

        Raises:
            WireError: `range`, its numbers can't follow those before it; nothing was counted.
        """
        node, boot = self._boot(header.node, header.boot, now)
        due, sent = boot.shards.get(header.shard), Due(header.flows_before, header.batch)
        _check("flows.header.flows_before", due, sent)
        if due is None:
            # Nothing was known of this shard: it starts at 0, unless its boot was joined half-way
            # and no heartbeat has told yet what it had sent by then.
            due = Due()
            if boot.joining:
                due = sent
                self._joined(node, due.flows)
            self._remember(boot, header.shard, due)
        if sent.flows < due.flows:
            self.flows.drop("duplicate", header.rows)
            node.duplicates += header.rows
            return False
        self._lost(node, sent.flows - due.flows, header.shard)
        boot.shards[header.shard] = Due(sent.flows + header.rows, sent.batches + 1)
        self.flows.passes(header.rows)
        node.passed += header.rows
        if header.rows:
            node.last_flow = now
        return True

    def hello(self, hello: Hello, now: float) -> None:
        """Account for a heartbeat; `now` as for `batch`.

        Raises:
            WireError: `range`, its numbers can't follow those before it; nothing was counted.
        """
        node, boot = self._boot(hello.node, hello.boot, now)
        totals = {
            shard: Due(flows, batches)
            for shard, flows, batches in zip(hello.shards, hello.flows, hello.batches, strict=True)
            if not self._shards or shard in self._shards
        }
        for shard, total in totals.items():
            _check("hello.flows", boot.shards.get(shard), total)
        for shard, total in totals.items():
            due = boot.shards.get(shard)
            if due is None:
                due = total if boot.joining else Due()
                self._joined(node, due.flows)
                self._remember(boot, shard, due)
            if total.flows > due.flows:
                self._lost(node, total.flows - due.flows, shard)
                boot.shards[shard] = total
        boot.joining = False
        if hello.final and not boot.final:
            boot.final = True
            _log.info("zeek_ended", node=hello.node, boot=hello.boot, flows=sum(hello.flows))
            if hello.unsent:
                _log.warning("zeek_totals_differ", node=hello.node, unsent=hello.unsent)

    def check(self, now: float) -> None:
        """Notice nodes that have gone silent; cheap, to be called at each read."""
        for name, node in self._nodes.items():
            boot = self._boots[name, node.boot]
            silent = now - node.last_seen
            if silent > self._silent_s and not node.reported and not boot.final:
                node.reported = True
                _log.warning("zeek_silent", node=name, boot=node.boot, seconds=round(silent, 1))

    def status(self, now: float) -> tuple[NodeStatus, ...]:
        """What is known of each node, by name."""
        return tuple(
            node.status(name, self._boots[name, node.boot], now, self._silent_s)
            for name, node in sorted(self._nodes.items())
        )

    def _boot(self, name: str, boot_id: str, now: float) -> tuple[Node, Boot]:
        """The state of a boot, made if it is new, and moved to the end of the queue."""
        if self._joined_at is None:
            self._joined_at = now
        key = (name, boot_id)
        node, boot = self._nodes.get(name), self._boots.pop(key, None)
        if boot is None:
            boot = self._new_boot(name, boot_id, node, now)
        self._boots[key] = boot
        if node is None:
            node = self._nodes[name] = Node(boot_id, now)
        elif node.boot != boot_id:
            # Its most recent boot: of two Zeeks under one name, the one heard last.
            node.boot = boot_id
        if node.reported:
            _log.info("zeek_heard_again", node=name, boot=boot_id)
            node.reported = False
        node.last_seen = now
        if len(self._boots) > MAX_BOOTS:
            self._forget()
        return node, boot

    def _new_boot(self, name: str, boot_id: str, node: Node | None, now: float) -> Boot:
        """A boot that was not known; in the first seconds it may have been joined half-way.

        A node's second one too: two Zeeks under one name may both have been running before.
        """
        joined_at = now if self._joined_at is None else self._joined_at
        made = Boot(joining=now - joined_at < self._join_s)
        if node is None:
            return made
        node.restarts += 1
        before = self._boots.get((name, node.boot))
        if before is not None and not before.final:
            node.unfinished += 1
            _log.warning("zeek_restarted_without_final", node=name, boot=node.boot, next=boot_id)
        else:
            _log.info("zeek_restarted", node=name, boot=node.boot, next=boot_id)
        return made

    def _remember(self, boot: Boot, shard: int, due: Due) -> None:
        boot.shards[shard] = due
        self._remembered += 1
        while self._remembered > MAX_SHARDS and len(self._boots) > 1:
            self._forget()

    def _forget(self) -> None:
        """Drop the boot not heard of for longest, and its node if that was its last one."""
        name, boot_id = next(iter(self._boots))
        self._remembered -= len(self._boots.pop((name, boot_id)).shards)
        if self._nodes[name].boot == boot_id:
            del self._nodes[name]
        self.forgotten += 1
        if self.forgotten == 1:
            _log.warning("zeek_forgotten", node=name, boot=boot_id, limit=MAX_BOOTS)

    def _joined(self, node: Node, flows: int) -> None:
        self.before_join += flows
        node.before_join += flows

    def _lost(self, node: Node, flows: int, shard: int) -> None:
        if flows:
            self.flows.drop("lost", flows)
            node.lost += flows
            node.lost_by_shard[shard] = node.lost_by_shard.get(shard, 0) + flows


def _check(field: str, due: Due | None, sent: Due) -> None:
    """Refuse a jump of more flows than so many batches hold, or of fewer, each having one at least.

    Without this, one wrong number would make every later batch a duplicate. What is behind is left
    alone: an old message is no jump.
    """
    due = due or Due()
    flows, batches = sent.flows - due.flows, sent.batches - due.batches
    if flows >= 0 and not batches <= flows <= batches * MAX_BATCH_ROWS:
        raise WireError("range", field, f"{flows} flows missing in {batches} batches")
