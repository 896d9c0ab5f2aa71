"""OCSF 1.8.0: a Detection Finding, class 2004, with the profile `security_control`.

Source: github.com/ocsf/ocsf-schema, v1.8.0 (events/findings/detection_finding.json). `opened`
gives activity Create; `summary`, and `opened` of an alert that was closed before, give Update: the
finding is known and more is said of it. Close is a decision of whoever works on it, which a sensor
does not take. What OCSF has no place for is under `unmapped`, by its ECS names.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import msgspec

from metatap.alerts.document import (
    address,
    at,
    flow_fields,
    integer,
    milliseconds,
    moment,
    number,
    port,
    present,
    text,
    texts,
)
from metatap.alerts.ecs import technique_page
from metatap.formats.attack import ATTACK_VERSION, Named, Technique, techniques
from metatap.formats.format import Format, Severities
from metatap.packs import Severity

OCSF_VERSION = "1.8.0"
CATEGORY = 2
CLASS = 2004

SEVERITY: dict[str, int] = {
    Severity.LOW: 2,
    Severity.MEDIUM: 3,
    Severity.HIGH: 4,
    Severity.CRITICAL: 5,
}
"""Severity → `severity_id`."""

SEVERITY_NAMES = ("Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal")
"""Captions of `severity_id`."""

DIRECTIONS: dict[str, tuple[int, str]] = {
    "inbound": (1, "Inbound"),
    "outbound": (2, "Outbound"),
    "internal": (3, "Lateral"),
    "external": (99, "external"),
}
"""`network.direction` → `direction_id` and its caption."""

UNMAPPED = (
    "event.reason",
    "rule.author",
    "rule.reference",
    "source.bytes",
    "source.packets",
    "destination.bytes",
    "destination.packets",
    "network.bytes",
    "network.packets",
    "network.protocol",
    "metatap",
)
"""What goes under `unmapped`."""


class Activity(IntEnum):
    """`activity_id`."""

    CREATE = 1
    UPDATE = 2


_ACTION = (3, "Observed")
_DISPOSITION = (15, "Detected")
_LEARNING = (4, "Learning (ML/DL)")
_IP_ADDRESS = (2, "IP Address")
_VERSIONS = {"ipv4": 4, "ipv6": 6}
_ENCODER = msgspec.json.Encoder()


def ocsf_line(document: Mapping[str, Any], severities: Severities) -> bytes:
    """The document as one OCSF event on one line."""
    return _ENCODER.encode(ocsf(document, severities))


def ocsf(document: Mapping[str, Any], severities: Severities) -> dict[str, Any]:
    """The document as a Detection Finding."""
    activity = _activity(document)
    severity = severities.get(text(document, "metatap.pack.severity") or "", 0)
    first, last = (milliseconds(moment(document, f"event.{name}")) for name in ("start", "end"))
    risk = number(document, "event.risk_score")
    attacks = [_attack(item) for item in techniques(document)]
    fields = {
        "activity_id": activity.value,
        "activity_name": activity.name.capitalize(),
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity.value,
        "type_name": f"Detection Finding: {activity.name.capitalize()}",
        "time": milliseconds(moment(document, "@timestamp")),
        "start_time": first,
        "end_time": last,
        "duration": _duration(first, last),
        "count": integer(document, "metatap.alert.count"),
        "severity_id": severity,
        "severity": SEVERITY_NAMES[severity],
        "status_id": 1 if activity is Activity.CREATE else None,
        "status": "New" if activity is Activity.CREATE else None,
        "message": text(document, "message"),
        "is_alert": at(document, "metatap.alert.kind") == "opened",
        "action_id": _ACTION[0],
        "action": _ACTION[1],
        "disposition_id": _DISPOSITION[0],
        "disposition": _DISPOSITION[1],
        "risk_score": None if risk is None else round(risk),
        "metadata": _metadata(document),
        "finding_info": _finding(document, activity, attacks),
        "attacks": attacks,
        "evidences": _evidences(document),
        "observables": _observables(document),
        "unmapped": _unmapped(document),
    }
    return present(fields)


def _duration(first: int | None, last: int | None) -> int | None:
    return None if first is None or last is None or last < first else last - first


def _activity(document: Mapping[str, Any]) -> Activity:
    is_first = at(document, "metatap.alert.kind") == "opened" and not integer(
        document, "metatap.alert.revision"
    )
    return Activity.CREATE if is_first else Activity.UPDATE


def _metadata(document: Mapping[str, Any]) -> dict[str, Any]:
    product = {
        "name": "metatap",
        "vendor_name": "metatap",
        "version": text(document, "observer.version"),
    }
    return present(
        {
            "version": OCSF_VERSION,
            "product": present(product),
            "uid": text(document, "event.id"),
            "profiles": ["security_control"],
            "reporter": present({"name": text(document, "observer.name")}),
        }
    )


def _finding(
    document: Mapping[str, Any], activity: Activity, attacks: list[dict[str, Any]]
) -> dict[str, Any]:
    made = "created_time" if activity is Activity.CREATE else "modified_time"
    return present(
        {
            "uid": text(document, "metatap.alert.id"),
            "title": text(document, "rule.name"),
            "desc": text(document, "rule.description"),
            made: milliseconds(moment(document, "event.created")),
            "first_seen_time": milliseconds(moment(document, "event.start")),
            "last_seen_time": milliseconds(moment(document, "event.end")),
            "analytic": _analytic(document),
            "attacks": attacks,
            "data_sources": ["Zeek"],
            "related_events": [{"uid": uid} for uid in texts(document, "metatap.alert.uids")],
            "related_events_count": integer(document, "metatap.alert.count"),
        }
    )


def _analytic(document: Mapping[str, Any]) -> dict[str, Any]:
    fields = {"uid": text(document, "rule.id"), "name": text(document, "rule.name")}
    model = [text(document, f"metatap.model.{name}") for name in ("name", "version")]
    if not any(fields.values()):
        return {}
    return present(
        {
            **fields,
            "type_id": _LEARNING[0],
            "type": _LEARNING[1],
            "version": text(document, "rule.version"),
            "algorithm": " ".join(word for word in model if word),
        }
    )


def _attack(found: Technique) -> dict[str, Any]:
    """One technique with its pages, and its tactic where it serves one alone."""
    attack: dict[str, Any] = {"technique": _named(found.technique), "version": ATTACK_VERSION}
    if found.below is not None:
        attack["sub_technique"] = _named(found.below)
    if found.tactic is not None:
        attack["tactic"] = {"uid": found.tactic.id, "name": found.tactic.name}
    return attack


def _named(found: Named) -> dict[str, Any]:
    return present({"uid": found.id, "name": found.name, "src_url": technique_page(found.id)})


def _evidences(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flow: who, with whom, by which protocol."""
    ends = {
        name: present({"ip": ip, "port": port(document, f"{side}.port")})
        for name, side in (("src_endpoint", "source"), ("dst_endpoint", "destination"))
        if (ip := address(document, f"{side}.ip"))
    }
    known = _connection(document)
    if not ends and not known:
        return []
    direction, caption = DIRECTIONS.get(text(document, "network.direction") or "", (0, "Unknown"))
    return [{**ends, "connection_info": {"direction_id": direction, "direction": caption, **known}}]


