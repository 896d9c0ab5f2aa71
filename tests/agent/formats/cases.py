"""Alerts of every kind as decoded ECS documents, the same for all formats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from tests.agent.alerts.page import example_alert
from tests.agent.alerts.scored import ALIKE, Clocks, detections, explain, flow

from metatap.alerts import Aggregator, Alert, AlertKind, encode_ecs

Document = dict[str, Any]

NASTY = "a|b\\c=d\ne\r\nf\tg\"h'i\x00j\x1bk\x7fl\u2028m\U0001f600n… é"
"""What one format or another has to escape."""

VERSION = "1.2.3"
"""Of the agent; fixed, so that lines stay the same."""


def _alert(uid: str | None = "CHhAvVGS1DHFjwGM9", **changes: Any) -> Alert:
    clocks = Clocks()
    aggregator = Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic)
    row = flow("", **changes) | {"uid": uid}
    row = {name: value for name, value in row.items() if value is not None}
    return aggregator.add(detections([row]))[0]


def _summary(alert: Alert) -> Alert:
    return replace(
        alert,
        kind=AlertKind.SUMMARY,
        last=alert.last + 240 * 10**9,
        created=alert.created + 300 * 10**9,
        count=17,
        uids=("CHhAvVGS1DHFjwGM9", "CbNCgO1MzDGFbzB7Ee", "C3Dl2d2Vyh4Gxm9Xc8"),
        max_score=3.25,
        max_uid="CbNCgO1MzDGFbzB7Ee",
    )


def _long() -> Alert:
    alert = _alert(service="http", http__uri=NASTY * 4, http__host="x" * 250)
    rule = replace(
        alert.rule,
        name=NASTY * 20,
        description=NASTY * 100,
        attack=("T1071.001", "T1078", "T1046", "T1499.001", "T1499.002"),
    )
    return replace(alert, rule=rule, uids=tuple(f"C{number:0200}" for number in range(256)))


def _bare() -> Alert:
    alert = _alert(uid=None, id__orig_h=None, id__resp_h=None, proto=None, service=None)
    return replace(
        alert,
        explanation=replace(ALIKE, nearest_index=-1, unusual=None),
        rule=replace(alert.rule, description="", author="", attack=(), references=()),
        sensor="",
    )


ALERTS: dict[str, Alert] = {
    "opened": example_alert(),
    "summary": _summary(_alert(history="ShAdDaFf")),
    "again": replace(_alert(), revision=2),
    "fold": replace(_summary(_alert()), destinations=1235, at_least=True),
    "ipv6": _alert(
        id__orig_h="2001:db8::1",
        id__resp_h="2001:db8::2",
        id__resp_p=443,
        service="ssl,http",
        local_orig=True,
        local_resp=False,
    ),
    "no_ports": _alert(proto="icmp", id__orig_p=8, id__resp_p=0, service=None, local_orig=True),
    "long": _long(),
    "bare": _bare(),
}


def document(alert: Alert) -> Document:
    """The alert's event as it is read from disk."""
    found = msgspec.json.decode(encode_ecs(alert), type=Document)
    found["observer"]["version"] = VERSION
    return found


DOCUMENTS: dict[str, Document] = {name: document(alert) for name, alert in ALERTS.items()}
"""Name → document; not to be changed."""
