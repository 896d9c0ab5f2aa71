"""metatap.metrics.endpoint: real connections, of clients that mean well and others."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from tests.agent.metrics.documents import agent_document

from metatap.errors import ConfigError
from metatap.metrics import Address
from metatap.metrics import endpoint as module
from metatap.metrics.endpoint import MAX_CONNECTIONS, Endpoint

LOCAL = Address("127.0.0.1", 0)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return agent_document(tmp_path_factory.mktemp("agent"))


@pytest.fixture
def served(document: dict[str, Any]) -> Iterator[Endpoint]:
    endpoint = Endpoint(LOCAL, lambda: document)
    yield endpoint
    endpoint.close()


def get(endpoint: Endpoint, path: str = "/metrics", **headers: str) -> tuple[HTTPResponse, bytes]:
    client = HTTPConnection(endpoint.address.host, endpoint.address.port, timeout=20)
    client.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer, body


def hold(endpoint: Endpoint) -> socket.socket:
    """A connection that says nothing."""
    return socket.create_connection((endpoint.address.host, endpoint.address.port), timeout=20)


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_figures_are_served(served: Endpoint) -> None:
    """As text, packed where the client can unpack it, as OpenMetrics where it asks for that."""
    answer, body = get(served)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert b"\nmetatap_flows_passed_total{" in body
    answer, packed = get(served, Accept_Encoding="gzip")
    assert b"metatap_batches_total" in gzip.decompress(packed)
    answer, body = get(served, Accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_one_metric_may_be_asked_for(served: Endpoint) -> None:
    """As Prometheus' own endpoints do by `name[]`."""
    _, body = get(served, "/metrics?name[]=metatap_batches_total")
    lines = [line for line in body.splitlines() if not line.startswith(b"#")]
    assert len(lines) == 1
    assert lines[0].startswith(b"metatap_batches_total{")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "/%00", "*"])
def test_other_paths_are_not_there(served: Endpoint, path: str) -> None:
    """And say where the figures are."""
    answer, body = get(served, path)
    assert answer.status == 404
    assert b"/metrics" in body


@pytest.mark.parametrize(
    "request_",
    [b"", b"\r\n\r\n", b"junk\r\n\r\n", b"POST /metrics HTTP/1.1\r\n\r\n", b"\0" * 70_000],
)
def test_junk_is_survived(served: Endpoint, request_: bytes) -> None:
    """Whatever comes, the connection ends, and the next client is served."""
    with hold(served) as client:
        try:
            client.sendall(request_)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65_536):
                pass
        except ConnectionError:
            pass
    assert get(served)[0].status == 200


def test_connections_are_bounded(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is closed at once and counted; those that say nothing are ended."""
    held = [hold(served) for _ in range(MAX_CONNECTIONS)]
    deadline = time.monotonic() + 20
    while not is_closed(extra := hold(served)) and time.monotonic() < deadline:
        extra.close()
    assert served.refused >= 1
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    assert all(is_closed(client) for client in held)
    monkeypatch.undo()
    for client in (*held, extra):
        client.close()
    wait_until_free(served)
    assert f"metatap_connections_refused_total {float(served.refused)}" in get(served)[1].decode()


def wait_until_free(served: Endpoint) -> None:
    deadline = time.monotonic() + 20
    while served._server._open and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_slow_client_is_ended(served: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that sends a byte now and then, for ever."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    stop = threading.Event()
    with hold(served) as client:

        def drip() -> None:
            try:
                while not stop.wait(0.05):
                    client.sendall(b"x")
            except OSError:
                return

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert is_closed(client)
        finally:
            stop.set()
            dripping.join()


def test_a_fault_of_ours_is_said(document: dict[str, Any]) -> None:
    """The client gets a 500, the endpoint goes on."""
    broken = dict(document)
    del broken["stages"]
    turns = iter([broken, document])
    endpoint = Endpoint(LOCAL, lambda: next(turns))
    try:
        assert get(endpoint)[0].status == 500
        assert get(endpoint)[0].status == 200
    finally:
        endpoint.close()


def test_ipv6_is_served(document: dict[str, Any]) -> None:
    try:
        endpoint = Endpoint(Address("::1", 0), lambda: document)
    except ConfigError:
        pytest.skip("this machine has no IPv6")
    try:
        assert str(endpoint.address).startswith("[::1]:")
        assert get(endpoint)[0].status == 200
    finally:
        endpoint.close()


@pytest.mark.parametrize("host", ["203.0.113.7", "nonexistent.invalid", "." * 3])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    """The error names option and address."""
    with pytest.raises(ConfigError, match=r"metrics\.listen: .*can't be listened at"):
        Endpoint(Address(host, 9650), dict)


def test_a_port_that_is_taken_is_refused(served: Endpoint, tmp_path: Path) -> None:
    """At the agent's start: it does not start half."""
    with pytest.raises(ConfigError, match="Address already in use"):
        agent_document(tmp_path, **{"metrics.listen": str(served.address)})


def test_closing_ends_it(document: dict[str, Any]) -> None:
    """The port is free, whoever is still connected; closing twice does nothing."""
    endpoint = Endpoint(LOCAL, lambda: document)
    with hold(endpoint):
        endpoint.close()
        endpoint.close()
        with pytest.raises(ConnectionError):
            hold(endpoint)
    again = Endpoint(endpoint.address, lambda: document)
    assert get(again)[0].status == 200
    again.close()
