"""Every transport against its contract, where there is one with its real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.sinks.authority import Authority
from tests.agent.sinks.bulk_server import BulkServer
from tests.agent.sinks.hec_server import HecServer
from tests.agent.sinks.syslogd import (
    needs_rsyslog,
    relp_receiver,
    tcp_receiver,
    tls_receiver,
    udp_receiver,
)
from tests.agent.sinks.transport_contract import Receiver, check_transport, ids_in

from metatap.sinks import (
    Authorization,
    BulkTransport,
    Endpoint,
    FileTransport,
    Framing,
    HecTransport,
    RelpTransport,
    Secret,
    SyslogTcpTransport,
    SyslogUdpTransport,
    TlsOptions,
)

TIMEOUT = 1.0
SECRET = "correct-horse-battery"


class Files:
    """A file; its receiver is dead while a folder stands in its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = b""
        path.mkdir()

    def start(self) -> None:
        """Make room for the file."""
        self.path.rmdir()
        if self._kept:
            self.path.write_bytes(self._kept)

    def kill(self) -> None:
        """Put a folder in its place."""
        self._kept = self.path.read_bytes()
        self.path.unlink()
        self.path.mkdir()

    def hang(self) -> None:
        """A file does not hang."""

    def resume(self) -> None:
        """A file does not hang."""

    def ids(self) -> list[str]:
        """Ids of its lines."""
        return ids_in(self.path.read_text().splitlines())


@pytest.fixture
def receivers() -> Iterator[list[Receiver]]:
    """What is still running at the end is ended."""
    made: list[Receiver] = []
    yield made
    for receiver in made:
        receiver.resume()
        receiver.kill()


def test_a_file(tmp_path: Path) -> None:
    """Lines in order, whatever stood in their way."""
    place = Files(tmp_path / "alerts")
    check_transport(lambda: FileTransport(place.path), place, notices_hanging=False)


@needs_rsyslog
def test_syslog_over_udp(tmp_path: Path, receivers: list[Receiver]) -> None:
    """Datagrams to imudp; that nobody listens is noticed, a receiver that hangs is not."""
    receiver = udp_receiver(tmp_path / "r")
    receivers.append(receiver)
    endpoint = Endpoint("127.0.0.1", receiver.port)
    check_transport(lambda: SyslogUdpTransport(endpoint), receiver, notices_hanging=False)


@needs_rsyslog
@pytest.mark.parametrize("framing", list(Framing))
def test_syslog_over_tcp(tmp_path: Path, framing: Framing, receivers: list[Receiver]) -> None:
    """Both framings to imtcp."""
    receiver = tcp_receiver(tmp_path / "r")
    receivers.append(receiver)
    endpoint = Endpoint("localhost", receiver.port)
    check_transport(
        lambda: SyslogTcpTransport(endpoint, framing=framing, timeout=TIMEOUT), receiver
    )


@needs_rsyslog
def test_syslog_over_tls(tmp_path: Path, receivers: list[Receiver]) -> None:
    """imtcp with TLS that asks nobody for a certificate."""
    authority = Authority(tmp_path / "ca")
    receiver = tls_receiver(tmp_path / "r", authority, authority.issue("localhost"))
    receivers.append(receiver)
    endpoint = Endpoint("localhost", receiver.port)
    tls = TlsOptions(ca_file=authority.certificate)
    check_transport(lambda: SyslogTcpTransport(endpoint, tls=tls, timeout=TIMEOUT), receiver)


@needs_rsyslog
def test_relp(tmp_path: Path, receivers: list[Receiver]) -> None:
    """imrelp."""
    receiver = relp_receiver(tmp_path / "r")
    receivers.append(receiver)
    endpoint = Endpoint("localhost", receiver.port)
    check_transport(lambda: RelpTransport(endpoint, timeout=TIMEOUT), receiver)


@needs_rsyslog
def test_relp_over_tls(tmp_path: Path, receivers: list[Receiver]) -> None:
    """imrelp with TLS that wants a certificate of one name."""
    authority = Authority(tmp_path / "ca")
    client = authority.issue("sensor")
    receiver = relp_receiver(tmp_path / "r", authority, authority.issue("localhost"))
    receivers.append(receiver)
    endpoint = Endpoint("localhost", receiver.port)
    tls = TlsOptions(authority.certificate, client.certificate, client.key)
    check_transport(lambda: RelpTransport(endpoint, tls=tls, timeout=TIMEOUT), receiver)


def test_bulk(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    receivers: list[Receiver],
) -> None:
    """`_bulk` with a password out of a variable."""
    caplog.set_level("DEBUG")
    monkeypatch.setenv("PASSWORD", SECRET)
    server = BulkServer()
    receivers.append(server)
    server.authorization = "Basic c2Vuc29yOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ=="
    known = Authorization("Basic", Secret(variable="PASSWORD"), "sensor")
    check_transport(
        lambda: BulkTransport(server.url, "alerts", authorization=known, timeout=TIMEOUT),
        server,
        secret=SECRET,
    )
    assert server.faults == []
    assert SECRET not in caplog.text


@pytest.mark.parametrize("acknowledge", [False, True])
def test_hec(
    tmp_path: Path,
    *,
    acknowledge: bool,
    caplog: pytest.LogCaptureFixture,
    receivers: list[Receiver],
) -> None:
    """The event collector over TLS, with a token out of a file."""
    caplog.set_level("DEBUG")
    authority = Authority(tmp_path / "ca")
    token = tmp_path / "token"
    token.write_text(f"{SECRET}\n")
    server = HecServer(SECRET, authority.issue("localhost"))
    receivers.append(server)
    server.acknowledges = acknowledge
    check_transport(
        lambda: HecTransport(
            server.url,
            Secret(file=token),
            acknowledge=acknowledge,
            tls=TlsOptions(ca_file=authority.certificate),
            timeout=TIMEOUT,
        ),
        server,
        secret=SECRET,
    )
    assert server.faults == []
    assert SECRET not in caplog.text
