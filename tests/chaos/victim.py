"""The agent as a process that is started, killed and asked for its counters."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

DEADLINE_S = 60.0
"""Seconds for what must happen."""


class Victim:
    """One agent and its state folder.

    Attributes:
        refused: Starts that the agent ended by itself.
    """

    def __init__(
        self, folder: Path, state: Path, address: str, sinks: Sequence[dict[str, Any]]
    ) -> None:
        """An agent that does not run.

        Args:
            folder: For its configuration and logs.
            state: Its state folder.
            address: Path of the socket that it binds.
            sinks: Entries of its configuration.
        """
        self.refused = 0
        self._state = state
        self._log = folder / "agent.log"
        self._copy = folder / "copy"
        self._config = folder / "metatap.yaml"
        config = {
            "sensor": "chaos",
            "sources": [{"url": f"zeek+ipc://{address}?bind=1"}],
            "state": str(state),
            "alerts": {"window": 1},
            "detector": {"false_positive_rate": 0.1},
            "sinks": list(sinks),
            "log": {"format": "json"},
        }
        self._config.write_text(yaml.safe_dump(config), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; what it says goes to a new log."""
        command = [sys.executable, "-m", "metatap", "run", "--config", str(self._config)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "1"}
            )

    def wait_started(self) -> bool:
        """Wait until it reads flows; whether it does, or ended by itself instead."""
        assert self._process is not None
        deadline = time.monotonic() + DEADLINE_S
        while b'"agent_started"' not in self._log.read_bytes():
            if self._process.poll() is not None:
                self.refused += 1
                return False
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)
        return True

    def start_well(self) -> bool:
        """Start it and wait until it reads flows; whether it does."""
        self.start()
        return self.wait_started()

    def log(self) -> str:
        """What it said since it was started."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> set[str]:
        """Kill it; the ids that its spool held then."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        return self.spooled()

    def reopen(self) -> None:
        """Have it try every place at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def terminate(self) -> dict[str, Any]:
        """End it in good order; its counters."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(DEADLINE_S) == 0, self.log()
        return next(event for event in self._events() if event["event"] == "agent_stopped")

    def spooled(self) -> set[str]:
        """Ids of the alerts in the spool of an agent that has ended, read from a copy."""
        shutil.rmtree(self._copy, ignore_errors=True)
        self._copy.mkdir()
        for path in self._state.glob("spool.db*"):
            shutil.copy(path, self._copy)
        path = self._copy / "spool.db"
        if not path.exists():
            return set()
        with closing(sqlite3.connect(path)) as database:
            names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema")}
            if "records" not in names:
                return set()
            found = database.execute("SELECT CAST(id AS TEXT) FROM records").fetchall()
        return {name for (name,) in found}

    def free(self) -> None:
        """End it whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
