"""Batches and heartbeats → wire messages, as Zeek would send them.

In: a `FlowBatch` and its header. Out: the four parts of a ZeroMQ message. For the demo, benchmarks
and tests; the form is stated in `docs/wire.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metatap.errors import FlowError
from metatap.flow import FlowBatch, Group, Kind, Numeric, Strings
from metatap.flow.columns import BoolArray
from metatap.flow.schema import BY_NAME
from metatap.sources.broker_bin import ADDR, BOOL, PORT, STRING, U8Array, varbyte
from metatap.sources.messages import Header, Hello
from metatap.sources.wire_layout import (
    FLAGS,
    FLOWS,
    HELLO,
    LENGTHS,
    ROW,
    SERIALIZER,
    Layout,
    Single,
    layout,
    shard_topic,
)

SENDER = b"zeromq_metatap_encode"


def flows_message(batch: FlowBatch, header: Header) -> list[bytes]:
    """The message of one batch: topic, sender, serializer, payload.

    `header.rows` is replaced by the batch's own number of rows.

    Raises:
        FlowError: a column that every flow (of a group) must have is absent somewhere. A missing
            `uid` and a missing bool are sent as empty and false.
    """
    topic = f"{shard_topic(header.shard)}{header.node}."
    payload = encode_flows(batch, header)
    return [topic.encode(), SENDER, SERIALIZER.encode(), payload]


def hello_message(hello: Hello) -> list[bytes]:
    """The message of one heartbeat: topic, sender, serializer, payload."""
    topic = f"metatap.hello.v{hello.version}.{hello.node}."
    return [topic.encode(), SENDER, SERIALIZER.encode(), encode_hello(hello)]


def encode_flows(batch: FlowBatch, header: Header) -> bytes:
    """Payload of `Metatap::flows`; raises as `flows_message` does."""
    head = [
        *(_count(header.version), _string(header.node.encode()), _string(header.boot.encode())),
        *(_count(header.shard), _count(header.batch), _count(header.flows_before)),
        _count(batch.rows),
    ]
    groups = [_group(batch, layout(group)) for group in Group]
    return encode_event(FLOWS, [_vector(head), *groups])


def encode_hello(hello: Hello) -> bytes:
    """Payload of `Metatap::hello`."""
    final = bytes((BOOL, hello.final))
    totals = [_counts(values) for values in (hello.shards, hello.batches, hello.flows)]
    return encode_event(
        HELLO,
        [
            *(_count(hello.version), _string(hello.node.encode()), _string(hello.boot.encode())),
            *(final, *totals),
            *(_count(hello.seen), _count(hello.partials), _count(hello.filtered)),
        ],
    )


def encode_event(name: str, args: Sequence[bytes]) -> bytes:
    """Payload of an event whose arguments are already encoded."""
    event = _vector([_string(name.encode()), _vector(args)])
    return _vector([_count(1), _count(1), event])


def _vector(parts: Sequence[bytes]) -> bytes:
    return b"".join((b"\x0e", varbyte(len(parts)), *parts))


def _count(value: int) -> bytes:
    return b"\x02" + value.to_bytes(8, "big")


def _counts(values: Sequence[int]) -> bytes:
    return _vector([_count(value) for value in values])


def _string(value: bytes) -> bytes:
    return bytes((STRING,)) + varbyte(len(value)) + value


def _elements(tag: int, values: U8Array) -> bytes:
    """A vector of fixed-size values from uint8 [n, size]."""
    out = np.empty((len(values), values.shape[1] + 1), np.uint8)
    out[:, 0] = tag
    out[:, 1:] = values
    return b"\x0e" + varbyte(len(values)) + out.tobytes()


def _words(tag: int, values: npt.NDArray[np.generic]) -> bytes:
    swapped = values.astype(values.dtype.newbyteorder(">"))
    return _elements(tag, swapped.view(np.uint8).reshape(len(values), 8))


def _group(batch: FlowBatch, made: Layout) -> bytes:
    """The record of one group."""
    row = np.arange(0) if made.group is Group.CONN else _rows_of(batch, made)
    part = batch if made.group is Group.CONN else batch.take(row)
    strings = {
        step.name: _joined(part, step.name)
        for step in made.steps
        if isinstance(step, Single) and step.kind is Kind.STRING
    }
    parts: list[bytes] = []
    for step in made.steps:
        if isinstance(step, Single):
            parts.append(_single(part, step, strings))
            continue
        for name, tag in zip(step.names, step.tags, strict=True):
            if name == ROW:
                values: npt.NDArray[np.generic] = row.astype(np.uint64)
            elif name == FLAGS:
                values = _flags(part, made)
            elif name.endswith(LENGTHS) and name.removesuffix(LENGTHS) in strings:
                values = strings[name.removesuffix(LENGTHS)][0]
            else:
                values = _values(part, name, made)
            parts.append(_words(tag[0], values))
    return _vector(parts)


def _rows_of(batch: FlowBatch, made: Layout) -> npt.NDArray[np.intp]:
    """The rows that have the group: intp [k]."""
    has = np.zeros(batch.rows, np.bool_)
    for name in made.kinds:
        if name in batch.columns:
            has |= batch.columns[name].mask()
    return np.flatnonzero(has)


def _values(part: FlowBatch, name: str, made: Layout) -> npt.NDArray[np.generic]:
    """The values of a column, 0 where absent."""
    column = part.numeric(name)
    if name in made.required and part.rows and (column is None or not column.mask().all()):
        raise FlowError(f"{name}: every flow of {made.group} must have it")
    if column is None:
        shape = (part.rows, 16) if made.kinds[name] is Kind.ADDR else (part.rows,)
        return np.zeros(shape, np.uint64)
    if column.valid is None:
        return column.values
    return np.where(column.valid, column.values, column.values.dtype.type(0))


def _flags(part: FlowBatch, made: Layout) -> npt.NDArray[np.uint64]:
    flags = np.zeros(part.rows, np.uint64)
    for name, bits in made.flags.items():
        column = part.numeric(name)
        if column is None:
            continue
        mask: BoolArray = column.mask()
        if bits.present is not None:
            flags |= mask.astype(np.uint64) << np.uint64(bits.present)
        if bits.value is not None:
            flags |= (mask & column.values.astype(np.bool_)).astype(np.uint64) << np.uint64(
                bits.value
            )
    return flags


def _joined(part: FlowBatch, name: str) -> tuple[npt.NDArray[np.uint64], bytes]:
    """Lengths, uint64 [n], and joined bytes of a string or enumeration column."""
    column = part.columns.get(name)
    if isinstance(column, Numeric):
        # The vocabulary with an empty word at its end, for the absent.
        words = Strings.from_items([word.encode() for word in BY_NAME[name].vocabulary] + [b""])
        column = words.take(np.where(column.mask(), column.values, len(words) - 1).astype(np.intp))
    if not isinstance(column, Strings):
        return np.zeros(part.rows, np.uint64), b""
    lengths, data = column.lengths(), column.data[column.offsets[0] : column.offsets[-1]]
    if column.valid is not None:
        data = data[np.repeat(column.valid, lengths)]
        lengths = np.where(column.valid, lengths, 0)
    return lengths.astype(np.uint64), data.tobytes()


def _single(
    part: FlowBatch, step: Single, strings: dict[str, tuple[npt.NDArray[np.uint64], bytes]]
) -> bytes:
    if step.kind is Kind.STRING:
        return _string(strings[step.name][1])
    made = layout(BY_NAME[step.name].group)
    values = _values(part, step.name, made)
    if step.kind is Kind.ADDR:
        return _elements(ADDR, values.astype(np.uint8).reshape(part.rows, 16))
    out = np.zeros((part.rows, 3), np.uint8)
    out[:, :2] = values.astype(">u2").view(np.uint8).reshape(part.rows, 2)
    if part.rows:
        out[:, 2] = _values(part, "proto", made)
    return _elements(PORT, out)
