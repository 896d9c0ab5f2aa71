"""Labels from a list of intervals and addresses: what was attacked when, by whom.

A CSV with the columns `start`, `end`, `orig_h`, `resp_h`, `label` and, if there are any, `family`,
`capture`. A flow that starts in [start, end) between such ends has the label of the first line that
says so; a flow that no line speaks of is unknown. An empty cell is no condition, so a last line
`,,,,benign` makes the rest benign. This is how captures of exercises are usually documented (as in
Sharafaldin et al., "Toward Generating a New Intrusion Detection Dataset", ICISSP 2018).
"""

from __future__ import annotations

import csv
import ipaddress
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.errors import FlowError
from metatap.flow import FlowBatch
from metatap.offline.labels import (
    BENIGN,
    MALICIOUS,
    NO_FAMILY,
    NOTHING,
    Label,
    LabelReader,
    RowArray,
    Tally,
)
from metatap.sources import Source
from metatap_training.datasets.sources import DataError

COLUMNS = ("start", "end", "orig_h", "resp_h", "label")
"""Columns that the file must have."""

LINES_MAX = 65_536
"""Lines of a file at most; each is looked at for every batch that it overlaps in time."""

_NS = 1_000_000_000
_EVER = 2**62
"""ns, farther than any flow."""

_MAPPED = 0xFFFF << 32
"""Before the 32 bits of an IPv4 address, as flows have it (RFC 4291, 2.5.5.2)."""

