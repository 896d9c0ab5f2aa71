"""The files of one log of one folder → its records, in the order written, faults told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from itertools import chain, groupby
from typing import Any

from metatap.errors import SourceError
from metatap.sources.logs.blocks import Unended, read_lines
from metatap.sources.logs.faults import LineError
from metatap.sources.logs.files import LogFile
from metatap.sources.logs.lines import LineReader
from metatap.sources.logs.options import LogOptions

JUMP_S = 3600.0
"""A line so much later than the one before does not hold up its file: its time may be wrong."""


@dataclass(slots=True)
class Place:
    """Where in a log the reading is.

    Attributes:
        log: Log name.
        file: Name of the file, relative to the path that was given.
        line: Number of the line, from 1.
        group: Name of the first of the files that are read together with this one.
    """

    log: str
    file: str = ""
    line: int = 0
    group: str = ""


OnFault = Callable[[Place, LineError], None]
"""Told of each line that can't be read."""


class _Part:
    """One of several files that were written at once.

    Attributes:
        lines: Its records and Nones.
        place: Of the record given last.
        line: The next record; None at the end.
        key: When that was written, about: its `ts`, of a conn line the end.
    """

    def __init__(self, lines: Iterator[Any], place: Place) -> None:
        self.lines = lines
        self.place = place
        self.line: Any = None
        self.key = -math.inf
        self._last: float | None = None

    def advance(self) -> Iterator[None]:
        """Have the next record in `line`; gives None while it is not there."""
        self.line = None
        for line in self.lines:
            if line is None:
                yield None
                continue
            self.line, when, last = line, line.ts, self._last
            if when is not None:
                when += getattr(line, "duration", None) or 0.0
                self._last = when
                late = last is not None and when > last + JUMP_S
                self.key = last if late and last is not None else when
            return


class LogStream:
    """Records of one log, in the order written.

    Attributes:
        place: Of the record given last.
        bytes_read: Bytes read from the files, as they lie on disk.
    """

    def __init__(
        self, log: str, files: Sequence[LogFile], options: LogOptions, on_fault: OnFault
    ) -> None:
        """Open nothing yet.

        Args:
            log: Log name.
            files: Its files, in order.
            options: Bounds.
            on_fault: Told of each line or file that can't be read, once.
        """
        self.place = Place(log)
        self.bytes_read = 0
        self._log = log
        self._groups = [list(group) for _, group in groupby(files, lambda file: file.group)]
        self._keep = options.keep if log == "conn" else ()
        self._readers: list[LineReader] = []
        self._options = options
        self._on_fault = on_fault

    def records(self) -> Iterator[Any]:
        """What the lines say; None now and then, so that whoever waits may stop waiting."""
        return chain.from_iterable(map(self._group, self._groups))

    def _group(self, files: Sequence[LogFile]) -> Iterator[Any]:
        parts = []
        for at, file in enumerate(files):
            if at == len(self._readers):
                self._readers.append(LineReader(self._log, self._keep))
            place = Place(self._log, file.node, group=files[0].node)
            parts.append(_Part(self._file(file, place, self._readers[at]), place))
        if len(parts) > 1:
            return self._merged(parts)
        self.place = parts[0].place
        return parts[0].lines

    def _merged(self, parts: Sequence[_Part]) -> Iterator[Any]:
        """The records of files that were written at once, by the time of writing."""
        for part in parts:
            yield from part.advance()
        heads = [(part.key, at) for at, part in enumerate(parts) if part.line is not None]
        heapify(heads)
        while heads:
            at = heads[0][1]
            part = parts[at]
            self.place = part.place
            yield part.line
            yield from part.advance()
            if part.line is None:
                heappop(heads)
            else:
                heapreplace(heads, (part.key, at))

    def _file(self, file: LogFile, place: Place, reader: LineReader) -> Iterator[Any]:
        reader.restart()
        read = reader.read
        try:
            for piece in read_lines(file.path, self._options, self._took):
                if isinstance(piece, list):
                    for line in piece:
                        place.line += 1
                        try:
                            found = read(line)
                        except LineError as error:
                            self._on_fault(place, error)
                            continue
                        if found is not None:
                            yield found
                else:
                    place.line += 1
                    found = self._odd(reader, place, piece)
                    if found is not None:
                        yield found
                yield None
        except SourceError as error:
            self._on_fault(place, LineError("file_unreadable", "", str(error)))

    def _odd(self, reader: LineReader, place: Place, piece: Unended | LineError) -> Any:
        """A line that could not be read, or the last one without its end.

        That one is whole if it is JSON; of another form nobody can tell.
        """
        if isinstance(piece, Unended):
            try:
                if piece.line.lstrip()[:1] in (b"{", b"#"):
                    return reader.read(piece.line)
            except LineError:
                pass
            piece = LineError("line_cut", "", "the last line has no end")
        self._on_fault(place, piece)
        return None

    def _took(self, size: int) -> None:
        self.bytes_read += size
