"""Alerts as syslog messages (RFC 5424)."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from metatap.errors import ConfigError
from metatap.packs import Severity
from metatap.sinks.transport import Record

FACILITIES: Mapping[str, int] = {
    "kern": 0,
    "user": 1,
    "mail": 2,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "lpr": 6,
    "news": 7,
    "uucp": 8,
    "cron": 9,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}
"""Facility → its number (RFC 5424 section 6.2.1); the names are those of syslog(3)."""

SEVERITIES: Mapping[Severity, int] = {
    Severity.LOW: 5,
    Severity.MEDIUM: 4,
    Severity.HIGH: 3,
    Severity.CRITICAL: 2,
}
"""Notice, warning, error and critical (RFC 5424 section 6.2.1)."""

EXAMPLE_ENTERPRISE = 32473
"""The private enterprise number for examples (RFC 5612)."""

MAX_HOSTNAME = 255
MAX_APP_NAME = 48

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRINTUSASCII = re.compile(r"[!-~]+")
_ESCAPED = re.compile(r'["\\\]]')
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SyslogFormat:
    """How a record becomes a message.

    MSGID is `alert`, PROCID the process's number.

    Attributes:
        facility: One of `FACILITIES`.
        severities: Severity → syslog's, 0 to 7; what is missing is taken from `SEVERITIES`.
        hostname: HOSTNAME, 1 to 255 printable ASCII characters, None: the system's.
        app_name: APP-NAME, 1 to 48 printable ASCII characters.
        enterprise: Number under which STRUCTURED-DATA holds the record's id as
            `[metatap@32473 id="…"]`, None: no STRUCTURED-DATA.
        bom: Begin the text with a byte order mark; by RFC 5424 that says it is UTF-8, but a
            receiver that does not know it takes it for part of the alert.
    """

    facility: str = "local0"
    severities: Mapping[Severity, int] = field(default_factory=dict)
    hostname: str | None = None
    app_name: str = "metatap"
    enterprise: int | None = EXAMPLE_ENTERPRISE
    bom: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: one of them is no part of a message; names all of those.
        """
        faults = []
        if self.facility not in FACILITIES:
            faults.append(f"facility: {self.facility!r} is none of {', '.join(FACILITIES)}")
        faults += [
            f"severities: {name}: {number} is not within 0 to 7"
            for name, number in self.severities.items()
            if not 0 <= number <= 7
        ]
        for name, value, limit in (
            ("hostname", self.hostname, MAX_HOSTNAME),
            ("app_name", self.app_name, MAX_APP_NAME),
        ):
            if value is not None and not (_PRINTUSASCII.fullmatch(value) and len(value) <= limit):
                faults.append(f"{name}: {value!r} is not 1 to {limit} printable ASCII characters")
        if self.enterprise is not None and not 0 < self.enterprise < 2**32:
            faults.append(f"enterprise: {self.enterprise} is no private enterprise number")
        if faults:
            raise ConfigError(*faults)

    def encode(self, record: Record) -> bytes:
        """One message, without framing."""
        severity = self.severities.get(record.severity, SEVERITIES[record.severity])
        priority = 8 * FACILITIES[self.facility] + severity
        head = " ".join(
            (
                f"<{priority}>1",
                _timestamp(record.time),
                self.hostname or _hostname(),
                self.app_name,
                str(os.getpid()),
                "alert",
                self._structured_data(record.id),
                "",
            )
        )
        return head.encode() + (_BOM if self.bom else b"") + record.body

    def _structured_data(self, record_id: str) -> str:
        if self.enterprise is None:
            return "-"
        value = _ESCAPED.sub(r"\\\g<0>", record_id)
        return f'[metatap@{self.enterprise} id="{value}"]'


def _timestamp(time: int) -> str:
    """TIMESTAMP in UTC with µs, `-` for a time that no calendar has.

    Args:
        time: ns since the epoch.
    """
    try:
        moment = _EPOCH + timedelta(microseconds=time // 1000)
    except OverflowError:
        return "-"
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _hostname() -> str:
    """The system's name, `-` if it is none that a message can hold."""
    name = socket.gethostname()
    return name if _PRINTUSASCII.fullmatch(name) and len(name) <= MAX_HOSTNAME else "-"
