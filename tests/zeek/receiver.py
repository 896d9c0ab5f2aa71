"""A plain ZeroMQ receiver in the agent's place."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import zmq

from metatap.flow.schema import COLUMNS, Group, Kind, group_columns, group_flags
from tests.zeek.broker_bin import Event, parse

HEADER = ("version", "node", "boot", "shard", "batch", "flows_before", "rows")
HELLO = (
    "version",
    "node",
    "boot",
    "final",
    "shards",
    "batches",
    "flows",
    "seen",
    "partials",
    "filtered",
)
GROUPS = tuple(Group)
PROTOCOLS = ("unknown_transport", "tcp", "udp", "icmp")


@dataclass
class Received:
    """What came, in order.

    Attributes:
        flows: One mapping a flow, by column name; what is absent is not in it. "header" is the
            batch's header.
        headers: The header of each batch.
        hellos: Each heartbeat.
        events: All events as they were parsed.
        topics: The topic of each.
    """

    flows: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)
    hellos: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)

    def add(self, parts: list[bytes], *, keep: bool = True) -> None:
        """Take in one message."""
        topic, _, serializer, payload = parts
        assert serializer == b"broker-bin-v1"
        event = parse(payload)
        self.topics.append(topic.decode())
        if keep:
            self.events.append(event)
        if event.name == "Metatap::hello":
            plain = [_text(arg.plain()) for arg in event.args]
            self.hellos.append(dict(zip(HELLO, plain, strict=True)))
            return
        assert event.name == "Metatap::flows"
        header = dict(zip(HEADER, map(_text, event.args[0].plain()), strict=True))
        self.headers.append(header)
        rows: list[dict[str, Any]] = [{"header": header} for _ in range(header["rows"])]
        for group, arg in zip(GROUPS, event.args[1:], strict=True):
            _fill(rows, group, arg.plain())
        self.flows.extend(rows)

    @property
    def finals(self) -> list[dict[str, Any]]:
        """The last heartbeat of each node."""
        return [hello for hello in self.hellos if hello["final"]]


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def fields(group: Group) -> list[tuple[str, str]]:
    """Name and wire type of a group's fields, as the contract has them: the schema's columns."""
    found = [] if group is Group.CONN else [("row", "count")]
    for column in group_columns(group):
        if column.kind in {Kind.STRING, Kind.ENUM} and column.name != "proto":
            found += [(column.wire_name, "string"), (f"{column.wire_name}_len", "count")]
        elif column.kind not in {Kind.STRING, Kind.ENUM, Kind.BOOL}:
            found.append((column.wire_name, str(column.kind)))
    return [*found, ("flags", "count")]


def _fill(rows: list[dict[str, Any]], group: Group, values: list[Any]) -> None:
    """Put the columns of a group into the rows they belong to."""
    names = [name for name, _ in fields(group)]
    columns = dict(zip(names, values, strict=True))
    places = columns.get("row", range(len(rows)))
    flags, layout = columns["flags"], group_flags(group)
    assert list(places) == sorted(set(places))
    for spec in COLUMNS:
        if spec.group is not group or spec.name == "proto":
            continue
        bits = layout.get(spec.name)
        texts = _split(columns, spec.wire_name) if spec.wire_name + "_len" in columns else None
        for element, place in enumerate(places):
            if texts is not None:
                if texts[element]:
                    rows[place][spec.name] = texts[element]
            elif bits is None or bits.present is None or flags[element] >> bits.present & 1:
                if bits is not None and bits.value is not None:
                    rows[place][spec.name] = bool(flags[element] >> bits.value & 1)
                else:
                    value = columns[spec.wire_name][element]
                    rows[place][spec.name] = value[0] if spec.kind is Kind.PORT else value
            else:
                assert columns.get(spec.wire_name, [0] * len(flags))[element] == 0
    if group is Group.CONN:
        for element, port in enumerate(columns["resp_p"]):
            rows[element]["proto"] = PROTOCOLS[port[1]]


def _split(columns: dict[str, Any], name: str) -> list[bytes]:
    at, texts = 0, []
    for length in columns[f"{name}_len"]:
        texts.append(columns[name][at : at + length])
        at += length
    assert at == len(columns[name])
    return texts


class Receiver:
    """Collects all messages of the package, in a thread.

    Args:
        flows: Endpoint to receive on.
        back: Endpoint that Zeek's other socket connects to; bound as well where `bind` is set.
        bind: Bind the endpoints, as an agent beside a standalone Zeek does, rather than connect.
        topics: Prefixes to subscribe to.
        keep: Keep all parsed events; costs memory with many flows.
        slow: Seconds to sleep after each message.
    """

    def __init__(
        self,
        flows: str,
        back: str,
        *,
        bind: bool = True,
        topics: tuple[str, ...] = ("metatap.",),
        keep: bool = True,
        slow: float = 0.0,
    ) -> None:
        self.received = Received()
        self.messages: list[list[bytes]] = []
        self._keep = keep
        self._slow = slow
        self._stop = threading.Event()
        self._context = zmq.Context()
        self._flows = self._context.socket(zmq.SUB)
        self._flows.set_hwm(0)
        self._back: zmq.Socket[bytes] | None = None
        if bind:
            self._flows.bind(flows)
            self._back = self._context.socket(zmq.XPUB)
            self._back.bind(back)
        else:
            self._flows.connect(flows)
        for topic in topics:
            self._flows.subscribe(topic)
        self._thread = threading.Thread(target=self._collect)

    def _collect(self) -> None:
        while not self._stop.is_set():
            if self._flows.poll(50):
                self.messages.append(self._flows.recv_multipart())
                time.sleep(self._slow)

    def wait_final(self, nodes: int = 1, timeout: float = 60.0) -> Received:
        """What came, once `nodes` of them have sent their final heartbeat."""
        deadline = time.monotonic() + timeout
        at = 0
        while len(self.received.finals) < nodes and time.monotonic() < deadline:
            while at < len(self.messages):
                self.received.add(self.messages[at], keep=self._keep)
                at += 1
            time.sleep(0.02)
        assert len(self.received.finals) >= nodes, "no final heartbeat"
        return self.received

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._flows.close(0)
        if self._back is not None:
            self._back.close(0)
        self._context.term()
