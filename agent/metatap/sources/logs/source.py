"""Source `zeek+logs`: flows from the logs that Zeek wrote.

In: folders and files of `files`. Out: batches of one capture of one file, or of those that several
loggers wrote at once (under the name of the first), at most `batch_rows` flows. Dropped: lines of
all logs as `messages`, and conn lines as `flows`, under a name of `faults.REASONS` or as `discard`
is told. A line of another log is passed when its conn line is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from metatap.counters import Counters
from metatap.flow import FlowBatch, Origin
from metatap.sources.logs.columns import table_of, to_batch
from metatap.sources.logs.faults import LineError, Warnings
from metatap.sources.logs.fields import as_text, layout
from metatap.sources.logs.files import Folder, find_folders
from metatap.sources.logs.join import Joiner
from metatap.sources.logs.options import LogOptions
from metatap.sources.logs.pending import Pending
from metatap.sources.logs.stream import LogStream, Place
from metatap.sources.logs.summaries import ADD

UNDRAINED = "undrained"
"""Reason for flows that were read ahead when the source was closed."""

GRACE_S = 1.0
"""Seconds that a batch with some flows waits for more while no line can be read."""

DETAIL_MAX = 200
"""Characters of a fault's text in the log."""


class ZeekLogs:
    """A stream of flow batches from Zeek's logs; a `Source`.

    Attributes:
        name: `zeek+logs`.
        flows: Conn lines read, passed on, dropped by reason.
        messages: Lines of all logs, likewise; those that wait for their conn line are not in it.
        kept: Field of `options.keep` → its text for each flow of the last batch, None where absent.
        bytes_total: Bytes of the conn files, as they lie on disk.
    """

    name = "zeek+logs"

    def __init__(self, paths: Path | Sequence[Path], options: LogOptions | None = None) -> None:
        """Find the files.

        Args:
            paths: Folders or files, see `files.find_folders`.
            options: See there.

        Raises:
            SourceError: a path does not exist, is no log, or there is no conn log in any of them.
        """
        self._options = options or LogOptions()
        folders = find_folders([paths] if isinstance(paths, Path) else paths)
        self.flows = Counters()
        self.messages = Counters()
        self.kept: dict[str, list[str | None]] = {}
        self.bytes_total = sum(file.size for f in folders for file in f.files.get("conn", ()))
        self._warnings = Warnings(self.name)
        self._pending = Pending(self._options.max_pending, self._options.slack_s, self._give_up)
        self._capture = ""
        self._begun = False
        self._ended: set[str] = set()
        self._batches = 0
        self._bytes_before = 0
        self._folders: Iterator[Folder] = iter(folders)
        self._conn: LogStream | None = None
        self._records: Iterator[Any] = iter(())
        self._joiner: Joiner | None = None
        self._next: tuple[Any, Place] | None = None
        self._taken: list[Any] = []
        self._at_end = True
        self._place = Place("conn")
        self.done = False

    @property
    def bytes_read(self) -> int:
        """Bytes of the conn files read so far, as they lie on disk."""
        return self._bytes_before + (self._conn.bytes_read if self._conn else 0)

    @property
    def waiting(self) -> int:
        """Connections whose conn line has not come."""
        return len(self._pending)

    @property
    def most_waiting(self) -> int:
        """Most connections that ever waited at once."""
        return self._pending.peak

    def read(self, timeout: float) -> FlowBatch | None:
        """The next batch; None at the end, or if none could be made of what was read by then.

        The time is looked at every few hundred lines; where it is over, the next call goes on.
        """
        deadline = time.monotonic() + timeout
        while not self.done:
            joiner = self._joiner
            if joiner and not self._taken and not self._at_end:
                self._taken = self._take(deadline)
                if self._taken:
                    joiner.begin(self._taken)
            if joiner and self._taken:
                if joiner.read_on(self._capture, self._ended, deadline):
                    return self._batch(joiner)
            elif self._at_end and self._close_folder(deadline) and not self._open_next():
                self.close()
            if time.monotonic() >= deadline:
                break
        return None

    def discard(self, reason: str) -> int:
        """Drop the flows that were read ahead, and the lines that wait; the rest was never read."""
        flows = self._drop_held(reason)
        if lines := self._pending.clear():
            self.messages.drop(reason, lines)
        self.close()
        return flows

    def status(self) -> dict[str, object]:
        """Where the reading is, and what waits."""
        return {
            "file": self._place.file,
            "line": self._place.line,
            "bytes_read": self.bytes_read,
            "bytes_total": self.bytes_total,
            "waiting": self.waiting,
            "unjoined": self.messages.dropped.get("unjoined", 0),
        }

    def close(self) -> None:
        """Free the files; idempotent. Flows that were read ahead are dropped, `undrained`."""
        self._drop_held(UNDRAINED)
        self._give_up(self._pending.clear())
        self._bytes_before = self.bytes_read
        self._conn = self._joiner = None
        self._records, self._folders = iter(()), iter(())
        self.done = True

    def _drop_held(self, reason: str) -> int:
        """Count the flows that were read ahead as dropped, and forget them."""
        flows = len(self._taken) + (0 if self._next is None else 1)
        self._taken, self._next = [], None
        if flows:
            self.flows.drop(reason, flows)
            self.messages.drop(reason, flows)
        return flows

    def _open_next(self) -> bool:
        """Go on to the next folder; whether there is one."""
        folder = next(self._folders, None)
        if folder is None:
            return False
        streams = {
            log: LogStream(log, folder.files.get(log, ()), self._options, self._skip)
            for log in ("conn", *ADD)
        }
        self._conn = streams.pop("conn")
        self._records = self._conn.records()
        self._joiner = Joiner(list(streams.items()), self._pending, self._options, self._skip)
        self._ended, self._begun, self._at_end = set(), False, False
        return True

    def _close_folder(self, deadline: float) -> bool:
        """Read the rest of the folder's other logs; False if the time is over before."""
        if self._joiner and not self._joiner.drain(self._capture, self._give_up, deadline):
            return False
        self._bytes_before = self.bytes_read
        self._conn = self._joiner = None
        return True

    def _take(self, deadline: float) -> list[Any]:
        """Conn lines of one capture and file, none at the end of the folder or of the time."""
        records: list[Any] = []
        if self._next is not None:
            record, self._place = self._next
            self._next = None
            self._begin(record)
            records.append(record)
        while self._conn is not None and len(records) < self._options.batch_rows:
            try:
                found = next(self._records)
            except StopIteration:
                self._at_end = not records
                break
            if found is None:
                if time.monotonic() >= deadline + (GRACE_S if records else 0.0):
                    break
                continue
            place = self._conn.place
            if (found.capture or "") in self._ended:
                detail = "the capture had ended already"
                self._skip(place, LineError("capture_order", "capture", detail))
            elif not records:
                self._begin(found)
                records.append(found)
                self._place = replace(place)
            elif place.group == self._place.group and self._same_capture(found):
                records.append(found)
            else:
                self._next = found, replace(place)
                break
        return records

    def _same_capture(self, record: Any) -> bool:
        return (record.capture or "") == self._capture

    def _begin(self, record: Any) -> None:
        """Begin the capture of a record, unless it is the one that is being read."""
        if not self._same_capture(record):
            if self._begun:
                self._ended.add(self._capture)
            self._give_up(self._pending.clear())
            self._capture = record.capture or ""
        self._begun = True

    def _batch(self, joiner: Joiner) -> FlowBatch:
        records, self._taken = self._taken, []
        joined = joiner.join(records, self.messages.passes)
        table = table_of(records, layout("conn", self._options.keep))
        self.kept = {name: [as_text(v) for v in table[name]] for name in self._options.keep}
        origin = Origin(self.name, self._place.group, self._batches, self._capture)
        batch = to_batch(table, joined, origin)
        self._batches += 1
        self.flows.passes(len(records))
        self.messages.passes(len(records))
        return batch

    def _skip(self, place: Place, error: LineError) -> None:
        """Count and log a line that can't be read."""
        self.messages.drop(error.reason)
        if place.log == "conn":
            self.flows.drop(error.reason)
        self._warnings.warn(
            "line_skipped",
            error.reason,
            log=place.log,
            file=place.file,
            line=place.line,
            field=error.field or None,
            detail=str(error)[:DETAIL_MAX],
        )

    def _give_up(self, lines: int) -> None:
        """Count and log lines whose conn line was not found."""
        if lines:
            self.messages.drop("unjoined", lines)
            self._warnings.warn("lines_unjoined", "unjoined", file=self._place.file, lines=lines)
