"""The files of one log of one folder → its records, one after the other, faults told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from metatap.sources.logs.blocks import Unended, read_lines
from metatap.sources.logs.faults import LineError
from metatap.sources.logs.files import LogFile
from metatap.sources.logs.lines import LineReader
from metatap.sources.logs.options import LogOptions


@dataclass(slots=True)
class Place:
    """Where in a log the reading is.

    Attributes:
        log: Log name.
        file: Name of the file, relative to the path that was given.
        line: Number of the line, from 1.
    """

    log: str
    file: str = ""
    line: int = 0


OnFault = Callable[[Place, LineError], None]
"""Told of each line that can't be read."""


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
            on_fault: Told of each line that can't be read, once.
        """
        self.place = Place(log)
        self.bytes_read = 0
        self._files = files
        self._options = options
        self._on_fault = on_fault
        self._reader = LineReader(log, options.keep if log == "conn" else ())

    def records(self) -> Iterator[Any]:
        """What the lines say; None now and then, so that whoever waits may stop waiting.

        Raises:
            SourceError: a file can't be read; names it.
        """
        place, read = self.place, self._reader.read
        for file in self._files:
            place.file, place.line = file.node, 0
            self._reader.restart()
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
                    found = self._odd(piece)
                    if found is not None:
                        yield found
                yield None

    def _odd(self, piece: Unended | LineError) -> Any:
        """A line that could not be read, or the last one without its end.

        That one is whole if it is JSON; of another form nobody can tell.
        """
        if isinstance(piece, Unended):
            try:
                if piece.line.lstrip()[:1] in (b"{", b"#"):
                    return self._reader.read(piece.line)
            except LineError:
                pass
            piece = LineError("line_cut", "", "the last line has no end")
        self._on_fault(self.place, piece)
        return None

    def _took(self, size: int) -> None:
        self.bytes_read += size
