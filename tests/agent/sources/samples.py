"""Messages to test with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from metatap.sources import Header, Hello, flows_message, hello_message
from tests.agent.flow.samples import plain

Parts = list[bytes]


@dataclass
class Zeek:
    """A Zeek that sends numbered batches of plain flows.

    Attributes:
        node: Its name.
        boot: Its boot id.
        batches: Batches sent, by shard.
        flows: Flows sent, by shard.
    """

    node: str = "worker-1"
    boot: str = "boot-1"
    batches: dict[int, int] = field(default_factory=dict)
    flows: dict[int, int] = field(default_factory=dict)

    def header(self, rows: int, shard: int = 0) -> Header:
        """The next header, which is then sent."""
        header = Header(
            self.node, self.boot, shard, self.batches.get(shard, 0), self.flows.get(shard, 0), rows
        )
        self.batches[shard] = header.batch + 1
        self.flows[shard] = header.flows_before + rows
        return header

    def batch(self, rows: int = 3, shard: int = 0) -> Parts:
        """The next batch; its flows have uids counted by `flows_before`."""
        header = self.header(rows, shard)
        return flows_message(plain(rows, header.flows_before), header)

    def hello(self, *, final: bool = False) -> Parts:
        """A heartbeat."""
        return hello_message(self.told(final=final))

    def told(self, *, final: bool = False) -> Hello:
        """What a heartbeat says."""
        shards = tuple(sorted(self.flows))
        return Hello(
            self.node,
            self.boot,
            final,
            shards,
            tuple(self.batches[shard] for shard in shards),
            tuple(self.flows[shard] for shard in shards),
            seen=sum(self.flows.values()),
        )


def uid(at: int) -> bytes:
    """The uid of the flow of this number."""
    return f"C{at:08d}".encode()


def stream() -> tuple[list[Parts], list[bytes | None]]:
    """A stream with a bad message and a lost one in it, and the uids that must be read."""
    zeek = Zeek()
    messages = [zeek.hello(), zeek.batch(), zeek.batch()]
    zeek.batch(4)  # never arrives
    bad = zeek.batch(5)
    messages += [[*bad[:3], bad[3][:-1]], zeek.batch(2), zeek.hello(final=True)]
    numbers = [*range(6), *range(15, 17)]
    return messages, [uid(number) for number in numbers]


def damaged(parts: Parts) -> Iterator[tuple[str, Parts]]:
    """The message damaged in various ways, each with the reason it must be skipped for."""
    topic, sender, serializer, payload = parts
    yield "parts", [topic, payload]
    yield "parts", [*parts, b""]
    yield "not_utf8", [b"metatap.flows.v1.000.\xff.", sender, serializer, payload]
    yield "not_utf8", [topic, b"\xff\xfe", serializer, payload]
    yield "serializer", [topic, sender, b"broker-json-v1", payload]
    yield "too_short", [topic, sender, serializer, payload[:-3]]
    yield "too_long", [topic, sender, serializer, payload + b"\0"]
    yield "too_short", [topic, sender, serializer, b""]
    yield "bad_tag", [topic, sender, serializer, b"\x05" + payload[1:]]
