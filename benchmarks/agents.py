"""A real agent, `metatap run` as a process of its own on one core."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import pinned
from benchmarks.path import BATCH_ROWS

STOP_LIMIT = 90.0
"""Seconds an agent may take to drain and end."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How the agent is configured; all else is its default.

    Attributes:
        bind: Bind the socket and let senders connect; else connect to one that is bound.
        status: Seconds between status lines in its log.
        state: Keep state and history, as an installed agent does.
        batch_rows: `batch_rows` of the source: messages that are there are joined up to so many.
        rcvhwm: Messages ZeroMQ holds for it.
    """

    bind: bool = True
    status: float = 1.0
    state: bool = True
    batch_rows: int = BATCH_ROWS
    rcvhwm: int = 1000


class AgentProcess:
    """An agent and the folder it works in.

    Attributes:
        pid: Its process.
        address: ZeroMQ address of its socket.
        alerts: The file of its alerts.
        log: Its log, a JSON object a line.
    """

    def __init__(self, folder: Path, core: int, setup: Setup) -> None:
        self.address = f"ipc://{folder}/z"
        self.alerts, self.log = folder / "alerts.jsonl", folder / "agent.log"
        config = folder / "metatap.yaml"
        config.write_text(json.dumps(_config(folder, setup)), encoding="utf-8")
        argv = [sys.executable, "-m", "metatap", "run", "--config", str(config)]
        with self.log.open("wb") as log, pinned(core):
            self._process = subprocess.Popen(
                argv, stderr=log, stdout=subprocess.DEVNULL, env={**os.environ, **_THREADS}
            )
        self.pid = self._process.pid

    def wait_started(self, seconds: float = 60.0) -> None:
        """Wait until it reads.

        Raises:
            RuntimeError: it ended, or did not start in time.
        """
        end = time.monotonic() + seconds
        while not self.events("agent_started"):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the agent did not start: {self._tail()}")
            time.sleep(0.01)

    def stop(self) -> dict[str, Any]:
        """End it as an operator would; its totals.

        Raises:
            RuntimeError: it ended with an error, or not in time.
        """
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            raise RuntimeError("the agent did not end") from None
        found = self.events("agent_stopped")
        if status or not found:
            raise RuntimeError(f"the agent ended with status {status}: {self._tail()}")
        return found[-1]

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events of one name in its log so far."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        found = [parsed for line in lines if (parsed := event(line.encode())) is not None]
        return [item for item in found if item.get("event") == name]

    def _tail(self) -> str:
        return self.log.read_text(encoding="utf-8")[-2000:]


def event(line: bytes) -> dict[str, Any] | None:
    """A line of the log, None if it is not whole."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def dropped(totals: dict[str, Any]) -> dict[str, int]:
    """Units that the agent dropped and counted, by `stage: reason`."""
    return {
        f"{stage}: {reason}": units
        for stage, counts in totals["stages"].items()
        for reason, units in counts["dropped"].items()
    }


@contextmanager
def agent(folder: Path, core: int, setup: Setup | None = None) -> Iterator[AgentProcess]:
    """An agent that reads, on the `core`th core; ended at the end. `folder` has a short path."""
    folder.mkdir(parents=True, exist_ok=True)
    made = AgentProcess(folder, core, setup or Setup())
    try:
        made.wait_started()
        yield made
    finally:
        made.kill()


_THREADS = {"OMP_NUM_THREADS": "1"}


def _config(folder: Path, setup: Setup) -> dict[str, Any]:
    source = f"zeek+ipc://{folder}/z" + ("?bind=1" if setup.bind else "")
    options = {"batch_rows": setup.batch_rows, "rcvhwm": setup.rcvhwm}
    made: dict[str, Any] = {
        "sensor": "bench",
        "sources": [{"url": source, "options": options}],
        "sinks": [{"type": "file", "path": str(folder / "alerts.jsonl")}],
        "log": {"format": "json"},
        "status_interval": setup.status,
    }
    if setup.state:
        made["state"] = str(folder / "state")
    return made