def _connection(document: Mapping[str, Any]) -> dict[str, Any]:
    flow = flow_fields(document)
    protocol = text(document, "network.iana_number") or ""
    return present(
        {
            "uid": text(document, "zeek.session_id"),
            "community_uid": text(document, "network.community_id"),
            "protocol_name": text(document, "network.transport"),
            "protocol_num": int(protocol) if protocol.isdecimal() and len(protocol) < 4 else None,
            "protocol_ver_id": _VERSIONS.get(text(document, "network.type") or ""),
            "flag_history": text(flow, "history"),
        }
    )


def _observables(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"evidences[0].{name}.ip",
            "type_id": _IP_ADDRESS[0],
            "type": _IP_ADDRESS[1],
            "value": ip,
        }
        for name, side in (("src_endpoint", "source"), ("dst_endpoint", "destination"))
        if (ip := address(document, f"{side}.ip"))
    ]


def _unmapped(document: Mapping[str, Any]) -> dict[str, Any]:
    unmapped: dict[str, Any] = {}
    for path in UNMAPPED:
        found = at(document, path)
        parent, _, name = path.rpartition(".")
        if found is not None and parent:
            unmapped.setdefault(parent, {})[name] = found
        elif found is not None:
            unmapped[name] = found
    return unmapped


OCSF = Format("ocsf", "application/json", SEVERITY, 0, len(SEVERITY_NAMES) - 1, ocsf_line)
