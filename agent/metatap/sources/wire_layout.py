"""The order of a group's fields on the wire, derived from the schema table.

`docs/wire.md` states it: one field per column in schema order, strings as the joined bytes and
their lengths, `row` first in the sparse groups, `flags` last. The decoder and the encoder both walk
these steps. Vectors of eight-byte values that follow each other are one step, because they can be
read in one go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from metatap.flow.schema import FlagBits, Group, Kind, group_columns, group_flags
from metatap.sources.broker_bin import COUNT, INTERVAL, TIME

FLOWS, HELLO, SERIALIZER = "Metatap::flows", "Metatap::hello", "broker-bin-v1"
"""Names of the two events and of the serializer."""

HELLO_TOPIC = "metatap.hello."
"""Prefix of the heartbeats' topics, of any contract version: a foreign one is to be noticed."""

ROW, FLAGS = "row", "flags"
"""Names of the two fields that are no columns."""

LENGTHS = "_len"
"""Suffix of the field with a string column's lengths."""

NO_BITS = FlagBits(None, None)

_WORD_TAGS = {Kind.COUNT: COUNT, Kind.TIME: TIME, Kind.INTERVAL: INTERVAL}


@dataclass(slots=True)
class Words:
    """Consecutive vectors of eight-byte values.

    Attributes:
        names: Column names; `<column>_len` for lengths, `row`, `flags`.
        labels: Names of the fields for messages, e.g. `flows.conn.orig_bytes`.
        tags: Tag byte of each one's elements.
    """

    names: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tags: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Single:
    """A field that is not made of eight-byte values: a string, addresses or ports.

    Attributes:
        name: Column name.
        label: Name of the field for messages.
        kind: `STRING` (also for enumerations: their joined text), `ADDR` or `PORT`.
    """

    name: str
    label: str
    kind: Kind


@dataclass(slots=True)
class Layout:
    """A group on the wire.

    Attributes:
        group: The group.
        steps: What to read, in order.
        words: Names of all eight-byte fields, in order.
        texts: Names of all string fields, in order.
        fields: Number of fields of its record.
        flags: Column name → its bits in `flags`.
        kinds: Column name → kind, in schema order, `proto` included.
        required: Names of the columns that every flow of the group has.
    """

    group: Group
    steps: list[Words | Single] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    fields: int = 0
    flags: dict[str, FlagBits] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)

    def bits(self, name: str) -> FlagBits:
        """The column's bits in `flags`, if it has any."""
        return self.flags.get(name, NO_BITS)

    def _word(self, name: str, wire_name: str, tag: int) -> None:
        if not self.steps or not isinstance(self.steps[-1], Words):
            self.steps.append(Words())
        run = self.steps[-1]
        if isinstance(run, Words):
            run.names.append(name)
            run.labels.append(f"flows.{self.group}.{wire_name}")
            run.tags.append(bytes((tag,)))
        self.words.append(name)
        self.fields += 1

    def _single(self, name: str, wire_name: str, kind: Kind) -> None:
        self.steps.append(Single(name, f"flows.{self.group}.{wire_name}", kind))
        self.fields += 1
        if kind is Kind.STRING:
            self.texts.append(name)
            self._word(name + LENGTHS, wire_name + LENGTHS, COUNT)

    @classmethod
    def of(cls, group: Group) -> Layout:
        """The layout of one group, from the schema table."""
        made = cls(group, flags=group_flags(group))
        if group is not Group.CONN:
            made._word(ROW, ROW, COUNT)
        for spec in group_columns(group):
            made.kinds[spec.name] = spec.kind
            if not spec.optional:
                made.required.add(spec.name)
            if spec.kind in _WORD_TAGS:
                made._word(spec.name, spec.wire_name, _WORD_TAGS[spec.kind])
            elif spec.kind is not Kind.BOOL and spec.name != "proto":
                kind = Kind.STRING if spec.kind is Kind.ENUM else spec.kind
                made._single(spec.name, spec.wire_name, kind)
        made._word(FLAGS, FLAGS, COUNT)
        return made


@cache
def layout(group: Group) -> Layout:
    """The layout of one group; shared, not to be changed."""
    return Layout.of(group)


@cache
def empty_group(group: Group) -> bytes:
    """A sparse group without an entry, as it usually comes: nothing but empty vectors."""
    made = layout(group)
    body = bytearray((0x0E, made.fields))
    for step in made.steps:
        if isinstance(step, Words):
            body += b"\x0e\x00" * len(step.names)
        else:
            body += b"\x05\x00" if step.kind is Kind.STRING else b"\x0e\x00"
    return bytes(body)


def shard_topic(shard: int | None = None) -> str:
    """Prefix of the topics of one shard's batches, of all shards' if None."""
    return "metatap.flows.v1." + ("" if shard is None else f"{shard:03d}.")
