"""An entry of the spool → the record that a transport sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from metatap.alerts.ecs import SEVERITY
from metatap.packs import Severity
from metatap.sinks.transport import Record
from metatap.spool.entry import Entry
from metatap.spool.reasons import UNENCODABLE

FILTERED = "filtered"
"""Why an alert is not sent that the sink does not want."""

Document = Mapping[str, Any]
Accepts = Callable[[Document], bool]
"""Whether a sink wants an alert."""

Encode = Callable[[Document], bytes]
"""An alert in a sink's format, on one line without its end."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEVELS = sorted((number, severity) for severity, number in SEVERITY.items())

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """An entry on its way.

    Attributes:
        seq: Its number.
        record: What is sent; None: nothing is.
        reason: Why nothing is sent, `FILTERED` or `UNENCODABLE`.
    """

    seq: int
    record: Record | None
    reason: str = ""


def prepare(entry: Entry, accepts: Accepts | None, encode: Encode | None) -> Parcel:
    """What a sink is sent of an entry; never fails.

    Args:
        entry: The entry.
        accepts: The sink's filter; None: it takes all.
        encode: The sink's format; None: the line as it is.
    """
    try:
        document = msgspec.json.decode(entry.body, type=dict[str, Any])
        if accepts is not None and not accepts(document):
            return Parcel(entry.seq, None, FILTERED)
        body = entry.body if encode is None else encode(document)
        record = Record(entry.id, _time(document, entry.at), _severity(document), body)
    except Exception as error:  # noqa: BLE001 - one alert stops no other
        log.error("alert_unencodable", id=entry.id, seq=entry.seq, error=repr(error))  # noqa: TRY400
        return Parcel(entry.seq, None, UNENCODABLE)
    return Parcel(entry.seq, record)


def _time(document: Document, otherwise: int) -> int:
    """`@timestamp` in ns since the epoch."""
    try:
        since = datetime.fromisoformat(document["@timestamp"]) - _EPOCH
    except (KeyError, TypeError, ValueError, OverflowError):
        return otherwise
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def _severity(document: Document) -> Severity:
    """The highest severity whose number `event.severity` reaches; the lowest if it has none."""
    event = document.get("event")
    number = event.get("severity") if isinstance(event, Mapping) else None
    found = _LEVELS[0][1]
    for least, severity in _LEVELS:
        if isinstance(number, int | float) and number >= least:
            found = severity
    return found
