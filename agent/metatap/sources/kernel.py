"""The compiled twin of `joining.BatchJoiner`. Extra `fast`.

Same flows, same counts, same errors, with one call a message: all messages of a batch go into one
set of buffers, so that nothing is joined afterwards but the bytes of strings. A message that is not
as it must be is read again by the reference, which says what is wrong. The loop is in `compiled`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.flow import FlowBatch, Group, Kind, Numeric, Origin, Strings, concat
from metatap.flow.columns import Column
from metatap.sources.broker_bin import WORD
from metatap.sources.compiled import read_message
from metatap.sources.wire_layout import layout
from metatap.sources.wire_slots import NONE, SLOTS, GroupRows
from metatap.sources.zeek_wire import FlowsMessage

Array = npt.NDArray[Any]

BLOCK_ROWS = 8192
"""Flows of one set of buffers, if no message has more; larger batches are joined from several."""

_MESSAGES, _GROWTH, _SPARE, _DECAY = 8, 2, 8, 8
"""Buffers have room for so many messages like the first one, or for the largest batch of late and
an eighth more, of which an eighth is forgotten with each batch; where that is too small, the next
ones are twice as large. So small messages make no large buffers."""

_SPREAD = 8
"""Flows of room more than used, so that a flow's values lie in different sets of the cache."""

_ROW_BYTES = WORD * len(layout(Group.CONN).words)
"""A flow takes more than this on the wire: buffers are made only if the bytes are there."""

_BITS, _TEXTS = SLOTS.bits, SLOTS.offsets

_FORMS = (
    (SLOTS.words, 8, np.uint64),
    (_TEXTS, 8, np.int64),
    (SLOTS.addresses, 16, np.uint8),
    (SLOTS.ports, 2, np.uint16),
    (len(SLOTS.codes), 1, np.uint8),
    (_BITS, 1, np.bool_),
)
"""Rows of each buffer, bytes of a value, dtype."""

_STRINGS, _SIGNED = 1, len(_FORMS)
_BUFFER = {
    Kind.COUNT: 0,
    Kind.STRING: _STRINGS,
    Kind.ADDR: 2,
    Kind.PORT: 3,
    Kind.ENUM: 4,
    Kind.BOOL: 5,
    Kind.TIME: _SIGNED,
    Kind.INTERVAL: _SIGNED,
}
"""Which buffer holds values of a kind; behind the last comes the first one once more, signed."""

_PLAN = tuple((place.name, _BUFFER[place.kind], place.row, place.valid) for place in SLOTS.columns)


def _carved(rows: int) -> tuple[Array, ...]:
    """The buffers, parts of one allocation, which the allocator then keeps for the next one."""
    whole = np.empty((rows + 1) * sum(count * width for count, width, _ in _FORMS), np.uint8)
    made, start = [], 0
    for place, (count, width, kind) in enumerate(_FORMS):
        size = rows + 1 if place == _STRINGS else rows
        shape = (count, size, width) if width > WORD else (count, size)
        made.append(np.ndarray(shape, kind, whole, start))
        start += count * size * width
    return tuple(made)


