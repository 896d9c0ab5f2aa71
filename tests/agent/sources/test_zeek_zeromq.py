"""A running Zeek, heard over real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from structlog.testing import capture_logs

from metatap.errors import SourceError
from metatap.sources import NodeStatus, WireOptions, ZeekZeroMQ, flows_message
from tests.agent.flow.samples import plain, uids
from tests.agent.sources.contract import Supply, check_source, closing, read_all
from tests.agent.sources.samples import Parts, Zeek, stream, uid

LOOPBACK = "zeek+tcp://127.0.0.1:0?bind=1"


class Wire:
    """Sockets of a Zeek: an XPUB that connects, as its ZeroMQ backend does."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.sockets: list[zmq.Socket[bytes]] = []

    def socket(self, kind: int, sndhwm: int = 0) -> zmq.Socket[bytes]:
        """A socket that is closed at the end of the test."""
        made = self.context.socket(kind)
        made.sndhwm = sndhwm
        self.sockets.append(made)
        return made

    def zeek(
        self, address: str, source: ZeekZeroMQ | None = None, sndhwm: int = 0
    ) -> zmq.Socket[bytes]:
        """A publisher that has connected and seen the agent's subscription to flows.

        A SUB socket that is bound tells a new peer its subscriptions when it is next read from, so
        a source that is not read by another thread is read here.
        """
        publisher = self.socket(zmq.XPUB, sndhwm)
        publisher.connect(address)
        for _ in range(1000):
            if source is not None:
                assert source.read(0) is None
            if publisher.poll(10) and publisher.recv().startswith(b"\x01metatap.flows."):
                return publisher
        raise AssertionError("nobody subscribed")

    def close(self) -> None:
        """Close all of it."""
        for socket in self.sockets:
            socket.close(linger=0)
        self.context.term()


def send(publisher: zmq.Socket[bytes], *messages: Parts) -> None:
    """Publish the messages."""
    for message in messages:
        publisher.send_multipart(message)


def status_of(source: ZeekZeroMQ, node: str = "worker-1") -> NodeStatus:
    """What the source tells of a node."""
    return next(each for each in source.heard().nodes if each.node == node)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Zeek's end of the wire."""
    made = Wire()
    yield made
    made.close()


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_it_keeps_the_contract_of_a_source(wire: Wire, tmp_path: Path, transport: str) -> None:
    """Over TCP and over a Unix socket, the agent binding."""
    urls = {"tcp": LOOPBACK, "ipc": f"zeek+ipc://{tmp_path / 'z.ipc'}?bind=1"}

    def make() -> Supply:
        source = ZeekZeroMQ.from_url(urls[transport] + "&batch_rows=0")
        messages, expected = stream()
        send(wire.zeek(source.address, source), *messages)
        return Supply(source, expected, ends=False)

    check_source(make)


def test_it_connects_to_a_proxy_as_in_a_cluster(wire: Wire) -> None:
    """Two workers publish through the manager's XSUB/XPUB proxy; nothing is lost."""
    inside, outside = wire.socket(zmq.XSUB), wire.socket(zmq.XPUB)
    ports = [socket.bind_to_random_port("tcp://127.0.0.1") for socket in (inside, outside)]
    control = wire.socket(zmq.PAIR)
    control.bind("inproc://control")
    steer = wire.socket(zmq.PAIR)
    steer.connect("inproc://control")
    proxy = threading.Thread(
        target=zmq.proxy_steerable, args=(inside, outside, None, control), daemon=True
    )
    proxy.start()
    with closing(ZeekZeroMQ.from_url(f"zeek+tcp://127.0.0.1:{ports[1]}")) as source:
        zeeks = [Zeek(node=f"worker-{at}") for at in (1, 2)]
        publishers = [wire.zeek(f"tcp://127.0.0.1:{ports[0]}", source) for _ in zeeks]
        for _ in range(100):
            for zeek, publisher in zip(zeeks, publishers, strict=True):
                send(publisher, zeek.batch(20))
        for zeek, publisher in zip(zeeks, publishers, strict=True):
            send(publisher, zeek.hello(final=True))
        assert sum(batch.rows for batch in read_all(source, 4000)) == 4000
        assert source.flows.dropped == {}
    steer.send(b"TERMINATE")
    proxy.join(5)
    assert not proxy.is_alive()


def test_a_subscriber_of_one_shard_gets_that_shard_only(wire: Wire) -> None:
    """Shard 1 is not shard 10, and the other's flows are not missed."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK + "&shards=1&join_s=0&batch_rows=0")) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()
        send(publisher, zeek.batch(3, 1), zeek.batch(4, 10), zeek.batch(5, 1))
        send(publisher, zeek.hello(final=True))
        assert [batch.rows for batch in read_all(source, 8)] == [3, 5]
        assert source.read(0.2) is None
        assert source.flows.dropped == {}
        assert status_of(source).state == "ended"


def test_after_a_hundred_megabytes_the_next_message_is_read(wire: Wire) -> None:
    """The connection survives, the message is counted as too big."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()
        big = zeek.batch(3)
        send(publisher, zeek.hello(), [*big[:3], bytes(100 << 20)], zeek.batch(4))
        assert [batch.rows for batch in read_all(source, 4, seconds=30)] == [4]
        assert source.messages.dropped == {"too_big": 1}
        assert source.flows.received == 4


