"""Playing the recording into an agent process as Zeek would."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from metatap.demo.send import publisher
from metatap.errors import MetatapError
from metatap.sources.replay import ReplayResult, replay_to_zmq

START_LIMIT = 60.0
STOP_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class Played:
    """What the agent said at its end.

    Attributes:
        sent: What was played to it.
        flows: Flows it scored.
        busy: Seconds it spent on them.
        dropped: "stage: reason" → units it dropped.
        log: Its log file.
    """

    sent: ReplayResult
    flows: int
    busy: float
    dropped: dict[str, int]
    log: Path


def play(recording: Path, out: Path, *, max_uids: int = 1000) -> Played:
    """Run `metatap run` as a process of its own and play a recording to it.

    Args:
        recording: The `.mtrec` file.
        out: Folder for `metatap.yaml`, `agent.log` and `alerts.jsonl`; the last is started anew.
        max_uids: Zeek uids listed in an alert, at most.

    Raises:
        MetatapError: the agent did not start, or did not end well; names its log.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "alerts.jsonl").unlink(missing_ok=True)
    log = out / "agent.log"
    with tempfile.TemporaryDirectory(prefix="metatap-demo-") as folder:
        address = f"{folder}/zeek.ipc"
        config = out / "metatap.yaml"
        config.write_text(_config(address, out, max_uids), encoding="utf-8")
        with log.open("wb") as stream:
            agent = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "metatap", "run", "--config", str(config)], stderr=stream
            )
        try:
            sent = _send(recording, f"ipc://{address}", agent, log)
            agent.send_signal(signal.SIGTERM)
            status = agent.wait(STOP_LIMIT)
        finally:
            agent.kill()
            agent.wait()
    if status != 0:
        raise MetatapError(f"the agent ended with status {status}; see {log}")
    return _played(sent, log)


def _config(address: str, out: Path, max_uids: int) -> str:
    return yaml.safe_dump(
        {
            "sensor": "demo",
            "sources": [{"url": f"zeek+ipc://{address}?bind=1"}],
            "sinks": [{"type": "file", "path": str((out / "alerts.jsonl").resolve())}],
            "alerts": {"max_uids": max_uids},
            "log": {"format": "json"},
        },
        sort_keys=False,
    )


def _send(recording: Path, address: str, agent: subprocess.Popen[bytes], log: Path) -> ReplayResult:
    with publisher(address) as socket:
        deadline = time.monotonic() + START_LIMIT
        while not socket.poll(200):
            if agent.poll() is not None:
                raise MetatapError(f"the agent ended at its start; see {log}")
            if time.monotonic() > deadline:
                raise MetatapError(f"the agent did not subscribe; see {log}")
        return replay_to_zmq(recording, socket)


def _played(sent: ReplayResult, log: Path) -> Played:
    for line in reversed(log.read_text(encoding="utf-8").splitlines()):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "agent_stopped":
            dropped = {
                f"{stage}: {reason}": units
                for stage, counts in event["stages"].items()
                for reason, units in counts["dropped"].items()
            }
            return Played(sent, event["flows"], event["busy_seconds"], dropped, log)
    raise MetatapError(f"the agent left no totals; see {log}")
