"""metatap.sinks.syslog, against rsyslog and against receivers by hand."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.agent.sinks.authority import Authority
from tests.agent.sinks.syslogd import (
    Syslogd,
    free_port,
    needs_rsyslog,
    tcp_receiver,
    tls_receiver,
    udp_receiver,
)
from tests.agent.sinks.tcp_peer import Peer, drain
from tests.agent.sinks.transport_contract import bring, eventually, make_record, once

from metatap.errors import ConfigError
from metatap.sinks import (
    Endpoint,
    Framing,
    Sent,
    SyslogFormat,
    SyslogTcpTransport,
    SyslogUdpTransport,
    TlsOptions,
    TransportError,
)
from metatap.sinks import syslog as module


@pytest.fixture
def run() -> Iterator[Callable[[Syslogd], Syslogd]]:
    """Starts receivers and ends them."""
    running: list[Syslogd] = []

    def start(receiver: Syslogd) -> Syslogd:
        receiver.start()
        running.append(receiver)
        return receiver

    yield start
    for receiver in running:
        receiver.resume()
        receiver.kill()


Run = Callable[[Syslogd], Syslogd]


@needs_rsyslog
def test_rsyslog_reads_every_field(tmp_path: Path, run: Run) -> None:
    """What it makes of a message is what was put in."""
    receiver = run(udp_receiver(tmp_path / "r"))
    style = SyslogFormat(hostname="sensor-1")
    transport = SyslogUdpTransport(Endpoint("127.0.0.1", receiver.port), style)
    record = make_record(2)
    assert transport.send([record]) == Sent(1)
    transport.close()
    assert eventually(lambda: len(receiver.lines()) == 1)
    head = f"131 2023-11-14T22:13:20.123456Z sensor-1 metatap {os.getpid()} alert"
    assert receiver.lines() == [f'{head} [metatap@32473 id="{record.id}"] {record.body.decode()}']


@needs_rsyslog
def test_what_a_receiver_took_and_never_read_is_sent_again(tmp_path: Path, run: Run) -> None:
    """Its system acknowledged the messages, then it died with them."""
    receiver = run(tcp_receiver(tmp_path / "r"))
    transport = SyslogTcpTransport(Endpoint("127.0.0.1", receiver.port), timeout=5.0)
    records = [make_record(number) for number in range(60)]
    bring(transport, records[:20])
    assert eventually(lambda: len(receiver.ids()) == 20)
    receiver.hang()
    bring(transport, records[20:50])
    receiver.kill()
    receiver.start()
    assert len(receiver.ids()) == 20
    bring(transport, records[50:])
    transport.close()
    assert transport.resent == 50
    assert eventually(lambda: once(receiver.ids()) == [record.id for record in records])


@needs_rsyslog
def test_a_receiver_that_read_everything_gets_nothing_twice(tmp_path: Path, run: Run) -> None:
    """A connection that both ends closed in good order leaves nothing to send again."""
    receiver = run(tcp_receiver(tmp_path / "r"))
    transport = SyslogTcpTransport(Endpoint("127.0.0.1", receiver.port))
    records = [make_record(number) for number in range(40)]
    bring(transport, records[:20])
    transport.reopen()
    bring(transport, records[20:])
    transport.close()
    assert transport.resent == 0
    assert eventually(lambda: receiver.ids() == [record.id for record in records])


@needs_rsyslog
@pytest.mark.parametrize("driver", ["ossl", "gtls"])
def test_a_receiver_that_wants_a_certificate_gets_it(tmp_path: Path, run: Run, driver: str) -> None:
    """Without one, with another's or of a wrong name nothing counts as done.

    The driver for OpenSSL of rsyslog 8.2302 lets wrong names pass now and then, and writes what
    they send; so only that for GnuTLS is asked about them.
    """
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    server = authority.issue("localhost")
    receiver = run(tls_receiver(tmp_path / "r", authority, server, "sensor", driver))
    endpoint = Endpoint("localhost", receiver.port)
    known, unknown = authority.issue("sensor"), other.issue("sensor")
    strangers = [None, unknown] + [authority.issue("somebody")] * (driver == "gtls")
    for identity in strangers:
        tls = TlsOptions(
            authority.certificate,
            identity.certificate if identity else None,
            identity.key if identity else None,
        )
        transport = SyslogTcpTransport(endpoint, tls=tls, timeout=5.0)
        for _ in range(2):
            with pytest.raises(TransportError) as raised:
                transport.send([make_record(0)])
            assert raised.value.reason in {"tls", "closed"}
        transport.close()
    tls = TlsOptions(authority.certificate, known.certificate, known.key)
    transport = SyslogTcpTransport(endpoint, tls=tls)
    assert transport.send([make_record(1)]) == Sent(1)
    transport.close()
    assert eventually(lambda: receiver.ids() == [make_record(1).id])


@needs_rsyslog
def test_a_receiver_of_a_wrong_name_or_authority_gets_nothing(tmp_path: Path, run: Run) -> None:
    """Unless it is asked for by the name that its certificate bears, or nothing is checked."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    receiver = run(tls_receiver(tmp_path / "r", authority, authority.issue("siem.example")))
    endpoint = Endpoint("localhost", receiver.port)
    for tls in (
        TlsOptions(authority.certificate),
        TlsOptions(other.certificate, server_name="siem.example"),
        TlsOptions(server_name="siem.example"),
    ):
        with pytest.raises(TransportError, match="ertificate") as raised:
            SyslogTcpTransport(endpoint, tls=tls).send([make_record(0)])
        assert raised.value.reason == "tls"
    for at, tls in enumerate(
        (TlsOptions(authority.certificate, server_name="siem.example"), TlsOptions(verify=False))
    ):
        transport = SyslogTcpTransport(endpoint, tls=tls)
        assert transport.send([make_record(at)]) == Sent(1)
        transport.close()
    assert eventually(lambda: len(receiver.ids()) == 2)


