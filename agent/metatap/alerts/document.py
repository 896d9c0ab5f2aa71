"""Reading an alert's JSON object by dotted names; what is missing or of another type is None.

For everything that has the event alone, as it was written: a document may be one of an older agent,
or changed on its way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64 = 2**63


def at(document: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted name, None if nothing does."""
    found: Any = document
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def text(document: Mapping[str, Any], path: str) -> str | None:
    """A text that is not empty."""
    found = at(document, path)
    return found if isinstance(found, str) and found else None


def texts(document: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a list that are not empty."""
    found = at(document, path)
    return [item for item in found if isinstance(item, str) and item] if _is_list(found) else []


def integer(document: Mapping[str, Any], path: str) -> int | None:
    """A whole number from 0 to 2⁶³ − 1: what every format has room for."""
    found = at(document, path)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < _INT64:
        return None
    return found


def number(document: Mapping[str, Any], path: str) -> float | None:
    """A finite number."""
    found = at(document, path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if abs(found) < _INT64 and math.isfinite(found) else None


def port(document: Mapping[str, Any], path: str) -> int | None:
    """A port, 0 to 65535."""
    found = integer(document, path)
    return found if found is not None and found < 2**16 else None


def address(document: Mapping[str, Any], path: str) -> str | None:
    """The text of an IP address without a zone."""
    found = text(document, path)
    if found is None or "%" in found:
        return None
    try:
        ip_address(found)
    except ValueError:
        return None
    return found


def moment(document: Mapping[str, Any], path: str) -> datetime | None:
    """A time in ISO 8601 with its zone, in UTC."""
    found = text(document, path)
    try:
        when = None if found is None else datetime.fromisoformat(found)
        return None if when is None or when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def milliseconds(when: datetime | None) -> int | None:
    """ms since the epoch."""
    return None if when is None else (when - _EPOCH) // timedelta(milliseconds=1)


def mapping(document: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """A mapping; an empty one if there is none."""
    found = at(document, path)
    return found if isinstance(found, Mapping) else {}


def flow_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The flow's fields under Zeek's names, dots as underscores: `id_orig_p`, `history`."""
    flow = mapping(document, "metatap.flow")
    return {str(name).replace(".", "_"): value for name, value in flow.items()}


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without those that are absent: None, "" and empty containers."""
    return {
        name: value
        for name, value in fields.items()
        if value or (value is not None and not isinstance(value, str | list | dict))
    }


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
