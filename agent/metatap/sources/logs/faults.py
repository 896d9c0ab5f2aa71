"""Why a line of a log is not read, and saying so without flooding the log."""

from __future__ import annotations

import time

import structlog

from metatap.errors import MetatapError
from metatap.sources.session import LOG_EVERY_S

_log = structlog.get_logger(__name__)

REASONS: dict[str, str] = {
    "not_json": "The line starts as a JSON object and is none.",
    "line_not_utf8": "The line is not UTF-8 where it is read.",
    "too_deep": "The line's JSON is nested too deeply.",
    "line_too_long": "The line is longer than the options allow; it was never held as a whole.",
    "line_cut": "The last line of a file ends in the middle.",
    "no_header": "A line that is not JSON, and no `#separator` and `#fields` above it.",
    "fields": "The line has another number of fields than its header names.",
    "type": "A value of another type than its field has.",
    "range": "A number is out of its bounds.",
    "missing": "A field that every line must have (uid, the two ends) is not there.",
    "gzip_cut": "The compressed data end too early; what came before is read.",
    "gzip_corrupt": "The compressed data are broken from here on.",
    "gzip_bomb": "The data are compressed more than a log can be; the rest of the file is left.",
    "file_unreadable": "The file is gone or can't be read; what came before is read.",
    "capture_order": "The line belongs to a capture that had ended already.",
    "unjoined": "A line of dns, http, ssl or ssh whose conn line was not found.",
}
"""Reason → what it means; the names under which lines are counted as dropped."""


class LineError(MetatapError):
    """A line can't be read.

    Attributes:
        reason: One of `REASONS`.
        field: The field at fault, "" where it is the line.
    """

    def __init__(self, reason: str, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.reason = reason
        self.field = field


class Warnings:
    """Says each reason at most once a minute, and how often it held back."""

    def __init__(self, source: str) -> None:
        """Start with nothing said.

        Args:
            source: Kind of the source, for the log.
        """
        self._source = source
        self._said: dict[str, tuple[float, int]] = {}

    def warn(self, event: str, reason: str, **values: object) -> None:
        """Log, unless the same reason was logged within the last minute."""
        now = time.monotonic()
        last, held_back = self._said.get(reason, (now - LOG_EVERY_S, 0))
        if now - last < LOG_EVERY_S:
            self._said[reason] = (last, held_back + 1)
            return
        self._said[reason] = (now, 0)
        _log.warning(event, reason=reason, source=self._source, held_back=held_back, **values)
