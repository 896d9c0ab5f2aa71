"""What the two events say about themselves: the batch header and the heartbeat."""

from __future__ import annotations

from dataclasses import dataclass

from metatap.flow.schema import CONTRACT_VERSION

NAME_MAX_BYTES = 256
"""Longest node name or boot id that is read."""

COUNT_MAX = 2**63
"""Counts that are added up are below this; Zeek never comes near it."""


@dataclass(frozen=True, slots=True)
class Header:
    """Header of a batch; see `docs/wire.md`.

    Attributes:
        node: Zeek's node name.
        boot: Made anew at each start of Zeek.
        shard: 0 … 999.
        batch: Number of this batch within (node, boot, shard), from 0.
        flows_before: Flows sent within (node, boot, shard) before this batch.
        rows: Flows in this batch.
        version: Contract version.
    """

    node: str
    boot: str
    shard: int = 0
    batch: int = 0
    flows_before: int = 0
    rows: int = 0
    version: int = CONTRACT_VERSION


@dataclass(frozen=True, slots=True)
class Hello:
    """A heartbeat; see `docs/wire.md`.

    Attributes:
        node: Zeek's node name.
        boot: Made anew at each start of Zeek.
        final: This Zeek is ending; no batch follows.
        shards: The shards of the next two.
        batches: Batches sent so far, by shard.
        flows: Flows sent so far, by shard.
        seen: Finished connections the script was given so far.
        partials: Interim records of living connections sent or queued so far.
        filtered: Finished connections the filter hook vetoed so far.
        version: Contract version.
    """

    node: str
    boot: str
    final: bool = False
    shards: tuple[int, ...] = ()
    batches: tuple[int, ...] = ()
    flows: tuple[int, ...] = ()
    seen: int = 0
    partials: int = 0
    filtered: int = 0
    version: int = CONTRACT_VERSION

    @property
    def unsent(self) -> int:
        """Flows the script was given and has not sent; 0 after a complete final heartbeat."""
        return self.seen - self.filtered + self.partials - sum(self.flows)
