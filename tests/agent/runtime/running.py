"""An agent process under test, and what it is given."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import onnx
import yaml
import zmq

from metatap.detector import shipped_model
from metatap.runtime.build import shipped_packs

RECORDING = Path(str(resources.files("metatap.demo") / "data" / "branch.mtrec"))


class Running:
    """An agent process, its files and a publisher that plays Zeek."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.alerts = folder / "alerts.jsonl"
        self.log = folder / "agent.log"
        self.config = folder / "metatap.yaml"
        self.packs = folder / "packs"
        self.packs.mkdir()
        for path in shipped_packs().glob("*.yaml"):
            (self.packs / path.name).write_bytes(path.read_bytes())
        self.write_config(**changes)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.publisher = self.context.socket(zmq.XPUB)
        self.publisher.linger = 10_000
        self.start()
        self.publisher.connect(f"ipc://{folder}/zeek.ipc")

    def start(self) -> None:
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "metatap", "run", "--config", str(self.config)],
                stderr=stream,
            )

    def free(self) -> None:
        self.process.kill()
        self.process.wait()
        self.publisher.close(linger=0)
        self.context.term()

    def write_config(self, **changes: Any) -> None:
        config = {
            "sensor": "test",
            "sources": [{"url": f"zeek+ipc://{self.folder}/zeek.ipc?bind=1"}],
            "packs": str(self.packs),
            "sinks": [{"type": "file", "path": str(self.alerts)}],
            "log": {"format": "json"},
        }
        self.config.write_text(yaml.safe_dump(config | changes), encoding="utf-8")

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for(self, event: str) -> dict[str, Any]:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            for found in self.events():
                if found["event"] == event:
                    return found
            time.sleep(0.05)
        raise AssertionError(f"no {event} in {self.log.read_text(encoding='utf-8')}")

    def end(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(90) == 0, self.log.read_text(encoding="utf-8")
        return self.wait_for("agent_stopped")


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until a thing is true, at most 90 s."""
    deadline = time.monotonic() + 90
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def documents(path: Path) -> list[dict[str, Any]]:
    """The alerts of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shipped_version() -> str:
    """Version of the model that comes with the agent."""
    props = {item.key: item.value for item in onnx.load(shipped_model()).metadata_props}
    return str(props["metatap.version"])


def other_model(path: Path, version: str) -> Path:
    """The shipped model under another version: another valid file that scores the same."""
    proto = onnx.load(shipped_model())
    for item in proto.metadata_props:
        if item.key == "metatap.version":
            item.value = version
    temporary = path.with_suffix(".part")
    temporary.write_bytes(proto.SerializeToString())
    temporary.rename(path)
    return path