Halves = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class _Block:
    """Addresses whose bits under `mask` are those of `value`; uint64 [2] each."""

    value: Halves
    mask: Halves

    def holds(self, addresses: Halves) -> npt.NDArray[np.bool_]:
        """bool [k], which of the addresses uint64 [k, 2] are in it."""
        return np.asarray(((addresses & self.mask) == self.value).all(1))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line; times in ns, None for an end that may be any."""

    start: int
    end: int
    orig: _Block | None
    resp: _Block | None
    label: Label
    said: str
    capture: str


class IntervalLabels:
    """Labels by start and ends of a flow; see the module."""

    def __init__(
        self, path: Path, malicious: str = MALICIOUS, *, benign: Sequence[str] = (BENIGN,)
    ) -> None:
        """Read the file.

        Args:
            path: The file.
            malicious: The label's value for a threat, or `labels.ANY`.
            benign: Its values for benign flows.

        Raises:
            DataError: a column is missing, a cell is wrong, or there are too many lines; names
                file and line.
            OSError: it can't be read.
        """
        self._reader = LabelReader(malicious, benign)
        self._lines = list(self._read(path))
        self._start = np.array([line.start for line in self._lines], np.int64)
        self._end = np.array([line.end for line in self._lines], np.int64)
        self._hits = np.zeros(len(self._lines), np.int64)
        self._unknown: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._lines)

    def of(
        self,
        source: Source,  # noqa: ARG002 - see `Labels`
        batch: FlowBatch,
        rows: RowArray,
    ) -> list[Label]:
        """The labels of k rows.

        Raises:
            FlowError: the batch has no addresses.
        """
        found = self._match(batch, rows)
        np.add.at(self._hits, found[found >= 0], 1)
        labels = [self._lines[at].label if at >= 0 else NOTHING for at in found.tolist()]
        for at in found.tolist():
            if at < 0 or self._lines[at].label is NOTHING:
                self._unknown[self._lines[at].said if at >= 0 else NO_FAMILY] += 1
        return labels

    def captures(self, batch: FlowBatch, rows: RowArray) -> list[str]:
        """The captures of k rows as the file names them, "" where it names none."""
        if not any(line.capture for line in self._lines):
            return [""] * len(rows)
        found = self._match(batch, rows)
        return [self._lines[at].capture if at >= 0 else "" for at in found.tolist()]

    def tally(self) -> Tally:
        """Other labels, and the lines that no flow was of so far."""
        idle = (line for line, hits in zip(self._lines, self._hits, strict=True) if not hits)
        unmatched = Counter(line.label.family or line.said for line in idle)
        return Tally(dict(self._unknown.most_common()), dict(unmatched.most_common()))

    def _match(self, batch: FlowBatch, rows: RowArray) -> npt.NDArray[np.intp]:
        """intp [k], the first line that speaks of each row, −1 for none."""
        found = np.full(len(rows), -1, np.intp)
        if not len(rows) or not self._lines:
            return found
        column = batch.numeric("ts")
        if column is None:
            start, dated = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.bool_)
        else:
            start, dated = column.values[rows].astype(np.int64), column.mask()[rows]
        orig, resp = _halves(batch, "id.orig_h", rows), _halves(batch, "id.resp_h", rows)
        timeless = (self._start == -_EVER) & (self._end == _EVER)
        first, last = int(start.min()), int(start.max())
        near = np.flatnonzero(((self._start <= last) & (self._end > first)) | timeless)
        for at in near.tolist():
            line = self._lines[at]
            hit = (found < 0) & (start >= line.start) & (start < line.end)
            if not timeless[at]:
                hit &= dated
            if line.orig is not None:
                hit &= line.orig.holds(orig)
            if line.resp is not None:
                hit &= line.resp.holds(resp)
            found[hit] = at
            if (found >= 0).all():
                break
        return found

    def _read(self, path: Path) -> list[_Line]:
        lines: list[_Line] = []
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            try:
                missing = set(COLUMNS) - set(reader.fieldnames or ())
                if missing:
                    raise DataError(f"{path}:1: no column {', '.join(sorted(missing))}")
                for row in reader:
                    place = f"{path}:{reader.line_num}"
                    if len(lines) == LINES_MAX:
                        raise DataError(f"{place}: more than {LINES_MAX} intervals")
                    lines.append(self._line(place, row))
            except (csv.Error, UnicodeDecodeError) as error:
                raise DataError(f"{path}:{reader.line_num + 1}: {error}") from None
        return lines

    def _line(self, place: str, row: dict[str, str | None]) -> _Line:
        cell = {name: (text or "").strip() for name, text in row.items() if isinstance(name, str)}
        if not cell["label"]:
            raise DataError(f"{place}: label: empty")
        start = _time(place, "start", cell["start"], -_EVER)
        end = _time(place, "end", cell["end"], _EVER)
        if start >= end:
            raise DataError(f"{place}: end: {cell['end']}: not after start, {cell['start']}")
        return _Line(
            start,
            end,
            _block(place, "orig_h", cell["orig_h"]),
            _block(place, "resp_h", cell["resp_h"]),
            self._reader.read(cell["label"], cell.get("family")),
            cell["label"],
            cell.get("capture", ""),
        )


def _time(place: str, name: str, text: str, otherwise: int) -> int:
    """ns since 1970 of seconds or an ISO 8601 time with its zone; `otherwise` where empty."""
    if not text:
        return otherwise
    try:
        seconds = float(text)
    except ValueError:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise DataError(f"{place}: {name}: {text}: neither seconds nor ISO 8601") from None
        if when.tzinfo is None:
            raise DataError(f"{place}: {name}: {text}: without its zone (Z, +02:00)") from None
        try:
            seconds = when.timestamp()
        except OverflowError:
            seconds = math.inf
    if not abs(seconds) * _NS < _EVER:
        raise DataError(f"{place}: {name}: {text}: out of bounds")
    return round(seconds * _NS)


def _block(place: str, name: str, text: str) -> _Block | None:
    """Addresses of one address or a CIDR block; None where empty."""
    if not text:
        return None
    try:
        block = ipaddress.ip_network(text)
    except ValueError as error:
        raise DataError(f"{place}: {name}: {error}") from None
    value, mask = int(block.network_address), int(block.netmask)
    if block.version == 4:
        value, mask = value | _MAPPED, mask | (2**128 - 2**32)
    return _Block(_split(value), _split(mask))


def _split(value: int) -> Halves:
    return np.array([value >> 64, value & (2**64 - 1)], np.uint64)


def _halves(batch: FlowBatch, name: str, rows: RowArray) -> Halves:
    """uint64 [k, 2], the halves of addresses."""
    column = batch.numeric(name)
    if column is None:
        raise FlowError(f"{name}: absent, but every flow has it")
    return np.ascontiguousarray(column.values[rows]).view(">u8").astype(np.uint64)
