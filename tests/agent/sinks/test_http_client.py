"""metatap.sinks.http_client."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.sinks.authority import Authority
from tests.agent.sinks.http_receiver import Answer, HttpReceiver, Request
from tests.agent.sinks.tcp_peer import Peer

from metatap.errors import ConfigError
from metatap.sinks import Authorization, Secret, TlsOptions, TransportError
from metatap.sinks import http_client as module
from metatap.sinks.http_client import HttpClient


class Echo(HttpReceiver):
    """Answers with what it got."""

    def answer(self, request: Request) -> Answer:
        """The same content."""
        return Answer(200, request.body)


@pytest.fixture
def echo() -> Iterator[Echo]:
    """A server without TLS."""
    made = Echo()
    made.start()
    yield made
    made.kill()


def test_one_connection_is_used_again(echo: Echo) -> None:
    """And a new one made once the server closed it meanwhile."""
    client = HttpClient(f"{echo.url}/base/")
    for _ in range(3):
        assert client.post("/p?q=1", b"content", {"X-A": "b"}).body == b"content"
        connection = client._connection
    assert [request.path for request in echo.requests] == ["/base/p?q=1"] * 3
    assert echo.requests[0].headers["x-a"] == "b"
    assert client._connection is connection
    echo.kill()
    echo.start()
    assert client.post("/p", b"again", {}).body == b"again"
    assert client._connection is not connection
    client.close()
    client.close()


def test_a_server_is_known_by_its_certificate(tmp_path: Path) -> None:
    """By authority and name; it may want to know the client likewise."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "other")
    own = authority.issue("sensor")
    known = TlsOptions(authority.certificate, own.certificate, own.key)
    server = Echo(authority.issue("localhost"), clients=authority.certificate)
    server.start()
    client = HttpClient(server.url, tls=known)
    assert client.post("/", b"a", {}).body == b"a"
    client.close()
    by_address = server.url.replace("localhost", "127.0.0.1")
    for url, tls in (
        (server.url, TlsOptions(other.certificate, own.certificate, own.key)),
        (server.url, TlsOptions()),
        (by_address, known),
        (server.url, TlsOptions(authority.certificate)),
    ):
        client = HttpClient(url, tls=tls, timeout=5.0)
        with pytest.raises(TransportError) as raised:
            client.post("/", b"a", {})
        assert raised.value.reason in (
            {"tls"} if tls != TlsOptions(authority.certificate) else {"tls", "closed"}
        )
        client.close()
    assert len(server.requests) == 1
    named = TlsOptions(authority.certificate, own.certificate, own.key, server_name="localhost")
    client = HttpClient(by_address, tls=named)
    assert client.post("/", b"b", {}).body == b"b"
    client.close()
    server.kill()


def test_a_response_is_bounded(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """After decoding, too: a small body may unpack to a large one."""
    monkeypatch.setattr(module, "MAX_RESPONSE", 100_000)
    bomb = gzip.compress(bytes(50_000_000))
    client = HttpClient(echo.url)
    for answer in (
        Answer(200, bytes(200_000)),
        Answer(200, bomb, {"Content-Encoding": "gzip"}),
    ):
        echo.instead.append(answer)
        with pytest.raises(TransportError, match="more than 100000 bytes") as raised:
            client.post("/", b"", {})
        assert raised.value.reason == "protocol"
    echo.instead.append(Answer(200, gzip.compress(b"small"), {"Content-Encoding": "gzip"}))
    assert client.post("/", b"", {}).body == b"small"
    client.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "closed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "closed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc", "closed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", "protocol"),
    ],
)
def test_what_is_no_http_is_an_error(said: bytes, reason: str) -> None:
    """With the reason in one word, and nothing else raised."""

    def behave(connection: socket.socket, _seen: bytearray) -> None:
        connection.recv(65536)
        connection.sendall(said)

    with Peer(behave) as peer:
        client = HttpClient(f"http://127.0.0.1:{peer.port}", timeout=5.0)
        with pytest.raises(TransportError) as raised:
            client.post("/", b"content", {})
        assert raised.value.reason == reason
        client.close()


def test_a_server_that_lets_headers_drip_is_left() -> None:
    """Each byte comes in time, the response does not."""

    def behave(connection: socket.socket, _seen: bytearray) -> None:
        connection.recv(65536)
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            connection.sendall(bytes([byte]))
            threading.Event().wait(0.05)

    with Peer(behave) as peer:
        client = HttpClient(f"http://127.0.0.1:{peer.port}", timeout=0.3)
        with pytest.raises(TransportError) as raised:
            client.post("/", b"content", {})
        assert raised.value.reason == "timeout"
        client.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [("http://127.0.0.1:{port}", "refused"), ("http://nowhere.invalid:{port}", "unresolved")],
)
def test_a_server_that_is_not_there_is_named(url: str, reason: str) -> None:
    """With host and port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(TransportError, match=f":{port}: ") as raised:
        HttpClient(url.format(port=port), timeout=5.0).post("/", b"", {})
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:9200",
        "ftp://localhost",
        "http://",
        "http://localhost:port",
        "http://localhost:99999",
        "http://[::1",
        "http://user:pass-word@localhost:9200",
        "http://localhost/?token=pass-word",
        "http://localhost/#a",
        "http://localhost/a b",
        "http://localhost/a\r\nX: pass-word",
    ],
)
def test_a_url_that_can_not_be_is_refused_without_being_shown(url: str) -> None:
    """It may hold what should lie in a file."""
    with pytest.raises(ConfigError, match="url: ") as raised:
        HttpClient(url)
    assert "pass-word" not in str(raised.value)


def test_defaults_of_a_url() -> None:
    """Ports by scheme; an address in brackets."""
    for url, place in (
        ("https://siem.example", "siem.example:443"),
        ("http://siem.example/x/", "siem.example:80"),
        ("http://[::1]:9200", "[::1]:9200"),
    ):
        assert str(HttpClient(url).endpoint) == place


def test_a_secret_that_can_not_be_had_is_an_error_that_passes(echo: Echo, tmp_path: Path) -> None:
    """At the start it is one of the configuration."""
    path = tmp_path / "token"
    known = Authorization("Bearer", Secret(file=path))
    with pytest.raises(ConfigError, match=str(path)):
        HttpClient(echo.url, authorization=known)
    path.write_text("token")
    client = HttpClient(echo.url, authorization=known)
    path.unlink()
    with pytest.raises(TransportError, match=str(path)) as raised:
        client.post("/", b"", {})
    assert raised.value.reason == "credentials"
    path.write_text("token")
    assert client.post("/", b"a", {}).status == 200
    assert echo.requests[0].headers["authorization"] == "Bearer token"
    client.close()
