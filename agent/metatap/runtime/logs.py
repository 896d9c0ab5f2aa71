"""Logging set-up: structlog to standard error, for people or for machines."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import TextIO, cast

import structlog


class Guarded(io.TextIOBase):
    """A text stream whose faults do not reach who writes to it.

    A log that can't be written (its disk is full, nobody reads it) must not end the sensor.

    Attributes:
        failed: Writes that did not succeed.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.failed = 0
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write what can be written; a fault is counted."""
        try:
            if self._stream is not None:
                self._stream.write(text)
        except (OSError, ValueError):
            self.failed += 1
        return len(text)

    def flush(self) -> None:
        """Flush; a fault is counted."""
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self.failed += 1

    def isatty(self) -> bool:
        """Whether it goes to a terminal."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream is not None and self._stream.isatty()
        return False


_ALWAYS: dict[str, str] = {}


def say_always(**values: str) -> None:
    """Add values to every event of this process."""
    _ALWAYS.update(values)


def _with_always(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event.update(_ALWAYS)
    return event


def configure_logs(level: str, form: str) -> None:
    """Send log events to standard error.

    Args:
        level: Lowest level shown: debug, info, warning or error.
        form: `json`: one object a line; `text`: for a terminal.
    """
    stream = Guarded(sys.stderr)
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _with_always,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
