"""Alert → one JSON object in ECS 9, see docs/alerts.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from metatap import __version__
from metatap.alerts.alert import Alert, AlertKind, Rule
from metatap.alerts.community_id import ICMP6, PROTOCOL_NUMBERS
from metatap.alerts.cutting import line_within
from metatap.alerts.document import present
from metatap.alerts.pivots import pivots
from metatap.alerts.sentence import sentence, why
from metatap.detector.explanation import Explanation, Unusual
from metatap.flow import Row
from metatap.packs import Severity

ECS_VERSION = "9.0.0"
"""All fields used are in every 9.x."""

MAX_LINE = 32 * 1024
"""Bytes of an encoded alert, at most; longer strings and lists are cut until it fits."""

SEVERITY: dict[Severity, int] = {
    Severity.LOW: 21,
    Severity.MEDIUM: 47,
    Severity.HIGH: 73,
    Severity.CRITICAL: 99,
}
"""Severity → number, the default risk scores of Elastic's detection rules."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENCODER = msgspec.json.Encoder()


def encode_ecs(alert: Alert) -> bytes:
    """One alert as JSON on one line without its end, at most `MAX_LINE` bytes."""
    return line_within(MAX_LINE, ecs_document(alert), _ENCODER.encode)


def ecs_document(alert: Alert) -> dict[str, Any]:
    """One alert as nested mappings; what is absent has no key. Not to be changed."""
    severity = SEVERITY[alert.rule.severity]
    summary = alert.kind is AlertKind.SUMMARY
    first, last = iso_time(alert.first), iso_time(alert.last)
    rule = _rule(alert.rule)
    document = {
        "@timestamp": last if summary else iso_time(alert.flow_end),
        "message": sentence(alert),
        "ecs": {"version": ECS_VERSION},
        "event": present(
            {
                "id": alert.event_id,
                "kind": "alert",
                "category": ["network", "intrusion_detection"],
                "type": ["info"],
                "action": f"alert_{alert.kind.value}",
                "module": "metatap",
                "dataset": "metatap.alert",
                "created": iso_time(alert.created),
                "start": first,
                "end": last,
                "severity": severity,
                "risk_score": float(severity),
                "reason": why(alert),
            }
        ),
        **rule,
        **_endpoints(alert.flow),
        "network": _network(alert.flow, alert.community_id),
        "observer": {
            "vendor": "metatap",
            "product": "metatap",
            "version": __version__,
            "name": alert.sensor,
            "type": "sensor",
        },
        "related": present(
            {"ip": list(dict.fromkeys(ip for ip in (alert.orig, alert.resp) if ip))}
        ),
        "zeek": present({"session_id": alert.flow.get("uid")}),
        "metatap": _own(alert),
    }
    return present(document)


