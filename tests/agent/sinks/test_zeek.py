"""The way back into Zeek, without Zeek: subscribers that come, die, hang, want something else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zmq
from tests.agent.sinks.transport_contract import check_transport, eventually, make_record
from tests.agent.sinks.zeek_receiver import ZeekReceiver
from tests.zeek.run import free_port

from metatap.errors import ConfigError
from metatap.packs import Severity
from metatap.sinks.transport import Guarantee, Record, Sent, TransportError
from metatap.sinks.zeek import ZeekTransport

WAIT = 20.0
"""Seconds for what must come."""


@pytest.fixture
def address() -> str:
    """Where nobody listens."""
    return f"tcp://127.0.0.1:{free_port()}"


class Peers:
    """Sockets of a test, closed at its end."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []

    def socket(self, kind: int, address: str, *, rcvhwm: int = 1000) -> zmq.Socket[bytes]:
        """A socket that connects."""
        made = self._context.socket(kind)
        self._sockets.append(made)
        made.linger = 0
        made.rcvtimeo = int(WAIT * 1000)
        made.rcvhwm = rcvhwm
        made.rcvbuf = 4096
        made.connect(address)
        return made

    def subscriber(self, address: str, topic: str, *, rcvhwm: int = 1000) -> zmq.Socket[bytes]:
        """One that has subscribed."""
        made = self.socket(zmq.SUB, address, rcvhwm=rcvhwm)
        made.subscribe(topic)
        return made

    def close(self) -> None:
        """Close them all."""
        for socket in self._sockets:
            socket.close()
        self._context.term()


@pytest.fixture
def peers() -> Iterator[Peers]:
    """The other ends."""
    with closing(Peers()) as made:
        yield made


@pytest.mark.parametrize(("kind", "bind"), [("tcp", False), ("ipc", True)])
def test_contract(
    tmp_path_factory: pytest.TempPathFactory, address: str, kind: str, *, bind: bool
) -> None:
    """In order, each once; a subscriber that is not there, dies or takes nothing is noticed."""
    folder = tmp_path_factory.mktemp("z")
    place = address if kind == "tcp" else f"ipc://{folder}/s"
    receiver = ZeekReceiver(folder / "r", place, bind=not bind)
    try:
        check_transport(lambda: ZeekTransport(place, bind=bind, wait=2.0, timeout=1.0), receiver)
    finally:
        receiver.resume()
        receiver.kill()


@pytest.mark.parametrize("bind", [False, True], ids=["connects", "binds"])
def test_the_first_send_after_a_death_fails(tmp_path: Path, address: str, *, bind: bool) -> None:
    """ZeroMQ would drop it silently, or keep it for a subscriber that may never come back."""
    receiver = ZeekReceiver(tmp_path / "r", address, bind=not bind)
    with closing(ZeekTransport(address, bind=bind, wait=1.0, settle=1.0)) as transport:
        try:
            receiver.start()
            assert _sends(transport, [make_record(0)]) == Sent(1)
            receiver.kill()
            with pytest.raises(TransportError) as caught:
                transport.send([make_record(1)])
            assert caught.value.reason in ("closed", "no_subscriber")
            receiver.start()
            assert _sends(transport, [make_record(1)]) == Sent(1)
            assert eventually(lambda: receiver.ids()[-1:] == ["id-000001"])
        finally:
            receiver.kill()


def test_promises_no_more_than_it_can(address: str) -> None:
    """Nobody says that an event arrived."""
    assert ZeekTransport(address).guarantee is Guarantee.BEST_EFFORT


@pytest.mark.parametrize("topic", ["", "metatap.", "metatap.alert.v2.", "metatap.flows."])
def test_other_listeners_do_not_count(peers: Peers, address: str, topic: str) -> None:
    """Who listens to everything, or to something else, is no Zeek that takes alerts."""
    with closing(ZeekTransport(address, bind=True, wait=1.0)) as transport:
        with pytest.raises(TransportError, match="no_subscriber"):
            transport.send([make_record(0)])
        other = peers.subscriber(address, topic)
        with pytest.raises(TransportError) as caught:
            transport.send([make_record(0)])
        assert caught.value.reason == "no_subscriber"
        heard = peers.subscriber(address, "metatap.alert.v1.")
        assert _sends(transport, [make_record(0)]) == Sent(1)
        assert heard.recv_multipart()[0] == b"metatap.alert.v1."
        if topic in ("", "metatap."):
            assert other.recv_multipart()[0] == b"metatap.alert.v1."


