"""An alert's event in ECS → the event that Zeek's `metatap/notice.zeek` takes.

`Metatap::alert(version: count, a: Metatap::AlertInfo)`, see docs/wire.md. What the document lacks,
or has under another type, is unset. At most `MAX_BYTES` in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from metatap.alerts.document import (
    address,
    flow_fields,
    integer,
    moment,
    number,
    port,
    text,
    texts,
)
from metatap.flow.schema import CONTRACT_VERSION, PROTOS
from metatap.sinks import zeek_values as values
from metatap.sources.encode import encode_event

ALERT = "Metatap::alert"
"""Name of the event."""

TOPIC = f"metatap.alert.v{CONTRACT_VERSION}."
"""What it is published on."""

ID_BYTES = 128
TEXT_BYTES = 1024
MAX_ATTACK = 16
"""To what texts and lists are cut: the script cuts to the same."""

MAX_BYTES = 16 * 1024
"""More than the payload ever has."""

MAX_WINDOW_S = 86_400.0
"""Seconds a notice is suppressed, at most."""

Document = Mapping[str, Any]
Field = Callable[[Document], bytes]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INT64 = 2**63


def alert_event(document: Document, event_id: str) -> bytes:
    """The payload for one alert.

    Args:
        document: Its event in ECS, decoded from JSON.
        event_id: `event.id`; stands for the alert's id too if there is none.
    """
    record = [field(document) for field in FIELDS.values()]
    if record[_AT_ID] == values.UNSET:
        record[_AT_ID] = values.string(event_id, ID_BYTES)
    return encode_event(ALERT, [values.count(CONTRACT_VERSION), values.vector(record)])


def _id(path: str) -> Field:
    return lambda document: _string(text(document, path), ID_BYTES)


def _text(path: str) -> Field:
    return lambda document: _string(text(document, path), TEXT_BYTES)


def _string(value: str | None, most: int) -> bytes:
    return values.UNSET if value is None else values.string(value, most)


def _count(path: str) -> Field:
    def field(document: Document) -> bytes:
        value = integer(document, path)
        return values.UNSET if value is None else values.count(value)

    return field


def _double(path: str) -> Field:
    def field(document: Document) -> bytes:
        value = number(document, path)
        return values.UNSET if value is None else values.double(value)

    return field


def _time(document: Document) -> bytes:
    when = moment(document, "@timestamp")
    ns = None if when is None else (when - _EPOCH) // timedelta(microseconds=1) * 1000
    return values.UNSET if ns is None or not -_INT64 <= ns < _INT64 else values.time(ns)


def _window(document: Document) -> bytes:
    seconds = number(document, "metatap.alert.window.seconds")
    if seconds is None or seconds < 0:
        return values.UNSET
    return values.interval(round(min(seconds, MAX_WINDOW_S) * 1e9))


def _addr(path: str) -> Field:
    def field(document: Document) -> bytes:
        value = address(document, path)
        return values.UNSET if value is None else values.addr(value)

    return field


def _port(name: str) -> Field:
    def field(document: Document) -> bytes:
        flow = flow_fields(document)
        value = port(flow, name)
        if value is None:
            return values.UNSET
        protocol = text(flow, "proto")
        return values.port(value, PROTOS.index(protocol) if protocol in PROTOS else 0)

    return field


def _attack(document: Document) -> bytes:
    technique = texts(document, "threat.technique.id")
    finer = texts(document, "threat.technique.subtechnique.id")
    found = [name for name in technique if not any(sub.startswith(f"{name}.") for sub in finer)]
    few = (found + finer)[:MAX_ATTACK]
    return values.vector([values.string(name, ID_BYTES) for name in few]) if few else values.UNSET


FIELDS: dict[str, Field] = {
    "id": _id("metatap.alert.id"),
    "kind": _id("metatap.alert.kind"),
    "event_id": _id("event.id"),
    "revision": _count("metatap.alert.revision"),
    "ts": _time,
    "pack": _id("metatap.pack.id"),
    "name": _text("rule.name"),
    "severity": _id("metatap.pack.severity"),
    "score": _double("metatap.score"),
    "threshold": _double("metatap.threshold"),
    "n": _count("metatap.alert.count"),
    "suppress_for": _window,
    "msg": _text("message"),
    "sub": _text("event.reason"),
    "uid": _id("zeek.session_id"),
    "orig_h": _addr("source.ip"),
    "orig_p": _port("id_orig_p"),
    "resp_h": _addr("destination.ip"),
    "resp_p": _port("id_resp_p"),
    "community_id": _id("network.community_id"),
    "attack": _attack,
    "sensor": _text("observer.name"),
}
"""The fields of `Metatap::AlertInfo`, in the order of the script."""

_AT_ID = list(FIELDS).index("id")
