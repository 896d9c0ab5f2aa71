"""Encoded messages that are sent over and over, each time as new flows.

Encoding costs a sender more than the agent's decoding costs the agent, so a ring of messages is
encoded once. Before each sending, batch number, running count, times, uids and ephemeral ports are
overwritten in place, and the originators of the hostile flows, so that each can open an alert
again. All else comes again after a turn of the ring. The places are found by the layout that
`docs/wire.md` states.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.traffic import EPHEMERAL, NS, OWN, OWNERS, PORTS, Mask, Numbers, Traffic
from metatap.flow import FlowBatch, Group, Kind, Numeric
from metatap.flow.schema import ColumnSpec, group_columns
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header

_COUNT, _STRING, _VECTOR = 0x02, 0x05, 0x0E
_WIDTHS = {Kind.TIME: 9, Kind.INTERVAL: 9, Kind.COUNT: 9, Kind.ADDR: 17, Kind.PORT: 4}
"""Bytes of an element with its tag."""

_STRIDE = 7919
"""What is added to an ephemeral port with each turn; prime to `PORTS`."""

TURN_DIGITS = slice(1, 9)
"""The digits of a uid that tell the turn; the other nine tell the place in the ring."""

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Message:
    """One message and the places in it that change, as views of its payload.

    Attributes:
        parts: Topic, sender, serializer, payload; the payload can be written to.
        rows: Flows in it.
        counts: uint8 [2, 8], batch number and running count.
        ts: uint8 [rows, 8], starts.
        uid: uint8 [rows, 18].
        ports: uint8 [rows, 2], originators' ports.
        owners: uint8 [h, 3], last bytes of the originators of the hostile flows.
        duration: int64 [rows], ns.
        drawn: int64 [rows], the first turn's ports.
        fresh: bool [rows], which of them are ephemeral.
    """

    parts: tuple[bytes, bytes, bytes, bytearray]
    rows: int
    counts: tuple[Bytes, Bytes]
    ts: Bytes
    uid: Bytes
    ports: Bytes
    owners: tuple[Bytes, ...]
    duration: Numbers
    drawn: Numbers
    fresh: Mask

    @classmethod
    def of(cls, batch: FlowBatch, hostile: Mask, header: Header) -> Message:
        """Encode a batch and find the places.

        Raises:
            FlowError: a flow lacks what it must have.
        """
        topic, sender, serializer, encoded = flows_message(batch, header)
        payload = bytearray(encoded)
        counts, places = _places(payload)
        port, duration = batch.numeric("id.orig_p"), batch.numeric("duration")
        drawn = np.zeros(batch.rows, np.int64) if port is None else port.values.astype(np.int64)
        rows = batch.rows

        def view(name: str, width: int, skip: int, size: int) -> Bytes:
            return np.ndarray((rows, size), np.uint8, payload, places[name] + skip, (width, 1))

        address = view("id.orig_h", 17, 14, 3)
        return cls(
            (topic, sender, serializer, payload),
            rows,
            (_word(payload, counts["batch"]), _word(payload, counts["flows_before"])),
            view("ts", 9, 1, 8),
            view("uid", 18, 0, 18),
            view("id.orig_p", 4, 1, 2),
            tuple(address[row] for row in np.flatnonzero(hostile)),
            _nanoseconds(duration, rows),
            drawn,
            drawn >= EPHEMERAL,
        )

    def stamp(self, batch: int, before: int, turn: int, first_ns: int, gap_ns: float) -> None:
        """Make it the message of new flows.

        Args:
            batch: Its number.
            before: Flows sent before it.
            turn: Turn of the ring, from 0.
            first_ns: End of its first flow, ns since the epoch.
            gap_ns: From one flow's end to the next one's.
        """
        for place, value in zip(self.counts, (batch, before), strict=True):
            place[:] = np.frombuffer(value.to_bytes(8, "big"), np.uint8)
        ends = first_ns + (np.arange(self.rows) * gap_ns).astype(np.int64)
        self.ts[:] = (ends - self.duration).astype(">i8").view(np.uint8).reshape(-1, 8)
        self.uid[:, TURN_DIGITS] = np.frombuffer(b"%08d" % turn, np.uint8)
        ports = EPHEMERAL + (self.drawn - EPHEMERAL + turn * _STRIDE) % PORTS
        ports = np.where(self.fresh, ports, self.drawn)
        self.ports[:] = ports.astype(">u2").view(np.uint8).reshape(-1, 2)
        for at, owner in enumerate(self.owners):
            number = OWN + (before + at) % OWNERS
            owner[:] = np.frombuffer(number.to_bytes(3, "big"), np.uint8)


class Ring:
    """Messages of one Zeek node, without end.

    Attributes:
        messages: The ring.
        flows: Flows in one turn of it.
        sent: Messages given out so far.
        flows_sent: Flows in these.
    """

    def __init__(
        self, traffic: Traffic, flows: int, rows: int, *, node: str = "bench", shard: int = 0
    ) -> None:
        """Draw and encode the ring.

        Args:
            traffic: Where the flows come from.
            flows: In the ring, at least one message's.
            rows: In a message.
            node: Name of the node; its boot id is made of it.
            shard: Shard of all messages.
        """
        self.node, self.boot, self.shard = node, f"{node}-boot", shard
        header = Header(node, self.boot, shard)
        drawn = (traffic.flows(rows) for _ in range(max(1, flows // rows)))
        self.messages = [Message.of(batch, hostile, header) for batch, hostile in drawn]
        self.flows = rows * len(self.messages)
        self.sent = self.flows_sent = 0

    def next(self, first_ns: int, rate: float) -> Message:
        """The next message, stamped.

        Args:
            first_ns: End of its first flow, ns since the epoch.
            rate: Flows a second.
        """
        turn, at = divmod(self.sent, len(self.messages))
        message = self.messages[at]
        message.stamp(self.sent, self.flows_sent, turn, first_ns, NS / rate)
        self.sent += 1
        self.flows_sent += message.rows
        return message


def flow_number(uid: str, ring: int) -> int:
    """Number of a flow in the stream of a ring of `ring` flows, by its uid.

    Raises:
        ValueError: the uid is none of such a stream.
    """
    if len(uid) != 18 or uid[0] != "C" or not uid[1:].isdecimal():
        raise ValueError(f"{uid!r}: not a uid of this traffic")
    return int(uid[TURN_DIGITS]) * ring + int(uid[TURN_DIGITS.stop :])


def _nanoseconds(column: Numeric | None, rows: int) -> Numbers:
    if column is None:
        return np.zeros(rows, np.int64)
    return np.where(column.mask(), column.values, 0).astype(np.int64)


def _word(payload: bytearray, at: int) -> Bytes:
    return np.ndarray((8,), np.uint8, payload, at + 1)


def _places(payload: bytearray) -> tuple[dict[str, int], dict[str, int]]:
    """Offsets of the header's counts, and of the first element of each column of `conn`."""
    at, _ = _head(payload, 0, _VECTOR)
    at += 2 * 9
    at, _ = _head(payload, at, _VECTOR)
    at = _over(payload, at)
    at, _ = _head(payload, at, _VECTOR)
    at, _ = _head(payload, at, _VECTOR)
    counts: dict[str, int] = {}
    for name in ("version", "node", "boot", "shard", "batch", "flows_before", "rows"):
        counts[name] = at
        at = _over(payload, at) if payload[at] == _STRING else at + 9
    at, _ = _head(payload, at, _VECTOR)
    places: dict[str, int] = {}
    for spec in group_columns(Group.CONN):
        if spec.kind is Kind.BOOL or spec.name == "proto":
            continue
        places[spec.name], at = _column(payload, at, spec)
    return counts, places


def _column(payload: bytearray, at: int, spec: ColumnSpec) -> tuple[int, int]:
    """Where a column's first element is, and where the next column begins."""
    if spec.kind in {Kind.STRING, Kind.ENUM}:
        place, size = _head(payload, at, _STRING)
        lengths, rows = _head(payload, place + size, _VECTOR)
        return place, lengths + rows * _WIDTHS[Kind.COUNT]
    place, rows = _head(payload, at, _VECTOR)
    return place, place + rows * _WIDTHS[spec.kind]


def _over(payload: bytearray, at: int) -> int:
    """Behind a string."""
    place, size = _head(payload, at, _STRING)
    return place + size


def _head(payload: bytearray, at: int, tag: int) -> tuple[int, int]:
    """Behind a value's tag and length, and the length."""
    if payload[at] != tag:
        raise ValueError(f"byte {at}: tag {payload[at]}, not {tag}: not the layout of docs/wire.md")
    at, size, shift = at + 1, 0, 0
    while True:
        size |= (payload[at] & 0x7F) << shift
        shift += 7
        at += 1
        if payload[at - 1] < 0x80:
            return at, size