@dataclass(slots=True)
class _Block:
    """Buffers of flows, see `compiled.read_message`.

    Attributes:
        room: Flows they hold.
        origin: Of the first message.
        rows: Flows in them.
        texts: Bytes of each message, and where in it the bytes of each string column are.
    """

    room: int
    origin: Origin
    rows: int = 0
    texts: list[tuple[memoryview, list[int]]] = field(default_factory=list)
    buffers: tuple[Array, ...] = field(init=False)
    state: Array = field(init=False)
    told: Array = field(init=False)

    def __post_init__(self) -> None:
        self.buffers = _carved(self.room + _SPREAD)
        self.state = np.zeros((2, _BITS + _TEXTS + len(SLOTS.groups)), np.int64)
        self.told = np.empty(2 * _TEXTS + len(SLOTS.codes), np.int64)

    def read(self, message: FlowsMessage) -> int:
        """One message behind the flows that are there; where its groups end, −1 if they are bad."""
        return int(
            read_message(
                np.frombuffer(message.payload, np.uint8), message.at, self.rows,
                message.header.rows, SLOTS.steps, SLOTS.masks, SLOTS.keys, *self.buffers,
                self.state, self.told,
            )
        )  # fmt: skip

    def keep(self, message: FlowsMessage, told: list[int]) -> None:
        """The message that was read last belongs to the batch."""
        self.state[0] = self.state[1]
        self.texts.append((message.payload, told))
        self.rows += message.header.rows

    def batch(self) -> FlowBatch:
        """The flows."""
        rows, state = self.rows, self.state[0].tolist()
        counts, filled = state[:_BITS], state[_BITS + _TEXTS :]
        _, offsets, *_, bits = self.buffers
        for group, done in zip(SLOTS.groups, filled, strict=True):
            if group is not None and counts[group.member] and done < rows:
                self._pad(group, done)
        buffers, columns = (*self.buffers, self.buffers[0].view(np.int64)), dict[str, Column]()
        for name, buffer, row, bit in _PLAN:
            valid = None
            if bit != NONE:
                if not (count := counts[bit]):
                    continue
                if count < rows:
                    valid = bits[bit, :rows]
            if buffer == _STRINGS:
                text = self._text(row)
                columns[name] = Strings(offsets[row, : rows + 1], text, valid)
            else:
                columns[name] = Numeric(buffers[buffer][row, :rows], valid)
        return FlowBatch(rows, columns, self.origin)

    def _pad(self, group: GroupRows, done: int) -> None:
        """A sparse group that the last flows lack."""
        words, offsets, *_, bits = self.buffers
        words[group.words, done : self.rows] = 0
        ends = offsets[group.offsets]
        ends[:, done + 1 : self.rows + 1] = ends[:, done : done + 1]
        bits[group.bits, done : self.rows] = False

    def _text(self, row: int) -> Array:
        """Joined bytes of one string column; a view if they are of one message."""
        start, stop = 2 * row, 2 * row + 1
        parts = [data[told[start] : told[stop]] for data, told in self.texts]
        return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), np.uint8)


class ColumnJoiner:
    """Joins messages as columns; a `Joiner`.

    Attributes:
        rows: Flows kept.
    """

    def __init__(self, source: str, batch_rows: int = 0) -> None:
        self.rows = 0
        self._source = source
        self._most = min(batch_rows, BLOCK_ROWS)
        self._recent = 0
        self._block: _Block | None = None
        self._parts: list[FlowBatch] = []
        self._read: FlowsMessage | FlowBatch | None = None
        self._told: list[int] = []

    def read(self, message: FlowsMessage) -> dict[str, int]:
        """See `Joiner`."""
        self._read = None
        if message.header.rows * _ROW_BYTES <= len(message.payload) - message.at:
            block = self._block_for(message)
            end = block.read(message)
            if end >= 0:
                message.finish(end)
                self._read, self._told = message, block.told.tolist()
                foreign = self._told[2 * _TEXTS :]
                return {name: n for name, n in zip(SLOTS.codes, foreign, strict=True) if n}
        decoded = message.decode(self._source)
        self._read = decoded.batch
        return decoded.unknown

    def keep(self) -> None:
        """See `Joiner`."""
        read, self._read = self._read, None
        if isinstance(read, FlowsMessage) and self._block is not None:
            if not self._block.rows:
                self._block.origin = read.origin(self._source)
            self._block.keep(read, self._told)
            self.rows += read.header.rows
        elif isinstance(read, FlowBatch):
            # Right, but not in the form that Zeek writes.
            self._close()
            self._parts.append(read)
            self.rows += read.rows

    def take(self) -> FlowBatch:
        """See `Joiner`."""
        if self._block is not None and self._block.rows and not self._parts:
            batch = self._block.batch()
        else:
            self._close()
            batch = concat(self._parts)
        self._block, self._parts, self._read, self.rows = None, [], None, 0
        self._recent = max(batch.rows + batch.rows // _SPARE, self._recent - self._recent // _DECAY)
        return batch

    def _block_for(self, message: FlowsMessage) -> _Block:
        """Buffers with room for the message."""
        rows, block = message.header.rows, self._block
        if block is None or block.rows + rows > block.room:
            before = 0 if block is None else block.room
            self._close()
            room = max(self._recent, before * _GROWTH, rows * _MESSAGES)
            block = self._block = _Block(max(min(room, self._most), rows), Origin())
        return block

    def _close(self) -> None:
        """What is in the buffers becomes a part of the batch."""
        block, self._block = self._block, None
        if block is None or not block.rows:
            return
        batch = block.batch()
        if 2 * batch.rows < block.room:
            # As small as its flows: there may be many such parts.
            batch = batch.take(np.arange(batch.rows))
        self._parts.append(batch)


def recompile() -> None:
    """Compile anew, whatever is cached."""
    read_message.recompile()
