"""Where an agent that runs can be reached from: what the kernel says of its process."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import zmq

from metatap.runtime.options import BY_NAME
from tests.agent.runtime.running import Running
from tests.agent.sinks.syslogd import free_port
from tests.security.sockets import Listening, listening


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts an agent."""
    running: list[Running] = []

    def start(**changes: object) -> Running:
        running.append(Running(tmp_path, **changes))
        running[-1].wait_for("agent_started")
        return running[-1]

    try:
        yield start
    finally:
        for agent in running:
            agent.free()


def test_by_default_nothing_listens_on_the_network(
    run: Callable[..., Running], tmp_path: Path
) -> None:
    """The default source calls Zeek's proxy on this host; state has a socket in the file system."""
    agent = run(sources=BY_NAME["sources"].default, state=str(tmp_path / "state"))
    assert listening(agent.process.pid) == []
    control = (tmp_path / "state" / "control.sock").stat()
    assert stat.S_ISSOCK(control.st_mode)
    assert stat.S_IMODE(control.st_mode) == 0o600
    assert control.st_uid == os.geteuid()


def test_a_source_that_binds_and_metrics_listen_where_they_are_told(
    run: Callable[..., Running],
) -> None:
    """Each opens its own port and no other; figures without a host, on this machine alone."""
    zeek, figures = free_port(), free_port()
    agent = run(
        sources=[{"url": f"zeek+tcp://127.0.0.1:{zeek}?bind=1"}],
        metrics={"listen": f":{figures}"},
    )
    loopback = IPv4Address("127.0.0.1")
    assert set(listening(agent.process.pid)) == {
        Listening("tcp", loopback, zeek),
        Listening("tcp", loopback, figures),
    }


def test_a_source_on_a_unix_socket_opens_no_port(run: Callable[..., Running]) -> None:
    """Nor is there an address of the network to find it at."""
    assert listening(run().process.pid) == []


def test_what_listens_is_found() -> None:
    """TCP of both families, UDP, and ZeroMQ's: else the tests above would show nothing."""
    kinds = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM),
        "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    }
    for protocol, (family, kind) in kinds.items():
        with socket.socket(family, kind) as server:
            server.bind(("::1" if family is socket.AF_INET6 else "127.0.0.1", 0))
            if kind is socket.SOCK_STREAM:
                server.listen()
            port = server.getsockname()[1]
            found = [one for one in listening(os.getpid()) if one.port == port]
            assert [(one.protocol, one.address.is_loopback) for one in found] == [(protocol, True)]
    with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
        port = subscriber.bind_to_random_port("tcp://*")
        found = [one for one in listening(os.getpid()) if one.port == port]
        assert [one.address for one in found] == [IPv4Address("0.0.0.0")]