@needs_rsyslog
def test_ipv6(tmp_path: Path, run: Run) -> None:
    """An address is an endpoint like a name, and is shown in brackets."""
    receiver = run(tcp_receiver(tmp_path / "r", "::1"))
    transport = SyslogTcpTransport(Endpoint("::1", receiver.port))
    assert transport.name == f"syslog+tcp:[::1]:{receiver.port}"
    assert transport.send([make_record(0)]) == Sent(1)
    transport.close()
    assert eventually(lambda: len(receiver.ids()) == 1)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_address_that_answers_is_taken(
    monkeypatch: pytest.MonkeyPatch, kind: socket.SocketKind
) -> None:
    """A name may have addresses where nobody listens."""
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            listening.listen()
        place = listening.getsockname()
        found = [
            (socket.AF_INET6, kind, 0, "", ("::1", place[1], 0, 0)),
            (socket.AF_INET, kind, 0, "", ("127.0.0.2", place[1])),
            (socket.AF_INET, kind, 0, "", place),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        endpoint = Endpoint("siem.example", 514)
        if kind is socket.SOCK_STREAM:
            stream = SyslogTcpTransport(endpoint, probation=0.0)
            assert stream.send([make_record(0)]) == Sent(1)
            stream.close()
            return
        datagrams = SyslogUdpTransport(endpoint)
        for _ in range(2):
            with pytest.raises(TransportError):
                datagrams.send([make_record(0)])
        assert datagrams.send([make_record(0)]) == Sent(1)
        datagrams.close()
        assert make_record(0).body in listening.recv(65536)


def test_frames_are_counted_or_ended() -> None:
    """Both framings of RFC 6587, to the byte."""
    style = SyslogFormat(hostname="h", enterprise=None)
    messages = [style.encode(make_record(number)) for number in range(2)]
    want = {
        Framing.OCTET_COUNTING: b"".join(b"%d %s" % (len(text), text) for text in messages),
        Framing.NEWLINE: b"".join(text + b"\n" for text in messages),
    }
    for framing, content in want.items():
        with Peer(drain) as peer:
            transport = SyslogTcpTransport(
                Endpoint("127.0.0.1", peer.port), style, framing=framing, probation=0.0
            )
            transport.send([make_record(0), make_record(1)])
            transport.close()
        assert peer.seen == [content]


def test_nothing_is_written_to_a_receiver_that_closed() -> None:
    """Its end is seen before the next message, which goes over a new connection."""

    def read_one_and_close(connection: socket.socket, seen: bytearray) -> None:
        seen += connection.recv(65536)
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        drain(connection, seen)

    with Peer(read_one_and_close, drain) as peer:
        transport = SyslogTcpTransport(Endpoint("127.0.0.1", peer.port), probation=0.0)
        transport.send([make_record(0)])
        time.sleep(0.5)
        transport.send([make_record(1)])
        transport.close()
    first, second = peer.seen
    assert make_record(1).body not in first
    assert make_record(0).body in second, "the window is sent again"
    assert make_record(1).body in second
    assert transport.resent == 1


def test_a_receiver_that_takes_connections_and_closes_them_has_nothing() -> None:
    """As a balancer does with nobody behind it, or a receiver with too many sessions."""

    def close(connection: socket.socket, seen: bytearray) -> None:
        seen += connection.recv(10)
        time.sleep(0.05)

    with Peer(close) as peer:
        transport = SyslogTcpTransport(Endpoint("127.0.0.1", peer.port))
        for _ in range(3):
            with pytest.raises(TransportError) as raised:
                transport.send([make_record(0)])
            assert raised.value.reason == "closed"
        transport.close()


def test_the_window_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """By messages and by bytes; the last are kept."""
    monkeypatch.setattr(module, "MAX_WINDOW", 5)
    monkeypatch.setattr(module, "MAX_WINDOW_BYTES", 10_000)
    with Peer(drain) as peer:
        transport = SyslogTcpTransport(Endpoint("127.0.0.1", peer.port), probation=0.0)
        bring(transport, [make_record(number) for number in range(20)])
        assert [b"id-0000%d" % at in text for at, text in enumerate(transport._window, 15)] == (
            [True] * 5
        )
        bring(transport, [make_record(number, 4000) for number in range(20)])
        assert len(transport._window) == 2
        assert transport._window_bytes == sum(map(len, transport._window))
        transport.close()


def test_tls_is_ended_by_close_notify(tmp_path: Path) -> None:
    """The receiver knows that nothing was cut off (RFC 5425 section 4.4)."""
    authority = Authority(tmp_path / "ca")
    identity = authority.issue("localhost")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = version
        context.load_cert_chain(identity.certificate, identity.key)
        with Peer(drain, context=context) as peer:
            tls = TlsOptions(authority.certificate)
            transport = SyslogTcpTransport(Endpoint("localhost", peer.port), tls=tls)
            assert transport.send([make_record(0)]) == Sent(1)
            transport.close()
        assert peer.errors == []
        assert make_record(0).body in peer.seen[0]


def test_messages_that_are_too_long_are_refused() -> None:
    """The others of the batch go their way."""
    records = [make_record(0), make_record(1, 3000), make_record(2)]
    with Peer(drain) as peer:
        transport = SyslogTcpTransport(
            Endpoint("127.0.0.1", peer.port), max_size=2048, probation=0.0
        )
        assert transport.send(records) == Sent(3, {1: "too_big"})
        assert transport.send(records[1:2]) == Sent(1, {0: "too_big"})
        transport.close()
    assert peer.seen[0].count(b'"id":') == 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        endpoint = Endpoint("127.0.0.1", receiver.getsockname()[1])
        datagrams = SyslogUdpTransport(endpoint, max_size=2048)
        assert datagrams.send(records) == Sent(3, {1: "too_big"})
        datagrams.close()
        larger = SyslogUdpTransport(endpoint, max_size=1_000_000)
        assert larger.send([make_record(0, 100_000)]) == Sent(1, {0: "too_big"}), "by the system"
        larger.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_receiver_that_is_not_there_is_named(host: str) -> None:
    """With the reason in one word."""
    port = free_port()
    for transport in (
        SyslogTcpTransport(Endpoint(host, port), timeout=5.0),
        SyslogUdpTransport(Endpoint(host, free_port(socket.SOCK_DGRAM))),
    ):
        with pytest.raises(TransportError, match=transport.name.replace("+", r"\+")) as raised:
            transport.send([make_record(0)])
        assert raised.value.reason == ("refused" if host == "127.0.0.1" else "unresolved")
        transport.close()


def test_tls_has_one_framing(tmp_path: Path) -> None:
    """RFC 5425 knows only counted octets; certificates are looked at before anything is sent."""
    endpoint = Endpoint("localhost", 6514)
    with pytest.raises(ConfigError, match="framing"):
        SyslogTcpTransport(endpoint, tls=TlsOptions(), framing=Framing.NEWLINE)
    with pytest.raises(ConfigError, match=str(tmp_path)):
        SyslogTcpTransport(endpoint, tls=TlsOptions(tmp_path / "none.pem"))
