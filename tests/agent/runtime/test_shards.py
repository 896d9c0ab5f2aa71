"""One sensor in several processes: real processes, real sockets, the lab's flows in four shards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
import zmq
from tests.agent.runtime.running import RECORDING, wait_until
from tests.lab.packs import read_all

from metatap.cli.status import shard_lines
from metatap.context.slots import ENTRIES_MIN
from metatap.errors import ConfigError, StateError
from metatap.flow import FlowBatch
from metatap.runtime.config import load_config
from metatap.runtime.control import ask
from metatap.runtime.settings import Config
from metatap.runtime.shards import Part, narrowed
from metatap.sources.encode import flows_message, hello_message
from metatap.sources.messages import Header, Hello
from metatap.sources.options import SHARDS
from metatap.state.history import AlertHistory
from metatap.state.history_read import Wanted

ZEEK_SHARDS = 4
ROWS = 256


def shard_of(batch: FlowBatch) -> np.ndarray:
    """The shard of each flow: a hash of its originator (which one does not matter here)."""
    column = batch.numeric("id.orig_h")
    assert column is not None
    low = column.values.astype(np.uint64)
    return (low[:, 12:] @ np.array([1, 3, 7, 31], np.uint64)) % ZEEK_SHARDS


class Zeek:
    """A publisher that sends flows in shards, as a Zeek that connects to its agent does."""

    def __init__(self, address: str) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        self.socket.linger, self.socket.sndhwm = 10_000, 0
        self.socket.connect(address)
        self.topics: set[bytes] = set()

    def wait(self) -> None:
        """Until each shard has a subscriber."""
        self.socket.rcvtimeo = 60_000
        wanted = {f"metatap.flows.v1.{shard:03d}.".encode() for shard in range(ZEEK_SHARDS)}

        def is_heard(topic: bytes) -> bool:
            return any(topic.startswith(known) for known in self.topics)

        while not all(is_heard(topic) for topic in wanted):
            message = self.socket.recv()
            if message[:1] == b"\x01":
                self.topics.add(message[1:])

    def send(self, batch: FlowBatch) -> int:
        """Send the flows, a heartbeat before and the final one behind; how many they were."""
        shards = shard_of(batch)
        sent, batches = [0] * ZEEK_SHARDS, [0] * ZEEK_SHARDS
        numbers = tuple(range(ZEEK_SHARDS))
        self._send(
            hello_message(Hello("zeek", "boot", shards=numbers, batches=(0,) * 4, flows=(0,) * 4))
        )
        for begin in range(0, batch.rows, ROWS):
            rows = np.arange(begin, min(begin + ROWS, batch.rows))
            for shard in numbers:
                part = batch.take(rows[shards[rows] == shard])
                if not part.rows:
                    continue
                header = Header("zeek", "boot", shard, batches[shard], sent[shard], part.rows)
                self._send(flows_message(part, header))
                sent[shard] += part.rows
                batches[shard] += 1
        last = Hello(
            "zeek",
            "boot",
            final=True,
            shards=numbers,
            batches=tuple(batches),
            flows=tuple(sent),
            seen=sum(sent),
        )
        self._send(hello_message(last))
        return sum(sent)

    def _send(self, parts: list[bytes]) -> None:
        self.socket.send_multipart(parts)

    def close(self) -> None:
        self.context.destroy(linger=10_000)


class Sensor:
    """`metatap run --shards N`."""

    def __init__(self, folder: Path, shards: int, **more: Any) -> None:
        folder.mkdir()
        self.folder, self.state = folder, folder / "state"
        self.alerts, self.log = folder / "alerts.jsonl", folder / "agent.log"
        config = {
            "sensor": "tap",
            "sources": [{"url": f"zeek+ipc://{folder}/zeek.ipc?bind=1"}],
            "sinks": [{"type": "file", "path": str(self.alerts)}],
            "log": {"format": "json"},
            "state": str(self.state),
            **more,
        }
        (folder / "metatap.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        words = ["run", "--config", str(folder / "metatap.yaml"), "--shards", str(shards)]
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "metatap", *words], stderr=stream
            )
        self.address = f"ipc://{folder}/zeek.ipc"

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    def wait_for(self, name: str, count: int = 1) -> None:
        def is_there() -> bool:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            return len(self.events(name)) >= count

        wait_until(is_there)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(90) == 0, self.log.read_text(encoding="utf-8")

    def flows(self) -> list[dict[str, int]]:
        """Counters of the flows of each process that ended."""
        return [event["stages"]["source.0.flows"] for event in self.events("agent_stopped")]

    def raised(self) -> dict[str, tuple[str, float]]:
        """Flow and score of the opened alerts, by id; the score hangs on the host's past."""
        lines = self.alerts.read_text(encoding="utf-8").splitlines()
        documents = [json.loads(line) for line in lines]
        return {
            d["metatap"]["alert"]["id"]: (d["zeek"]["session_id"], d["metatap"]["score"])
            for d in documents
            if d["metatap"]["alert"]["kind"] == "opened"
        }


@pytest.fixture
def sensors(tmp_path: Path) -> Iterator[Any]:
    started: list[Sensor] = []

    def start(name: str, shards: int, **more: Any) -> Sensor:
        started.append(Sensor(tmp_path / name, shards, **more))
        return started[-1]

    yield start
    for sensor in started:
        if sensor.process.poll() is None:
            sensor.process.kill()
        sensor.process.wait()


