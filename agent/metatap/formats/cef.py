r"""ArcSight's Common Event Format, version 0: a header and keys of the extension dictionary.

Source: Micro Focus, Implementing ArcSight Common Event Format, version 26. In the header `\` and
`|` are escaped and a line break is a space; in the extension `\` and `=` are escaped and a line
break is `\n` or `\r`. Other control characters are spaces everywhere. A text longer than the
dictionary allows is cut, a cut text ends in `…`. No prefix of syslog: that is the transport's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from metatap.alerts.cutting import shorten
from metatap.alerts.document import text
from metatap.formats.cef_keys import KEYS, Value
from metatap.formats.format import Format, Severities
from metatap.packs import Severity

SEVERITY: dict[str, int] = {
    Severity.LOW: 3,
    Severity.MEDIUM: 5,
    Severity.HIGH: 8,
    Severity.CRITICAL: 10,
}
"""Severity → CEF's: 0–3 low, 4–6 medium, 7–8 high, 9–10 very high."""

HEADER_LIMITS = {"version": 31, "id": 1023, "name": 512}
"""Characters of device version, event class id and name, at most."""

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_HEADER = str.maketrans({"\\": "\\\\", "|": "\\|"})
_EXTENSION = str.maketrans({"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"})


def cef_line(document: Mapping[str, Any], severities: Severities) -> bytes:
    """The document as one line of CEF."""
    pack = text(document, "rule.id") or text(document, "metatap.pack.id") or "unknown"
    number = severities.get(text(document, "metatap.pack.severity") or "")
    header = (
        "CEF:0",
        "metatap",
        "metatap",
        _header(text(document, "observer.version") or "unknown", HEADER_LIMITS["version"]),
        _header(pack, HEADER_LIMITS["id"]),
        _header(text(document, "rule.name") or pack, HEADER_LIMITS["name"]),
        "Unknown" if number is None else str(number),
    )
    return f"{'|'.join(header)}|{' '.join(_extension(document))}".encode()


def _header(value: str, limit: int) -> str:
    return shorten(_BREAKS.sub(" ", value), limit).translate(_HEADER)


def _extension(document: Mapping[str, Any]) -> Iterator[str]:
    for key in KEYS:
        value = key.read(document)
        if value is None:
            continue
        yield f"{key.key}={_value(value, key.limit)}"
        if key.label:
            yield f"{key.key}Label={key.label}"


def _value(value: Value, limit: int) -> str:
    if isinstance(value, str):
        return shorten(_CONTROLS.sub(" ", value), limit).translate(_EXTENSION)
    return repr(value)


CEF = Format("cef", "text/plain", SEVERITY, 0, 10, cef_line)