def test_what_is_no_json_object_is_refused(peers: Peers, address: str) -> None:
    """The others go out; the message has Zeek's four parts."""
    heard = peers.subscriber(address, "metatap.alert.v1.")
    bodies = [b"[]", b"\xff", b"{" * 10_000, b'{"a":' * 10_000]
    bad = [Record(f"bad-{at}", 0, Severity.LOW, body) for at, body in enumerate(bodies)]
    with closing(ZeekTransport(address, bind=True)) as transport:
        sent = _sends(transport, [make_record(0), *bad, make_record(1)])
        assert sent == Sent(6, dict.fromkeys(range(1, 5), "not_json"))
        for number in range(2):
            topic, sender, serializer, payload = heard.recv_multipart()
            assert (topic, serializer) == (b"metatap.alert.v1.", b"broker-bin-v1")
            assert sender
            assert f"id-{number:06d}".encode() in payload


def test_records_before_a_failure_are_done(peers: Peers, address: str) -> None:
    """A subscriber that reads nothing takes what its queues hold; the rest is for later."""
    heard = peers.subscriber(address, "metatap.alert.v1.", rcvhwm=1)
    body = b'{"message":"%s"}' % (b"x" * 1000)
    records = [Record(f"id-{at}", 0, Severity.LOW, body) for at in range(2000)]
    with closing(ZeekTransport(address, bind=True, timeout=0.5, batch=2000)) as transport:
        sent = _sends(transport, records)
        assert 0 < sent.done < 2000
        with pytest.raises(TransportError) as caught:
            transport.send(records[sent.done :])
        assert caught.value.reason == "timeout"
        got = [heard.recv_multipart() for _ in range(sent.done)]
        for record, parts in zip(records, got, strict=False):
            assert record.id.encode() in parts[3]


def test_an_address_that_is_taken_is_an_error(tmp_path: Path, address: str) -> None:
    """It is tried again at each `send`, and said by name."""
    for place in (address, f"ipc://{tmp_path}/s"):
        with (
            closing(ZeekTransport(place, bind=True, wait=0.1)) as first,
            closing(ZeekTransport(place, bind=True, wait=0.1)) as second,
        ):
            with pytest.raises(TransportError, match="no_subscriber"):
                first.send([make_record(0)])
            with pytest.raises(TransportError, match=re.escape(place)) as caught:
                second.send([make_record(0)])
            assert caught.value.reason == "bind_failed"
            first.close()
            with pytest.raises(TransportError, match="no_subscriber"):
                second.send([make_record(0)])


def test_a_flood_of_subscriptions_is_cut_off(peers: Peers, address: str) -> None:
    """Whoever can connect may subscribe to anything; none of it is kept."""
    with closing(ZeekTransport(address, bind=True, wait=1.0)) as transport:
        with pytest.raises(TransportError):
            transport.send([make_record(0)])
        flood = peers.socket(zmq.XSUB, address)
        for number in range(5000):
            flood.send(b"\x01metatap.alert.v1.%d" % number)
        flood.send(b"\x01" + b"x" * 100_000)
        flood.send(b"\x02user message")
        with pytest.raises(TransportError) as caught:
            transport.send([make_record(0)])
        assert caught.value.reason == "no_subscriber"
        heard = peers.subscriber(address, "metatap.alert.")
        assert _sends(transport, [make_record(0)]) == Sent(1)
        assert heard.recv_multipart()[0] == b"metatap.alert.v1."


@pytest.mark.parametrize(
    "address",
    [" ", "127.0.0.1:5556", "tcp://host", "tcp://:1", "tcp://h:70000", "tcp://h:1/x", "ipc://a/b"],
)
def test_a_malformed_address_is_a_fault(address: str) -> None:
    """The configuration is refused, with the address."""
    with pytest.raises(ConfigError, match=re.escape(address)):
        ZeekTransport(address)


def _sends(transport: ZeekTransport, records: list[Record]) -> Sent:
    """Send to a subscriber that is just coming."""
    for _ in range(int(WAIT)):
        try:
            return transport.send(records)
        except TransportError as error:
            if error.reason != "no_subscriber":
                raise
    pytest.fail("never heard")