def test_shards_raise_what_one_process_raises(sensors: Any) -> None:
    """No flow is lost or counted twice over 1, 2 and 4 processes, and the alerts are the same."""
    batch = read_all(RECORDING)
    found: dict[int, Any] = {}
    for shards in (1, 2, 4):
        sensor = sensors(f"of-{shards}", shards)
        zeek = Zeek(sensor.address)
        sensor.wait_for("agent_started", shards)
        zeek.wait()
        sent = zeek.send(batch)
        assert sent == batch.rows
        sensor.wait_for("zeek_ended", shards)
        if shards > 1:
            document = ask(sensor.state, "status")
            assert [part["shard"] for part in document["shards"]] == [
                f"{at}/{shards}" for at in range(shards)
            ]
        sensor.end()
        zeek.close()
        counted = sensor.flows()
        assert len(counted) == shards
        assert sum(part["passed"] for part in counted) == sent
        assert all(not part["dropped"] for part in counted)
        assert all(part["passed"] > 0 for part in counted)
        found[shards] = sensor.raised()
        with closing(AlertHistory.look(sensor.state)) as history:
            assert {one.id for one in history.newest(Wanted())} == found[shards].keys()
    assert found[1]
    for shards in (2, 4):
        assert found[shards].keys() == found[1].keys()
        for name, (uid, score) in found[1].items():
            assert found[shards][name] == (uid, pytest.approx(score, abs=1e-5))


def test_a_process_that_dies_comes_again(sensors: Any) -> None:
    """The others go on; the status names it meanwhile; a second sensor can't take the folder."""
    sensor = sensors("one", 2)
    sensor.wait_for("agent_started", 2)
    pids = [part["pid"] for part in ask(sensor.state, "status")["shards"]]
    time.sleep(5.5)  # after the start, in which a fault would end the sensor
    os.kill(pids[1], signal.SIGKILL)
    sensor.wait_for("shard_ended")
    sensor.wait_for("agent_started", 3)
    document = ask(sensor.state, "status")
    assert document["restarts"] == 1
    assert document["shards"][0]["pid"] == pids[0]
    assert document["shards"][1]["pid"] != pids[1]
    text = "\n".join(shard_lines(document))
    assert "2 of 2 shards running, 1 restarts" in text
    assert f"shard 0/2: process {pids[0]}, 0 flows" in text
    with pytest.raises(StateError, match="no earlier model"):
        ask(sensor.state, "rollback")
    other = sensors("two", 2, state=str(sensor.state))
    assert other.process.wait(90) == 1
    assert "another agent keeps its state there" in other.log.read_text(encoding="utf-8")
    sensor.end()


def test_the_processes_end_with_the_sensor(sensors: Any) -> None:
    """Whatever ends it: nobody is left to hold sockets and folders."""
    sensor = sensors("one", 2)
    sensor.wait_for("agent_started", 2)
    pids = [part["pid"] for part in ask(sensor.state, "status")["shards"]]
    sensor.process.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in pids))


def test_a_stop_while_processes_start_reaches_all(sensors: Any) -> None:
    """TERM at any time, also before the last process is there, ends all with success."""
    for at in range(2):
        sensor = sensors(f"at-{at}", 4)
        sensor.wait_for("shards_started")
        time.sleep(0.02 * at)
        sensor.end()


def test_a_fault_at_the_start_ends_it(sensors: Any) -> None:
    """What one process can't do none can: status 1, and the log says which one and why."""
    sensor = sensors("one", 2, model="/nonexistent.onnx")
    assert sensor.process.wait(90) == 1
    assert "nonexistent.onnx" in sensor.log.read_text(encoding="utf-8")


def config(**flags: Any) -> Config:
    return load_config(flags=flags)


def test_what_a_process_gets(tmp_path: Path) -> None:
    """Its shards and its share; bound sources at the feed, others as they are."""
    sources = [
        {"url": "zeek+tcp://127.0.0.1:5556?bind=1&to_zeek=tcp://127.0.0.1:5555"},
        {"url": "zeek+tcp://10.0.0.1:5555?shards=2,5,7"},
        {"url": str(tmp_path / "a.mtrec")},
    ]
    whole = config(
        sources=sources,
        sinks=[{"type": "file", "path": "alerts.jsonl"}],
        state=str(tmp_path),
        alerts_per_day=30,
        **{"detector.context_entries": ENTRIES_MIN * 2},
    )
    first, last = (narrowed(whole, Part(at, 3), Path("/feeds")) for at in (0, 2))
    assert [source.url for source in first.sources] == [
        "zeek+ipc:///feeds/0",
        "zeek+tcp://10.0.0.1:5555",
        str(tmp_path / "a.mtrec"),
    ]
    assert first.sources[0].options["shards"] == tuple(range(0, SHARDS, 3))
    assert last.sources[1].options["shards"] == (7,)
    assert (first.state, last.state) == (tmp_path / "shard-0", tmp_path / "shard-2")
    assert first.alerts_per_day == 10.0
    assert first.detector.context_entries == ENTRIES_MIN


def test_what_can_not_be_shared_is_named(tmp_path: Path) -> None:
    """Logs have no shards, and lines of several processes would mix on standard output."""
    whole = config(sources=[{"url": str(tmp_path)}], sinks=[{"type": "stdout"}])
    with pytest.raises(ConfigError) as caught:
        narrowed(whole, Part(0, 2), tmp_path)
    assert len(caught.value.faults) == 2
    assert "can't be divided" in caught.value.faults[0]
    assert "standard output" in caught.value.faults[1]


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "0/65", "0/2/3"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"part|invalid"):
        Part.parse(text)