def iso_time(ns: int) -> str:
    """ns since the epoch as ISO 8601 in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(milliseconds=ns // 1_000_000)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


@lru_cache(maxsize=1024)
def _rule(rule: Rule) -> dict[str, Any]:
    """What is the same in every alert of a pack."""
    fields = {
        "id": rule.id,
        "name": rule.name,
        "description": rule.description,
        "author": [rule.author] if rule.author else [],
        "reference": rule.references[0] if rule.references else None,
        "ruleset": "metatap",
        "version": rule.sha256[:12],
    }
    return {"rule": present(fields), "threat": _threat(rule.attack)}


def _threat(attack: Sequence[str]) -> dict[str, Any]:
    if not attack:
        return {}
    techniques = list(dict.fromkeys(name.partition(".")[0] for name in attack))
    technique: dict[str, Any] = {
        "id": techniques,
        "reference": [technique_page(name) for name in techniques],
    }
    below = [name for name in attack if "." in name]
    if below:
        pages = [technique_page(name) for name in below]
        technique["subtechnique"] = {"id": below, "reference": pages}
    return {"framework": "MITRE ATT&CK", "technique": technique}


def technique_page(name: str) -> str:
    """The page of an ATT&CK technique or sub-technique."""
    return f"https://attack.mitre.org/techniques/{name.replace('.', '/')}/"


def _endpoints(flow: Row) -> dict[str, Any]:
    has_ports = flow.get("proto") in ("tcp", "udp")
    return {
        ecs: present(
            {
                "ip": flow.get(f"id.{zeek}_h"),
                "port": flow.get(f"id.{zeek}_p") if has_ports else None,
                "bytes": flow.get(f"{zeek}_ip_bytes"),
                "packets": flow.get(f"{zeek}_pkts"),
            }
        )
        for ecs, zeek in (("source", "orig"), ("destination", "resp"))
    }


def _network(flow: Row, community_id: str) -> dict[str, Any]:
    address = flow.get("id.orig_h")
    is_v6 = ":" in (address or "")
    transport = flow.get("proto")
    number = PROTOCOL_NUMBERS.get(transport or "")
    if transport == "icmp" and is_v6:
        transport, number = "ipv6-icmp", ICMP6
    return present(
        {
            "type": None if not address else "ipv6" if is_v6 else "ipv4",
            "transport": None if number is None else transport,
            "iana_number": None if number is None else str(number),
            "protocol": flow.get("service", "").partition(",")[0].lower(),
            "direction": _DIRECTIONS.get((flow.get("local_orig"), flow.get("local_resp"))),
            "community_id": community_id,
            "bytes": _sum(flow, "orig_ip_bytes", "resp_ip_bytes"),
            "packets": _sum(flow, "orig_pkts", "resp_pkts"),
        }
    )


_DIRECTIONS: dict[tuple[bool | None, bool | None], str] = {
    (True, True): "internal",
    (True, False): "outbound",
    (False, True): "inbound",
    (False, False): "external",
}
"""(originator is local, responder is local) → `network.direction`."""


def _sum(flow: Row, *names: str) -> int | None:
    known = [flow[name] for name in names if name in flow]
    return sum(known) if known else None


def _own(alert: Alert) -> dict[str, Any]:
    own: dict[str, Any] = {
        "alert": _alert(alert),
        "score": alert.score,
        "threshold": alert.threshold,
        "over": alert.over,
        "threshold_source": alert.threshold_source,
        "max_score": alert.max_score,
        "max_uid": alert.max_uid,
        "model": {
            "name": alert.model.name,
            "version": alert.model.version,
            "sha256": alert.model.sha256,
        },
        "pack": {
            "id": alert.rule.id,
            "sha256": alert.rule.sha256,
            "severity": alert.rule.severity.value,
        },
        **_why(alert.explanation),
        "pivot": pivots(alert.flow),
        "flow": present(alert.flow),
    }
    return present(own)


def _alert(alert: Alert) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": alert.id,
        "kind": alert.kind.value,
        "revision": alert.revision,
        "count": alert.count,
        "window": {"start": iso_time(alert.window_start), "seconds": alert.window / 1e9},
        "early": alert.early,
    }
    if alert.is_fold:
        fields["destinations"] = alert.destinations
        fields["destinations_at_least"] = alert.at_least
    if alert.uids:
        fields["uids"] = list(alert.uids)
    return fields


def _why(explanation: Explanation) -> dict[str, Any]:
    nearest = {
        "index": explanation.nearest_index,
        "uid": explanation.nearest_uid,
        "distance": explanation.nearest_distance,
        "flow": present(explanation.nearest_flow),
    }
    return {
        "unusual": _unusual(explanation.unusual),
        "nearest": present(nearest) if explanation.nearest_index >= 0 else {},
        "reasons": [
            present(
                {
                    "feature": reason.feature,
                    "words": reason.words,
                    "value": reason.value,
                    "typical": reason.typical,
                    "moved": reason.moved,
                    "text": reason.text,
                }
            )
            for reason in explanation.reasons
        ],
    }


def _unusual(unusual: Unusual | None) -> dict[str, Any]:
    if unusual is None:
        return {}
    return {
        "one_in": unusual.one_in,
        "at_or_above": unusual.at_or_above,
        "background": unusual.background,
        "source": unusual.source,
        "text": unusual.text,
    }
