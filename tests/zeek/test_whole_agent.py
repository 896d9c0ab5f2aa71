"""A real Zeek and the whole agent: the count in conn.log is the count the agent scored."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.zeek import traffic
from tests.zeek.links import Link, link, why_not
from tests.zeek.run import BACKEND, Ends, Zeek, log, stop
from tests.zeek.test_live import CONNECTIONS, PACE, _layout, _wait

pytestmark = [pytest.mark.zeek, pytest.mark.slow]


@pytest.fixture
def links() -> Iterator[list[Link]]:
    """Two links."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with link() as one, link() as other:
        yield [one, other]


class Agent:
    """`metatap run` as a process."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self._process = process
        self._log = log_path

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log events of one name so far."""
        found = [json.loads(line) for line in self._log.read_text().splitlines()]
        return [event for event in found if event["event"] == name]

    def wait(self, name: str, count: int = 1) -> None:
        """Until so many events of a name stand in the log."""
        deadline = time.monotonic() + 60
        while len(self.events(name)) < count:
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    def end(self) -> dict[str, Any]:
        """The totals after TERM."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(30) == 0, self._log.read_text()
        (totals,) = self.events("agent_stopped")
        return totals


@contextmanager
def running(folder: Path, url: str) -> Iterator[Agent]:
    """An agent that reads from a URL; it is ready."""
    config = folder / "metatap.yaml"
    settings = {
        "sources": [{"url": url}],
        "sinks": [{"type": "file", "path": str(folder / "alerts.jsonl")}],
        "log": {"format": "json"},
    }
    config.write_text(yaml.safe_dump(settings))
    with (folder / "agent.log").open("wb") as stream:
        command = [sys.executable, "-m", "metatap", "run", "--config", str(config)]
        process = subprocess.Popen(command, stderr=stream)
    agent = Agent(process, folder / "agent.log")
    try:
        agent.wait("agent_started")
        yield agent
    finally:
        process.kill()
        process.wait()


def scored(totals: dict[str, Any]) -> int:
    """Flows the agent scored, none of them dropped anywhere."""
    assert not any(stage["dropped"] for stage in totals["stages"].values()), totals
    flows: int = totals["flows"]
    return flows


def test_a_file(zeek: Zeek, folder: Path) -> None:
    """`zeek -r`: each connection of conn.log is scored."""
    ends = Ends.of("ipc", folder)
    traffic.many(20_000).write(folder / "trace.pcap")
    with (
        running(folder, f"zeek+{ends.flows}?bind=1&to_zeek={ends.back}") as agent,
        zeek.start(folder, "-r", "trace.pcap", "metatap", *ends.args()) as process,
    ):
        assert process.wait(60) == 0
        agent.wait("zeek_ended")
        assert scored(agent.end()) == len(log(folder, "conn")) == 20_000


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_standalone(zeek: Zeek, folder: Path, links: list[Link], kind: str) -> None:
    """Live on an interface, the agent binds: each connection of conn.log is scored."""
    ends = Ends.of(kind, folder)
    with (
        running(folder, f"zeek+{ends.flows}?bind=1&to_zeek={ends.back}") as agent,
        zeek.start(folder, "-i", links[0].near, "metatap", *ends.args()) as process,
    ):
        _wait("listening on", folder / "stderr.log")
        links[0].send(folder, traffic.many(CONNECTIONS), PACE)
        stop(process)
        agent.wait("zeek_ended")
        logged = len(log(folder, "conn"))
        assert scored(agent.end()) == logged >= CONNECTIONS


def test_cluster(zeek: Zeek, folder: Path, links: list[Link]) -> None:
    """Manager, logger, proxy and two workers: what the logger writes is what is scored."""
    ends = Ends.of("tcp", folder)
    _layout(folder)
    listen = {"listen_xsub_endpoint": ends.flows, "listen_xpub_endpoint": ends.back}
    site = ["frameworks/cluster/backend/zeromq/connect", "metatap", *ends.args()]
    site += [f"{BACKEND}::{name}={value}" for name, value in listen.items()]
    site.append("Log::default_rotation_interval=0sec")
    nodes: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        agent = stack.enter_context(running(folder, f"zeek+{ends.back}"))
        for name in ("manager", "logger-1", "proxy-1", "worker-1", "worker-2"):
            (folder / name).mkdir()
            sniff = ["-i", links[int(name[-1]) - 1].near] if "worker" in name else []
            env = {"CLUSTER_NODE": name, "ZEEKPATH": f"{folder}:{zeek.path}"}
            nodes[name] = stack.enter_context(zeek.start(folder / name, *sniff, *site, env=env))
        for at, name in enumerate(("worker-1", "worker-2")):
            _wait("listening on", folder / name / "stderr.log")
            links[at].send(folder, traffic.many(CONNECTIONS), PACE)
        time.sleep(6)
        for name in ("worker-1", "worker-2"):
            stop(nodes[name])
        agent.wait("zeek_ended", 2)
        time.sleep(2)
        for name in ("proxy-1", "logger-1", "manager"):
            stop(nodes[name])
        logged = len(log(folder / "logger-1", "conn"))
        assert scored(agent.end()) == logged >= 2 * CONNECTIONS
