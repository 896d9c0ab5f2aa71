"""What is wrong with files that should be in force, now and last."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

MAX_OPEN = 1000
"""Faults that are listed, at most; all are counted."""

log = structlog.get_logger(__name__)

EVENTS = {"packs": "pack_invalid"}
"""Kind → its log event, where it is not `reload_failed`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file.

    Attributes:
        kind: What it should hold: `model`, `packs`, `lists`; `folder` for the folder of packs,
            `config` for the configuration.
        path: The file.
        reason: What is wrong.
        since: When this was found, ns since the epoch.
    """

    kind: str
    path: Path
    reason: str
    since: int

    def as_json(self) -> dict[str, object]:
        """All of it as JSON has it."""
        return {
            "kind": self.kind,
            "path": str(self.path),
            "reason": self.reason,
            "since": self.since / 1e9,
        }


class Faults:
    """The faults by kind: each is logged and counted once, when it comes.

    Attributes:
        failed: Kind → faults that came so far.
        last: The last one that came, though it may be mended.
    """

    def __init__(self) -> None:
        self.failed: dict[str, int] = {}
        self.last: Fault | None = None
        self._open: dict[str, dict[tuple[Path, str], Fault]] = {}

    def open(self) -> list[Fault]:
        """The faults that are not mended, oldest first."""
        found = [fault for kind in [*self._open.values()] for fault in [*kind.values()]]
        return sorted(found, key=lambda fault: fault.since)

    def renew(
        self, kind: str, found: Iterable[tuple[Path, str]], doubtful: Collection[Path] = ()
    ) -> set[Path]:
        """Take what is wrong with the files of a kind now.

        Args:
            kind: The kind; its other faults are mended.
            found: Files and reasons.
            doubtful: Files that may be half written: nothing is said of them yet.

        Returns:
            Those of `doubtful` that have a fault.
        """
        known, now = self._open.get(kind, {}), time.time_ns()
        faults: dict[tuple[Path, str], Fault] = {}
        again: set[Path] = set()
        for path, reason in found:
            key = path, reason
            if path in doubtful and key not in known:
                again.add(path)
            elif len(faults) < MAX_OPEN:
                faults[key] = known.get(key) or self._new(Fault(kind, path, reason, now))
        self._open[kind] = faults
        return again

    def report(self) -> dict[str, object]:
        """Counts and the last one, for status and log."""
        return {
            "failed": dict(self.failed),
            "last_fault": None if self.last is None else self.last.as_json(),
        }

    def _new(self, fault: Fault) -> Fault:
        self.failed[fault.kind] = self.failed.get(fault.kind, 0) + 1
        self.last = fault
        event = EVENTS.get(fault.kind)
        if event is None:
            log.error("reload_failed", kind=fault.kind, reason=fault.reason)
        else:
            log.warning(event, reason=fault.reason)
        return fault
