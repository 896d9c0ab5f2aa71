"""What a running agent shows: its alerts as they come, its memory, its own counters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from benchmarks import proc
from benchmarks.agents import AgentProcess, event
from benchmarks.tail import Tail

LOOK = 0.001
"""Seconds between two looks at the file of alerts."""

SAMPLE = 1.0
"""Seconds between two looks at the process and at its log."""


@dataclass(slots=True)
class Watch:
    """What was seen; times are seconds on the monotonic clock.

    Attributes:
        alerts: (time seen, uid of the first flow) of alerts that were opened, as the file has them.
        process: (time, MiB, seconds of the processor).
        status: (time, flows scored, flows lost), of the agent's status lines.
    """

    alerts: list[tuple[float, str]] = field(default_factory=list)
    process: list[tuple[float, float, float]] = field(default_factory=list)
    status: list[tuple[float, int, int]] = field(default_factory=list)

    def follow(self, running: AgentProcess, ending: threading.Event) -> None:
        """Look until `ending` is set, and once more."""
        alerts, log = Tail(running.alerts), Tail(running.log)
        due, is_last = 0.0, False
        while not is_last:
            is_last = ending.is_set()
            while True:
                now, lines = alerts.lines()
                self.alerts += [(now, uid) for line in lines if (uid := opened(line))]
                if not (is_last and lines):
                    break
            if now >= due:
                due = now + SAMPLE
                self.process.append((now, proc.rss(running.pid), proc.cpu(running.pid)))
            seen, entries = log.lines()
            self.status += [(seen, *found) for line in entries if (found := counted(line))]
            time.sleep(LOOK)
        alerts.close()
        log.close()


@contextmanager
def watched(running: AgentProcess) -> Iterator[Watch]:
    """Watch an agent, in a thread, until the end."""
    watch, ending = Watch(), threading.Event()
    thread = threading.Thread(target=watch.follow, args=(running, ending))
    thread.start()
    try:
        yield watch
    finally:
        ending.set()
        thread.join()


class _Alert(msgspec.Struct):
    kind: str
    uids: list[str]


class _Own(msgspec.Struct):
    alert: _Alert


class _Line(msgspec.Struct):
    metatap: _Own


_lines = msgspec.json.Decoder(_Line)


def opened(line: bytes) -> str:
    """Uid of the flow that opened an alert; "" for a line that is no `opened` alert."""
    try:
        found = _lines.decode(line).metatap.alert
    except msgspec.MsgspecError:
        return ""
    return found.uids[0] if found.kind == "opened" and found.uids else ""


def counted(line: bytes) -> tuple[int, int] | None:
    """Flows scored and lost of a status line, None for another line."""
    if b'"agent_status"' not in line:
        return None
    found = event(line)
    if found is None:
        return None
    drops = found["stages"]["source.0.flows"]["dropped"]
    return int(found["flows"]), int(drops.get("lost", 0))
