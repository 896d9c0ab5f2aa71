"""The keys of CEF's extension that an alert fills: a table for the encoder and docs/formats.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import Any

from metatap.alerts.document import (
    address,
    integer,
    milliseconds,
    moment,
    number,
    port,
    text,
)
from metatap.formats.attack import tactics, techniques

Value = str | int | float

MAX_INTEGER = 2**31 - 1
"""Largest number of a key of type Integer; a larger one is given as this."""

MAX_STRING = 4000
"""Characters of a custom string, at most."""

Read = Callable[[Mapping[str, Any]], Value | None]


@dataclass(frozen=True, slots=True)
class CefKey:
    """One key.

    Attributes:
        key: CEF's name, e.g. `src`.
        type: Its type in the dictionary.
        doc: What an alert has there.
        read: Document → value, None where it has none.
        limit: Characters of a String, at most.
        label: Of a custom key: what stands under `<key>Label`.
    """

    key: str
    type: str
    doc: str
    read: Read
    limit: int = 0
    label: str = ""


def _text(key: str, limit: int, doc: str, path: str, label: str = "") -> CefKey:
    return CefKey(key, "String", doc, partial(text, path=path), limit, label)


def _time(key: str, doc: str, path: str) -> CefKey:
    return CefKey(key, "Time Stamp", doc, lambda document: milliseconds(moment(document, path)))


def _float(key: str, doc: str, path: str, label: str) -> CefKey:
    return CefKey(key, "Floating Point", doc, partial(number, path=path), label=label)


def _long(key: str, doc: str, path: str, label: str = "") -> CefKey:
    return CefKey(key, "Long", doc, partial(integer, path=path), label=label)


def _ip(key: str, doc: str, path: str, version: int, label: str = "") -> CefKey:
    def read(document: Mapping[str, Any]) -> str | None:
        found = address(document, path)
        return found if found and _version(found) == version else None

    return CefKey(key, f"IPv{version} Address", doc, read, MAX_STRING, label)


def _version(found: str) -> int:
    return 4 if isinstance(ip_address(found), IPv4Address) else 6


def _upper(path: str) -> Read:
    return lambda document: (text(document, path) or "").upper() or None


def _count(document: Mapping[str, Any]) -> int | None:
    found = integer(document, "metatap.alert.count")
    return None if found is None else min(found, MAX_INTEGER)


def _direction(document: Mapping[str, Any]) -> int | None:
    return {"inbound": 0, "outbound": 1}.get(text(document, "network.direction") or "")


def _tactics(document: Mapping[str, Any]) -> str | None:
    return ", ".join(tactic.name for tactic in tactics(techniques(document))) or None


def _techniques(document: Mapping[str, Any]) -> str | None:
    return ", ".join(item.most_specific.id for item in techniques(document)) or None


def _model(document: Mapping[str, Any]) -> str | None:
    words = (text(document, f"metatap.model.{name}") for name in ("name", "version"))
    return " ".join(word for word in words if word) or None


KEYS: tuple[CefKey, ...] = (
    _time("rt", "When the agent made the event.", "event.created"),
    _time("start", "Start of the first flow.", "event.start"),
    _time("end", "End of the last flow so far.", "event.end"),
    _ip("src", "Originator.", "source.ip", 4),
    _ip("c6a2", "Likewise, if it is IPv6.", "source.ip", 6, "Source IPv6 Address"),
    CefKey("spt", "Integer", "Its port; not for ICMP.", partial(port, path="source.port")),
    _ip("dst", "Responder; the first one where there are many.", "destination.ip", 4),
    _ip("c6a3", "Likewise, if it is IPv6.", "destination.ip", 6, "Destination IPv6 Address"),
    CefKey("dpt", "Integer", "Its port; not for ICMP.", partial(port, path="destination.port")),
    CefKey("proto", "String", "`TCP`, `UDP`, `ICMP`, `IPV6-ICMP`", _upper("network.transport"), 31),
    CefKey("app", "String", "First protocol in Zeek's `service`.", _upper("network.protocol"), 31),
    CefKey("deviceDirection", "Integer", "0 inbound, 1 outbound; else absent.", _direction),
    _long("in", "IP bytes from source to destination.", "source.bytes"),
    _long("out", "IP bytes from destination to source.", "destination.bytes"),
    CefKey("cnt", "Integer", "Flows so far.", _count),
    _text("act", 63, "`alert_opened` or `alert_summary`", "event.action"),
    CefKey("cat", "String", "ATT&CK tactics, where they are certain.", _tactics, 1023),
    _text("externalId", 40, "Id of this event.", "event.id"),
    _text("msg", 1023, "One sentence: what, who, why.", "message"),
    _text("reason", 1023, "The features that moved the score most.", "event.reason"),
    _text("deviceExternalId", 255, "Name of the sensor.", "observer.name"),
    _text("dvchost", 100, "Likewise.", "observer.name"),
    _text("cs1", MAX_STRING, "Community ID v1.", "network.community_id", label="Community ID"),
    _text("cs2", MAX_STRING, "Zeek's uid of the flow.", "zeek.session_id", label="Zeek uid"),
    CefKey("cs3", "String", "Of the pack.", _techniques, MAX_STRING, "ATT&CK techniques"),
    CefKey("cs4", "String", "Name and version.", _model, MAX_STRING, "Model"),
    _text(
        "cs5",
        MAX_STRING,
        "The most similar example in the pack.",
        "metatap.nearest.uid",
        label="Most like example",
    ),
    _text(
        "cs6",
        MAX_STRING,
        "The same in `opened` and `summary`.",
        "metatap.alert.id",
        label="Alert id",
    ),
    _text(
        "flexString1", 1023, "First digits of its SHA-256.", "rule.version", label="Pack version"
    ),
    _long("cn1", "Higher in the events after a `summary`.", "metatap.alert.revision", "Revision"),
    _long(
        "cn2",
        "Hosts that one alert stands for.",
        "metatap.alert.destinations",
        "Destinations",
    ),
    _float("cfp1", "Score of the flow.", "metatap.score", "Score"),
    _float("cfp2", "Threshold of the pack at that time.", "metatap.threshold", "Threshold"),
    _float("cfp3", "Highest score so far.", "metatap.max_score", "Highest score"),
    _float(
        "cfp4",
        'N of "1 in N flows of the background score as high".',
        "metatap.unusual.one_in",
        "One in",
    ),
)
"""In the order they are written."""
