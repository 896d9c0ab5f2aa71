"""Real wire messages, mutated: blindly, and with an eye for where their lengths and values are."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from metatap.flow import Group
from metatap.flow.schema import group_columns
from metatap.sources import Header, Hello, RecordingReader, flows_message, hello_message
from metatap.sources.broker_bin import (
    ENUM,
    FIXED_BYTES,
    SET,
    STRING,
    TABLE,
    VECTOR,
    varbyte,
)
from metatap.sources.zeek_wire import Flows, decode
from tests.agent.sources.samples import Parts

RECORDING = Path(__file__).parents[2] / "data" / "lab" / "office.mtrec"

BATCH_ROWS = (1, 2, 3, 5, 8)
"""Flows in the small batches that are cut from the recording."""

EDGES = (0, 1, 2, 3, 127, 128, 255, 256, 257, 999, 1000, 65_535, 65_536, 1 << 20)
HUGE = (2**31 - 1, 2**31, 2**32, 2**60, 2**62, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1)
"""Numbers at which something may tip over."""

BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
TOP = 2**64

_BOOT = "boot-{:06d}"
_BATCH, _FLOWS = 0x1A2B3C4D5E6F7081, 0x0102030405060708
"""Numbers that occur nowhere in the recording, to find where they are written."""


@dataclass(slots=True)
class Value:
    """One value of a payload.

    Attributes:
        start: Offset of its tag.
        body: Offset behind its tag and length.
        end: Offset behind it.
        size: What its length says; 0 for values of a fixed size.
        parts: Its elements.
    """

    start: int
    body: int
    end: int
    size: int = 0
    parts: list[Value] = field(default_factory=list)


def parse(payload: bytes, at: int = 0) -> Value:
    """The value at an offset of a sound payload, and all in it; shares no code with the decoder."""
    tag, body = payload[at], at + 1
    if tag in FIXED_BYTES:
        return Value(at, body, body + FIXED_BYTES[tag])
    size = shift = 0
    while True:
        byte = payload[body]
        body += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if tag in {STRING, ENUM}:
        return Value(at, body, body + size, size)
    if tag not in {SET, TABLE, VECTOR}:
        raise ValueError(f"tag {tag} at {at}")
    found = Value(at, body, body, size)
    for _ in range(size * (2 if tag == TABLE else 1)):
        found.parts.append(parse(payload, found.end))
        found.end = found.parts[-1].end
    return found


def every(value: Value) -> Iterator[Value]:
    """The value and all in it."""
    yield value
    for part in value.parts:
        yield from every(part)


@dataclass(frozen=True, slots=True)
class Template:
    """A sound message whose boot and running numbers can be set.

    Attributes:
        parts: The message.
        values: Its values that are no elements of a column, and the columns.
        numbers: Its eight-byte values.
        columns: Its vectors and records of at least one element.
        texts: Its strings.
        batch_at: Offset of its number of batches.
        flows_at: Offset of its number of flows.
        boot_at: Offset of its boot's number, six digits.
        rows: Flows in it; 0 in a heartbeat.
    """

    parts: Parts
    values: list[Value]
    numbers: list[Value]
    columns: list[Value]
    texts: list[Value]
    batch_at: int
    flows_at: int
    boot_at: int
    rows: int

    @classmethod
    def of(cls, parts: Parts, rows: int) -> Template:
        """A template of a message that was made with the numbers of this module."""
        payload = parts[3]
        values = list(every(parse(payload)))
        return cls(
            parts,
            [each for each in values if each.size or each.parts or payload[each.start] == STRING],
            [
                each
                for each in values
                if each.end - each.body == 8 and payload[each.start] != STRING
            ],
            [each for each in values if each.parts],
            [each for each in values if payload[each.start] == STRING],
            payload.index(struct.pack(">Q", _BATCH)),
            payload.index(struct.pack(">Q", _FLOWS)),
            payload.index(_BOOT.format(0).encode()) + len(_BOOT.format(0)) - 6,
            rows,
        )

    def message(self, boot: int, batches: int, flows: int) -> Parts:
        """The message with these numbers."""
        payload = bytearray(self.parts[3])
        struct.pack_into(">Q", payload, self.batch_at, batches % TOP)
        struct.pack_into(">Q", payload, self.flows_at, flows % TOP)
        payload[self.boot_at : self.boot_at + 6] = b"%06d" % boot
        return [*self.parts[:3], bytes(payload)]


@cache
def templates() -> tuple[Template, ...]:
    """Small batches with flows of every protocol in the recording, and its heartbeats."""
    reader = RecordingReader(RECORDING, 1 << 20)
    found: list[Template] = []
    rng = np.random.default_rng(1)
    header = Header("worker-1", _BOOT.format(0), 7, _BATCH, _FLOWS)
    for record in reader:
        assert not isinstance(record, Exception)
        message = decode(record.parts)
        if isinstance(message, Hello):
            told = replace(message, boot=header.boot, node=header.node)
            told = replace(told, shards=(7, 8), batches=(_BATCH, 3), flows=(_FLOWS, 9))
            found.append(Template.of(hello_message(told), 0))
        elif isinstance(message, Flows) and message.header.batch % 3 == 0:
            batch = message.batch
            for rows in BATCH_ROWS:
                picked = rng.choice(batch.rows, rows, replace=False)
                for at, group in enumerate(list(Group)[1:][:rows]):
                    column = batch.columns.get(group_columns(group)[0].name)
                    if column is not None and column.mask().any():
                        picked[at] = rng.choice(np.flatnonzero(column.mask()))
                picked.sort()
                found.append(Template.of(flows_message(batch.take(picked), header), rows))
    reader.close()
    return tuple(found)


class Traffic:
    """A stream of messages, nearly all of them mutated, in running numbers that are mutated too.

    Attributes:
        rng: Where chance comes from.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._boot = self._batches = self._flows = 0
        self._last: Parts = []
        self._mutations: tuple[Callable[[Template, Parts], Parts], ...] = (
            *(self._number, self._number, self._moved, self._length, self._length, self._tag),
            *(self._element, self._element, self._text, self._graft, self._bit, self._byte),
            *(self._cut, self._inserted, self._removed, self._repeated, self._spliced),
            *(self._part, self._topic, self._long),
        )

    def messages(self, count: int) -> Iterator[Parts]:
        """So many messages."""
        known, rng = templates(), self.rng
        for _ in range(count):
            template = rng.choice(known)
            parts = self._numbered(template)
            # Mutations beyond the first may find nothing where they look; that is fine.
            for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 1, 1, 2, 3))):
                parts = rng.choice(self._mutations)(template, parts)
            self._last = parts
            yield parts if rng.random() < 0.98 else self._regrouped(parts)

    def _numbered(self, template: Template) -> Parts:
        """The template as the next message: mostly in order, sometimes not."""
        rng, chance = self.rng, self.rng.random()
        if chance < 0.03:
            self._boot, self._batches, self._flows = self._boot + 1, 0, 0
        batches, flows = self._batches, self._flows
        if chance > 0.97:  # one that came before
            batches, flows = max(0, batches - 1), max(0, flows - rng.randrange(9))
        elif chance > 0.95:  # after a gap
            batches, flows = batches + rng.randrange(5), flows + rng.randrange(40)
        elif chance > 0.93:
            batches, flows = rng.choice(EDGES + HUGE), rng.choice(EDGES + HUGE)
        elif template.rows:
            self._batches, self._flows = batches + 1, flows + template.rows
        return template.message(self._boot, batches, flows)

    # Of values: the payload stays as long, or its lengths fit what is in it, or they lie.

    def _number(self, template: Template, parts: Parts) -> Parts:
        """One eight-byte value set to another."""
        value = self.rng.choice(template.numbers)
        old = int.from_bytes(parts[3][value.body : value.end], "big")
        new = self.rng.choice((*EDGES, *HUGE, old + 1, old - 1, old ^ 1 << self.rng.randrange(64)))
        return _payload(parts, value.body, value.end, struct.pack(">Q", new % TOP))

    def _moved(self, template: Template, parts: Parts) -> Parts:
        """Something taken from one number and given to the next: their sum stays, modulo 2^64."""
        at = self.rng.randrange(len(template.numbers) - 1)
        by = self.rng.choice((*EDGES, *HUGE))
        for value, delta in zip(template.numbers[at : at + 2], (by, -by), strict=True):
            old = int.from_bytes(parts[3][value.body : value.end], "big")
            new = struct.pack(">Q", (old + delta) % TOP)
            parts = _payload(parts, value.body, value.end, new)
        return parts

    def _length(self, template: Template, parts: Parts) -> Parts:
        """A length that lies, or one that is true and longer than it must be."""
        value = self.rng.choice(template.values)
        size = self.rng.choice((*EDGES, *HUGE, value.size + 1, max(0, value.size - 1)))
        new = self.rng.choice((varbyte(size), varbyte(size), _padded(value.size), b"\xff" * 12))
        return _payload(parts, value.start + 1, value.body, new)

    def _tag(self, template: Template, parts: Parts) -> Parts:
        """A value of another type."""
        values = self.rng.choice((template.values, template.numbers))
        start = self.rng.choice(values).start
        return _payload(parts, start, start + 1, bytes((self.rng.randrange(17),)))

    def _element(self, template: Template, parts: Parts) -> Parts:
        """A vector with one element more or fewer, and the right length."""
        value = self.rng.choice(template.columns)
        part = self.rng.choice(value.parts)
        more = self.rng.random() < 0.5
        new = parts[3][part.start : part.end] * 2 if more else b""
        parts = _payload(parts, part.start, part.end, new)
        return _payload(parts, value.start + 1, value.body, varbyte(value.size + 2 * more - 1))

    def _text(self, template: Template, parts: Parts) -> Parts:
        """A string of other bytes, of another number, and the right length."""
        value = self.rng.choice(template.texts)
        new = self.rng.randbytes(self.rng.choice((0, 1, value.size, value.size + 1, 129, 300)))
        return _payload(parts, value.start + 1, value.end, varbyte(len(new)) + new)

    def _graft(self, template: Template, parts: Parts) -> Parts:
        """A whole value in the place of another."""
        values = self.rng.choice((template.values, template.columns, template.numbers))
        old, new = self.rng.choice(values), self.rng.choice(values)
        return _payload(parts, old.start, old.end, parts[3][new.start : new.end])

    # Of bytes, blindly.

    def _bit(self, _template: Template, parts: Parts) -> Parts:
        at = self._at(parts)
        flipped = bytes(byte ^ 1 << self.rng.randrange(8) for byte in parts[3][at : at + 1])
        return _payload(parts, at, at + 1, flipped)

    def _byte(self, _template: Template, parts: Parts) -> Parts:
        at = self._at(parts)
        return _payload(parts, at, at + 1, bytes((self.rng.choice(BYTES),)))

    def _cut(self, _template: Template, parts: Parts) -> Parts:
        return [*parts[:3], parts[3][: self._at(parts)]]

    def _inserted(self, _template: Template, parts: Parts) -> Parts:
        at = self._at(parts)
        return _payload(parts, at, at, self.rng.randbytes(self.rng.randrange(1, 20)))

    def _removed(self, _template: Template, parts: Parts) -> Parts:
        at = self._at(parts)
        return _payload(parts, at, at + self.rng.randrange(1, 20), b"")

    def _repeated(self, _template: Template, parts: Parts) -> Parts:
        at = self._at(parts)
        return _payload(parts, at, at, parts[3][at : at + self.rng.randrange(1, 60)])

    def _spliced(self, _template: Template, parts: Parts) -> Parts:
        """The start of this payload, the end of the last one."""
        at = self._at(parts)
        tail = self._last[3] if self._last else b""
        start = at if self.rng.random() < 0.5 else self.rng.randrange(len(tail) + 1)
        return [*parts[:3], parts[3][:at] + tail[start:]]

    # Of the message.

    def _part(self, _template: Template, parts: Parts) -> Parts:
        """Two parts swapped, or random bytes in one."""
        one, two = self.rng.randrange(len(parts)), self.rng.randrange(len(parts))
        changed = list(parts)
        if one == two:
            changed[one] = self.rng.randbytes(self.rng.randrange(40))
        changed[one], changed[two] = changed[two], changed[one]
        return changed

    def _regrouped(self, parts: Parts) -> Parts:
        """Too few or too many parts, or one repeated in the place of another."""
        return self.rng.choices(parts, k=self.rng.choice((0, 1, 2, 3, 3, 4, 5, 5, 6, 100)))

    def _topic(self, _template: Template, parts: Parts) -> Parts:
        """Another topic or another serializer."""
        topic = self.rng.choice((b"", b"metatap.", b"metatap.flows.v9.", b"\xff", parts[0] * 40))
        return [topic, *parts[1:]] if self.rng.random() < 0.8 else [*parts[:2], topic, *parts[3:]]

    def _long(self, _template: Template, parts: Parts) -> Parts:
        """Zeros behind the payload, sometimes very many."""
        zeros = bytes(self.rng.choice((1, 9, 1000, 40_000)))
        return [*parts[:3], parts[3] + zeros]

    def _at(self, parts: Parts) -> int:
        return self.rng.randrange(len(parts[3]) + 1)


def _payload(parts: Parts, start: int, end: int, new: bytes) -> Parts:
    """The message with other bytes in a piece of its payload."""
    payload = parts[3]
    return [*parts[:3], payload[:start] + new + payload[end:]]


def _padded(size: int) -> bytes:
    """A length in ten bytes."""
    return bytes((size >> 7 * at & 0x7F) | 0x80 for at in range(9)) + b"\0"
