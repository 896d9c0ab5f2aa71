"""Wire messages → batches: the contract of `docs/wire.md`, read by columns.

In: the four parts of a ZeroMQ message. Out: a `Hello`, or a `FlowsMessage` whose header is read and
whose columns are decoded on request, into a `FlowBatch` whose strings are views of the message.
Columns that no flow of the batch has are left out. A value outside an enumeration's vocabulary is
absent and counted in `Flows.unknown`; anything else that breaks the contract raises `WireError`
with the field and one of the names in `REASONS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from metatap.errors import WireError
from metatap.flow import CONTRACT_VERSION, FlowBatch, Group, Origin
from metatap.flow.columns import Column
from metatap.sources.broker_bin import Buffer, Reader
from metatap.sources.messages import COUNT_MAX, NAME_MAX_BYTES, Header, Hello
from metatap.sources.options import SHARDS, WireOptions
from metatap.sources.wire_columns import read_group
from metatap.sources.wire_layout import FLOWS, HELLO, SERIALIZER

REASONS: dict[str, str] = {
    "parts": "The message has not four parts.",
    "too_big": "The message, the batch or a name is larger than the options allow.",
    "not_utf8": "Topic, sender, node or boot id is not UTF-8.",
    "serializer": "The payload is not in broker-bin-v1.",
    "event": "The payload is no event, or one of another name.",
    "version": "Another contract version.",
    "bad_tag": "A value of another type than the contract says.",
    "too_short": "A length goes beyond the end of the message.",
    "too_long": "Bytes are left over at the end.",
    "length": "A record or column has another number of elements than it must.",
    "rows": "A group's row numbers do not increase, or go beyond the batch.",
    "range": "A number is out of its bounds.",
}
"""Reasons for which a wire message is skipped."""

_METADATA_MAX = 64
"""Values in the metadata that Zeek may append to an event; it is not read."""

_EVENT_NAME_MAX = 128
_HEADER_FIELDS, _FLOWS_ARGS, _HELLO_ARGS = 7, 6, 10


@dataclass(frozen=True, slots=True)
class Flows:
    """A decoded batch.

    Attributes:
        header: Its header.
        batch: Its flows.
        unknown: Column name → flows whose value is not in the column's vocabulary.
    """

    header: Header
    batch: FlowBatch
    unknown: dict[str, int]


@dataclass(slots=True)
class FlowsMessage:
    """A batch whose header has been read.

    Attributes:
        header: The header.
    """

    header: Header
    _reader: Reader
    _metadata: bool
    _done: bool = field(default=False)

    @property
    def payload(self) -> memoryview:
        """The fourth part of the message."""
        return self._reader.payload

    @property
    def at(self) -> int:
        """Where the payload has been read to: at first, where the first group starts."""
        return self._reader.at

    def origin(self, source: str) -> Origin:
        """Where the flows came from, `source` being the kind of the source."""
        return Origin(source, self.header.node, self.header.batch)

    def finish(self, at: int) -> None:
        """Check what lies behind the groups, which end at `at`; callable once.

        Raises:
            WireError: the message breaks the contract.
        """
        self._once()
        self._reader.at = at
        _finish(self._reader, self._metadata, "flows")

    def decode(self, source: str = "") -> Flows:
        """The columns; callable once.

        Args:
            source: Goes into the batch's `Origin`.

        Raises:
            WireError: the message breaks the contract.
        """
        self._once()
        header, columns, unknown = self.header, dict[str, Column](), dict[str, int]()
        for group in Group:
            read_group(self._reader, group, header.rows, columns, unknown)
        _finish(self._reader, self._metadata, "flows")
        return Flows(header, FlowBatch(header.rows, columns, self.origin(source)), unknown)

    def _once(self) -> None:
        if self._done:
            raise RuntimeError("a message is decoded once")
        self._done = True


def open_message(
    parts: Sequence[Buffer], options: WireOptions | None = None
) -> FlowsMessage | Hello:
    """A message, read as far as it takes to know what it is.

    Args:
        parts: Topic, sender, serializer name, payload.
        options: The bounds `max_message_bytes` and `max_rows` are used.

    Raises:
        WireError: the message breaks the contract.
    """
    options = options or WireOptions()
    if len(parts) != 4:
        raise WireError("parts", "message", f"{len(parts)} parts, not 4")
    size = sum(len(part) for part in parts)
    if size > options.max_message_bytes:
        detail = f"{size} bytes, more than {options.max_message_bytes}"
        raise WireError("too_big", "message", detail)
    topic, sender, serializer, payload = parts
    for name, text in (("topic", topic), ("sender", sender)):
        if decode_text(text) is None:
            raise WireError("not_utf8", name, "not UTF-8")
    if bytes(serializer) != SERIALIZER.encode():
        raise WireError("serializer", "serializer", f"{bytes(serializer[:32])!r}")
    reader = Reader(payload)
    event, metadata = _event(reader)
    if event == FLOWS:
        header = _header(reader)
        if header.rows > options.max_rows:
            detail = f"{header.rows} flows, more than {options.max_rows}"
            raise WireError("too_big", "flows.header.rows", detail)
        return FlowsMessage(header, reader, metadata)
    if event == HELLO:
        hello = _hello(reader)
        _finish(reader, metadata, "hello")
        return hello
    raise WireError("event", "event.name", repr(event))


def decode(parts: Sequence[Buffer], options: WireOptions | None = None) -> Flows | Hello:
    """A message in one go; see `open_message` and `FlowsMessage.decode`."""
    message = open_message(parts, options)
    return message.decode() if isinstance(message, FlowsMessage) else message


def decode_text(raw: Buffer) -> str | None:
    """Text of a part, None if it is not UTF-8."""
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError:
        return None


def _event(reader: Reader) -> tuple[str, bool]:
    """Envelope of an event: its name, and whether metadata follows its arguments."""
    reader.record("event", 3)
    for name in ("event.protocol", "event.type"):
        if (value := reader.count(name)) != 1:
            raise WireError("event", name, f"{value}, not 1")
    size = reader.vector("event.content")
    if size not in (2, 3):
        raise WireError("length", "event.content", f"{size} elements, not 2 or 3")
    return reader.text("event.name", _EVENT_NAME_MAX), size == 3


def _finish(reader: Reader, metadata: bool, name: str) -> None:
    if metadata:
        reader.skip("event.metadata", _METADATA_MAX)
    reader.end(name)


def _version(reader: Reader, name: str) -> None:
    version = reader.count(name)
    if version != CONTRACT_VERSION:
        raise WireError("version", name, f"{version}, not {CONTRACT_VERSION}")


def _size(name: str, found: int, expected: int) -> None:
    # Read after the version, since another version may well have another size.
    if found != expected:
        raise WireError("length", name, f"{found} elements, not {expected}")


def _bounded(reader: Reader, name: str, limit: int = COUNT_MAX) -> int:
    value = reader.count(name)
    if value >= limit:
        raise WireError("range", name, f"{value}, not below {limit}")
    return value


def _header(reader: Reader) -> Header:
    at = "flows.header."
    args = reader.vector("flows")
    size = reader.vector("flows.header")
    _version(reader, at + "version")
    _size("flows", args, _FLOWS_ARGS)
    _size("flows.header", size, _HEADER_FIELDS)
    return Header(
        node=reader.text(at + "node", NAME_MAX_BYTES),
        boot=reader.text(at + "boot", NAME_MAX_BYTES),
        shard=_bounded(reader, at + "shard", SHARDS),
        batch=_bounded(reader, at + "batch"),
        flows_before=_bounded(reader, at + "flows_before"),
        rows=_bounded(reader, at + "rows"),
    )


def _hello(reader: Reader) -> Hello:
    args = reader.vector("hello")
    _version(reader, "hello.version")
    _size("hello", args, _HELLO_ARGS)
    node = reader.text("hello.node", NAME_MAX_BYTES)
    boot = reader.text("hello.boot", NAME_MAX_BYTES)
    final = reader.boolean("hello.final")
    size = reader.peek_vector("hello.shards")
    if size > SHARDS:
        raise WireError("range", "hello.shards", f"{size} shards")
    shards = _totals(reader, "hello.shards", size, SHARDS)
    if len(set(shards)) != size:
        raise WireError("range", "hello.shards", "a shard comes twice")
    batches = _totals(reader, "hello.batches", size, COUNT_MAX)
    flows = _totals(reader, "hello.flows", size, COUNT_MAX)
    seen, partials, filtered = (
        _bounded(reader, f"hello.{name}") for name in ("seen", "partials", "filtered")
    )
    return Hello(node, boot, final, shards, batches, flows, seen, partials, filtered)


def _totals(reader: Reader, name: str, size: int, limit: int) -> tuple[int, ...]:
    reader.record(name, size)
    return tuple(_bounded(reader, f"{name}[{index}]", limit) for index in range(size))
