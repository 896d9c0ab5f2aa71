"""metatap.runtime.notify: what the service manager hears, and what keeps its watchdog quiet."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.runtime.running import RECORDING, wait_until

from metatap.runtime.control import ask
from metatap.runtime.notify import MAX_STATUS, Listener, Notifier, without_notify

INTERVAL = 1.0
"""Seconds of the watchdog in these tests."""


class Manager:
    """Plays the service manager: a socket, and an agent that is told to notify it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.config = folder / "metatap.yaml"
        self.log = folder / "agent.log"
        self.heard: list[dict[str, str]] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.settimeout(0.0)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, source: str, *words: str) -> None:
        config: dict[str, Any] = {
            "sources": [{"url": source}],
            "sinks": [{"type": "file", "path": "alerts.jsonl"}],
            "state": "state",
        }
        self.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        env = {
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "WATCHDOG_USEC": f"{INTERVAL * 1e6:.0f}",
        }
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "metatap", "run", "--config", str(self.config), *words],
                stderr=stream,
                env=os.environ | env,
            )

    def kill(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def hear(self) -> list[dict[str, str]]:
        """All messages so far, of an agent that runs."""
        assert self.process is not None
        assert self.process.poll() in {None, 0}, self.log.read_text(encoding="utf-8")
        try:
            while True:
                lines = self.socket.recv(4096).decode().splitlines()
                self.heard.append(dict(line.split("=", 1) for line in lines))
        except BlockingIOError:
            return self.heard

    def count(self, name: str) -> int:
        return sum(name in message for message in self.hear())

    def wait_for(self, name: str, count: int = 1) -> None:
        """Until so many messages of a name have come since the start."""
        wait_until(lambda: self.count(name) >= count)

    def wait_for_life(self) -> None:
        """Until two more signs of life came."""
        self.wait_for("WATCHDOG", self.count("WATCHDOG") + 2)

    def is_starved(self) -> bool:
        """Whether no sign of life comes for two intervals, after one for what was under way."""
        time.sleep(INTERVAL)
        before = self.count("WATCHDOG")
        time.sleep(2 * INTERVAL)
        return self.count("WATCHDOG") == before

    def end(self) -> None:
        assert self.process is not None
        self.kill(signal.SIGTERM)
        assert self.process.wait(90) == 0, self.log.read_text(encoding="utf-8")

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
        self.socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def live(folder: Path) -> str:
    return f"zeek+ipc://{folder}/zeek.ipc?bind=1"


def test_an_agent_tells_its_life(manager: Manager) -> None:
    """Ready once it reads, alive while it turns, reloading and ready at HUP, stopping at TERM."""
    manager.start(live(manager.folder))
    manager.wait_for("READY")
    assert "packs in force" in manager.heard[0]["STATUS"]
    assert (manager.folder / "zeek.ipc").exists()
    manager.wait_for_life()
    before = time.monotonic_ns() // 1000
    manager.kill(signal.SIGHUP)
    manager.wait_for("READY", 2)
    names = [name for message in manager.heard for name in message]
    assert names.index("RELOADING") < len(names) - 1 - names[::-1].index("READY")
    (reloading,) = (message for message in manager.heard if "RELOADING" in message)
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    manager.end()
    assert manager.count("STOPPING") == 1


def test_a_faulty_reload_ends_too(manager: Manager) -> None:
    """A configuration that can't be read leaves no service that is reloading for ever."""
    manager.start(live(manager.folder))
    manager.wait_for("READY")
    manager.config.write_text("detector: {threads: none}\n", encoding="utf-8")
    manager.kill(signal.SIGHUP)
    manager.wait_for("READY", 2)
    assert "detector.threads" in manager.log.read_text(encoding="utf-8")
    manager.end()


def test_a_source_that_hangs_starves_the_watchdog(manager: Manager) -> None:
    """The process is there and its control socket has a thread: that is no sign of life."""
    pipe = manager.folder / "half.mtrec"
    os.mkfifo(pipe)
    manager.start(str(pipe))
    with pipe.open("wb", buffering=0) as stream:
        stream.write(RECORDING.read_bytes()[:190_000])
        manager.wait_for("READY")
        assert manager.is_starved()
        assert (manager.state / "control.sock").exists()


def test_a_process_that_stands_still_starves_the_watchdog(manager: Manager) -> None:
    """A stopped process is silent, one that goes on again is heard again."""
    manager.start(live(manager.folder))
    manager.wait_for_life()
    manager.kill(signal.SIGSTOP)
    assert manager.is_starved()
    manager.kill(signal.SIGCONT)
    manager.wait_for_life()
    manager.end()


def test_one_shard_that_hangs_starves_the_watchdog(manager: Manager) -> None:
    """A sensor of several processes is ready once all are, and lives while each of them turns."""
    manager.start(live(manager.folder), "--shards", "2")
    manager.wait_for("READY")
    manager.wait_for_life()
    assert "2 of 2 shards running" in manager.heard[-1]["STATUS"]
    pids = [shard["pid"] for shard in ask(manager.state, "status")["shards"]]
    os.kill(pids[1], signal.SIGSTOP)
    assert manager.is_starved()
    os.kill(pids[1], signal.SIGCONT)
    manager.wait_for_life()
    manager.kill(signal.SIGHUP)
    manager.wait_for("READY", 2)
    assert manager.count("RELOADING") == 1
    manager.end()
    assert manager.count("STOPPING") == 1


def test_abstract_sockets(tmp_path: Path) -> None:
    """`@name` is a socket of the abstract namespace, as systemd writes it."""
    name = f"metatap-{os.getpid()}-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(60)
        notifier = Notifier.of({"NOTIFY_SOCKET": f"@{name}"})
        notifier.ready("up\nWATCHDOG=1 " + "x" * MAX_STATUS)
        lines = manager.recv(4096).decode().splitlines()
        assert lines[0] == "READY=1"
        assert lines[1].startswith("STATUS=up WATCHDOG=1 x")
        assert len(lines) == 2
        assert len(lines[1]) <= MAX_STATUS + len("STATUS=")
        notifier.close()
        notifier.close()


def test_a_full_queue_is_no_reason_to_wait(tmp_path: Path) -> None:
    """What the manager did not take is sent with one of the next turns."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(60)
        notifier = Notifier(str(tmp_path / "n"), 1000.0)
        for _ in range(10_000):
            notifier.stopping()
        assert not notifier.turned(str)
        while manager.recv(100) == b"STOPPING=1" and not notifier.turned(str):
            pass
        assert not notifier.turned(str)
        manager.settimeout(0.0)
        found = b""
        while found != b"WATCHDOG=1":
            found = manager.recv(100)
        notifier.close()


def test_nobody_asked() -> None:
    """Without a socket, with one that is gone or of another kind, the agent just works."""
    for env in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nonexistent"}):
        notifier = Notifier.of(env)
        notifier.ready("up")
        notifier.reloading()
        assert not notifier.turned(lambda: "up")
        notifier.close()
    Notifier.of({"NOTIFY_SOCKET": "vsock:2:1234"}).ready()


@pytest.mark.parametrize(
    ("env", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_whose_watchdog_it_is(env: dict[str, str], interval: float | None) -> None:
    """Signs of life are given where they are asked for, of this process."""
    assert Notifier.of(env).interval == interval


@given(st.text(), st.text())
def test_any_environment_is_read(micros: str, pid: str) -> None:
    """What else stands in these variables is no watchdog."""
    interval = Notifier.of({"WATCHDOG_USEC": micros, "WATCHDOG_PID": pid}).interval
    assert interval is None or interval > 0


def test_a_listener_hears_a_notifier(tmp_path: Path) -> None:
    """Each sign of life is later than the one before; a new process begins anew."""
    listener = Listener(tmp_path / "n", 30.0)
    notifier = Notifier.of(without_notify({"WATCHDOG_PID": "1"}) | listener.env)
    assert notifier.interval == 30.0
    notifier.stopping()
    listener.hear()
    assert (listener.is_ready, listener.last) == (False, 0.0)
    notifier.ready()
    listener.hear()
    first = listener.last
    assert listener.is_ready
    assert first > 0.0
    notifier.turned(str)
    listener.hear()
    assert listener.last > first
    notifier.ready()
    listener.restarted()
    assert (listener.is_ready, listener.last) == (False, 0.0)
    notifier.close()
    listener.close()
