"""What the source of log files can be told, with the reason of each bound."""

from __future__ import annotations

from dataclasses import dataclass

from metatap.errors import SourceError
from metatap.sources.options import OptionValues

COUNT_BOUND = 2**31
"""Every number among the options is below this."""


@dataclass(frozen=True, slots=True)
class LogOptions(OptionValues):
    """Options of `zeek+logs`.

    Attributes:
        batch_rows: Flows of a batch at most; scoring has a cost per batch, and so has the join.
        keep: Names of further fields of conn.log whose text is kept beside each batch.
        max_pending: Connections whose dns, http, ssl and ssh lines wait for their conn line, at
            most. One takes about 1 KB, up to 5 KB if the texts are made for it: of each text 256
            bytes are held. Beyond it the longest waiting are given up; from half of it on, the
            slack is.
        slack_s: Lines of the other logs are read so many seconds ahead of the end of the
            connections of a batch. Zeek writes the line of an unanswered query, and conn's, when
            its inactivity timeouts end: one minute for UDP, five for TCP.
        max_age_s: Lines that have waited so many seconds (by the logs' own clock) are given up.
            A connection that lives longer and is silent for so long is rare.
        max_line_bytes: A longer line is skipped. Zeek's own lines have some hundred bytes, few
            over 64 KiB.
        max_ratio: A file whose data are this many times larger than their compressed form is left
            there. Logs are compressed 10 to 30 times, floods of like lines up to 100; gzip can
            reach 1032.
        free_bytes: The ratio is not looked at before so many bytes: a short file can't hurt, and
            its ratio may be anything.
    """

    batch_rows: int = 4096
    keep: tuple[str, ...] = ()
    max_pending: int = 200_000
    slack_s: float = 360.0
    max_age_s: float = 86_400.0
    max_line_bytes: int = 1 << 20
    max_ratio: int = 200
    free_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        for name in ("batch_rows", "max_pending", "max_line_bytes", "max_ratio"):
            if not 0 < getattr(self, name) < COUNT_BOUND:
                raise SourceError(f"{name}: {getattr(self, name)}: must be from 1 to 2^31 - 1")
        for name in ("slack_s", "max_age_s", "free_bytes"):
            if not 0 <= getattr(self, name) < COUNT_BOUND:
                raise SourceError(f"{name}: {getattr(self, name)}: must be from 0 to 2^31 - 1")
