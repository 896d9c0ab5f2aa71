"""Zeek on live interfaces, alone and as a cluster: the count in conn.log is the count received."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.zeek import traffic
from tests.zeek.links import Link, link, why_not
from tests.zeek.receiver import Receiver
from tests.zeek.run import Ends, Zeek, free_port, log, settings, stop

pytestmark = [pytest.mark.zeek, pytest.mark.slow]

CONNECTIONS = 3000
PACE = 12_000.0
"""Packets a second: what one slow core can still take in."""


@pytest.fixture
def links() -> Iterator[list[Link]]:
    """Two links."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with link() as one, link() as other:
        yield [one, other]


def _wait(what: str, path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or what not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.05)


def _settle(receiver: Receiver) -> None:
    """Until connections that ended have been removed by Zeek, as they are after five seconds."""
    before = -1
    while before != len(receiver.messages) or before == 0:
        before = len([parts for parts in receiver.messages if b".flows." in parts[0]])
        time.sleep(3)
        if before == len([parts for parts in receiver.messages if b".flows." in parts[0]]):
            return


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
@pytest.mark.parametrize("proxy", [False, True], ids=["agent-binds", "zeek-runs-the-proxy"])
def test_standalone(zeek: Zeek, folder: Path, links: list[Link], kind: str, *, proxy: bool) -> None:
    """Each connection of conn.log was received once, before Zeek was stopped or at its end."""
    ends = Ends.of(kind, folder)
    line = ["-i", links[0].near, "metatap", *ends.args(proxy=proxy)]
    where = ends.back if proxy else ends.flows
    with (
        Receiver(where, ends.back, bind=not proxy, keep=False) as receiver,
        zeek.start(folder, *line) as process,
    ):
        _wait("listening on", folder / "stderr.log")
        links[0].send(folder, traffic.many(CONNECTIONS), PACE)
        _settle(receiver)
        links[0].send(folder, traffic.many(500), PACE)
        stop(process)
        got = receiver.wait_final(timeout=10)
    logged = [line["uid"] for line in log(folder, "conn")]
    assert len(logged) >= CONNECTIONS + 500
    assert Counter(flow["uid"].decode() for flow in got.flows) == Counter(logged)
    (final,) = got.finals
    assert final["seen"] == sum(final["flows"]) == len(logged)


def test_an_agent_may_come_a_little_later(zeek: Zeek, folder: Path, links: list[Link]) -> None:
    """What ends before the agent has subscribed is held back for ten seconds, and not lost."""
    ends = Ends.of("ipc", folder)
    with zeek.start(folder, "-i", links[0].near, "metatap", *ends.args()) as process:
        _wait("listening on", folder / "stderr.log")
        trace = traffic.many(1200)
        for packet in range(400):
            trace.udp(traffic.START + packet / 1e3, ("10.3.0.1", packet + 1), ("10.3.0.2", 9), b"x")
        links[0].send(folder, trace, PACE)
        time.sleep(5)
        assert log(folder, "conn")
        with Receiver(ends.flows, ends.back, keep=False) as receiver:
            time.sleep(2)
            assert any(b".flows." in parts[0] for parts in receiver.messages)
            stop(process)
            got = receiver.wait_final(timeout=10)
    logged = Counter(line["uid"] for line in log(folder, "conn"))
    assert Counter(flow["uid"].decode() for flow in got.flows) == logged
    assert sum(logged.values()) >= 1600


def _layout(folder: Path) -> None:
    """The cluster of a site: what a cluster's controller writes, and what its local.zeek loads."""
    node = "[{!r}] = [$node_type=Cluster::{}, $ip=127.0.0.1, $p={}/{}{}]".format
    nodes = [
        node("manager", "MANAGER", free_port(), "tcp", ""),
        node("logger-1", "LOGGER", free_port(), "tcp", ', $manager="manager"'),
        node("proxy-1", "PROXY", free_port(), "tcp", ', $manager="manager"'),
    ]
    nodes += [
        node(f"worker-{i}", "WORKER", free_port(), "tcp", ', $manager="manager"') for i in (1, 2)
    ]
    listed = ",\n".join(nodes).replace("'", '"')
    text = f"redef Cluster::manager_is_logger = F;\nredef Cluster::nodes = {{\n{listed}\n}};\n"
    (folder / "cluster-layout.zeek").write_text(text)


def test_cluster(zeek: Zeek, folder: Path, links: list[Link]) -> None:
    """Manager, logger, proxy and two workers: all that the logger writes is received.

    The agent subscribes at the manager's proxy. Flows of both workers come, each worker counts on
    its own, and an originator that both of them see is in the same shard on both.
    """
    ends = Ends.of("tcp", folder)
    _layout(folder)
    site = ["frameworks/cluster/backend/zeromq/connect", "metatap", *settings(shards=3)]
    listen = {"listen_xsub_endpoint": ends.flows, "listen_xpub_endpoint": ends.back}
    backend = [f"Cluster::Backend::ZeroMQ::{name}={value}" for name, value in listen.items()]
    backend.append("Log::default_rotation_interval=0sec")
    names = ["manager", "logger-1", "proxy-1", "worker-1", "worker-2"]
    running: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(ends.back, "", bind=False, keep=False))
        for name in names:
            (folder / name).mkdir()
            sniff = ["-i", links[int(name[-1]) - 1].near] if "worker" in name else []
            line = [*sniff, *site, *ends.args(), *backend]
            env = {"CLUSTER_NODE": name, "ZEEKPATH": f"{folder}:{zeek.path}"}
            running[name] = stack.enter_context(zeek.start(folder / name, *line, env=env))
        for name in names[3:]:
            _wait("listening on", folder / name / "stderr.log")
        for wire in links:
            wire.send(folder, traffic.many(CONNECTIONS), PACE)
        _settle(receiver)
        for name in ("worker-1", "worker-2"):
            stop(running[name])
        got = receiver.wait_final(nodes=2, timeout=20)
        time.sleep(2)
        for name in ("proxy-1", "logger-1", "manager"):
            stop(running[name])
    logged = [line["uid"] for line in log(folder / "logger-1", "conn")]
    assert len(logged) >= 2 * CONNECTIONS
    assert Counter(flow["uid"].decode() for flow in got.flows) == Counter(logged)
    assert {hello["node"] for hello in got.hellos} == {"worker-1", "worker-2"}
    shards: dict[str, set[int]] = {}
    for flow in got.flows:
        shards.setdefault(flow["id.orig_h"], set()).add(flow["header"]["shard"])
    assert all(len(its) == 1 for its in shards.values())
    for key in {(header["node"], header["shard"]) for header in got.headers}:
        its = [header for header in got.headers if (header["node"], header["shard"]) == key]
        assert its[0]["flows_before"] == 0
        for one, other in pairwise(its):
            assert other["flows_before"] == one["flows_before"] + one["rows"]