def test_what_the_high_water_mark_drops_is_counted(wire: Wire) -> None:
    """ZeroMQ says nothing of it; received is still what was sent."""
    zeek, flows = Zeek(), plain(200)
    messages = [flows_message(flows, zeek.header(200)) for _ in range(600)]
    with closing(ZeekZeroMQ.from_url(LOOPBACK + "&rcvhwm=2&join_s=0")) as source:
        publisher = wire.zeek(source.address, source, sndhwm=2)
        send(publisher, *messages)
        read = read_all(source, 120_000, seconds=1)
        send(publisher, zeek.hello(final=True))
        assert source.read(0.5) is None
        assert source.flows.received == 120_000
        assert source.flows.passed == sum(batch.rows for batch in read)
        assert source.flows.dropped["lost"] > 0
        assert source.flows.balanced


def test_waiting_messages_are_joined_when_asked_to(wire: Wire) -> None:
    """With `batch_rows` one read gives several messages' flows, in order."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK, WireOptions(batch_rows=100))) as source:
        publisher, zeek = wire.zeek(source.address, source), Zeek()
        send(publisher, *(zeek.batch(7) for _ in range(60)))
        time.sleep(0.3)
        batches = read_all(source, 420)
        assert batches[0].rows == 98
        assert [name for batch in batches for name in uids(batch)] == [uid(at) for at in range(420)]


def test_a_heartbeat_of_another_version_is_noticed(wire: Wire) -> None:
    """A newer Zeek package sends what is not read; that must not look like silence."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
        topic, *rest = Zeek().hello()
        publisher = wire.zeek(source.address, source)
        send(publisher, [topic.replace(b".v1.", b".v2."), *rest[:2], rest[2][:60]])
        with capture_logs() as logs:
            source.read(1)
        assert source.messages.received == 1
        assert logs[0]["node"] == "worker-1"


def test_a_silent_node_is_dead_and_an_idle_one_is_not(wire: Wire) -> None:
    """Heartbeats make the difference."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK, WireOptions(silent_s=0.3))) as source:
        publisher = wire.zeek(source.address, source)
        idle, dead = Zeek(node="idle"), Zeek(node="dead")
        send(publisher, idle.batch(), dead.batch())
        end = time.monotonic() + 1
        with capture_logs() as logs:
            while time.monotonic() < end:
                send(publisher, idle.hello())
                source.read(0.05)
        assert status_of(source, "idle").state == "idle"
        assert status_of(source, "dead").state == "dead"
        assert [log["node"] for log in logs if log["event"] == "zeek_silent"] == ["dead"]


def test_what_goes_back_to_zeek_has_a_socket_of_its_own(wire: Wire) -> None:
    """Zeek's XSUB connects to it."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK + "&to_zeek=tcp://127.0.0.1:0")) as source:
        assert source.to_zeek is not None
        listener = wire.socket(zmq.XSUB)
        listener.connect(bytes(source.to_zeek.get(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode())
        listener.send(b"\x01metatap.alert")
        for _ in range(100):
            source.to_zeek.send_multipart([b"metatap.alert.", b"x"])
            if listener.poll(50):
                break
        assert listener.recv_multipart() == [b"metatap.alert.", b"x"]


def test_a_flood_of_bad_messages_does_not_hold_read_up(wire: Wire) -> None:
    """`read` comes back after its timeout although there is always something to skip."""
    with closing(ZeekZeroMQ.from_url(LOOPBACK)) as source:
        publisher = wire.zeek(source.address, source)
        stop = threading.Event()

        def flood() -> None:
            while not stop.is_set():
                send(publisher, [b"metatap.flows.v1.000.x.", b"", b"", b""])

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            start = time.monotonic()
            assert source.read(0.3) is None
            assert time.monotonic() - start < 3
        finally:
            stop.set()
            thread.join()
        assert source.messages.dropped["serializer"] > 0


def test_an_address_in_use_is_named(wire: Wire) -> None:
    """Two agents can't bind one endpoint."""
    port = wire.socket(zmq.SUB).bind_to_random_port("tcp://127.0.0.1")
    with pytest.raises(SourceError, match=f"127.0.0.1:{port}: can't be bound: Address already"):
        ZeekZeroMQ.from_url(f"zeek+tcp://127.0.0.1:{port}?bind=1")


def test_reading_a_closed_source_fails_by_name() -> None:
    """The error names the endpoint."""
    source = ZeekZeroMQ.from_url(LOOPBACK)
    source.close()
    assert source.done
    with pytest.raises(SourceError, match=source.address):
        source.read(0)
