"""Suricata's EVE: an event of type `alert`.

Names and types are those of Suricata's etc/schema.json; what it has no name for is under `metatap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec

from metatap.alerts.document import (
    address,
    flow_fields,
    integer,
    mapping,
    moment,
    number,
    port,
    present,
    text,
)
from metatap.formats.attack import tactics, techniques
from metatap.formats.format import Format, Severities
from metatap.packs import Severity

GENERATOR = 1_000_000
"""`gid`: numbers from here on are nobody's (Snort Users Manual, `gid`); 1 is Suricata's own."""

FIRST_SIGNATURE = 2**30
"""Smallest `signature_id`, beyond those of published rule sets (sidallocation.org)."""

SEVERITY: dict[str, int] = {
    Severity.LOW: 4,
    Severity.MEDIUM: 3,
    Severity.HIGH: 2,
    Severity.CRITICAL: 1,
}
"""Severity → Suricata's, where 1 is the worst."""

APP_PROTOCOLS: dict[str, str] = {
    "dce_rpc": "dcerpc",
    "dnp3_tcp": "dnp3",
    "dnp3_udp": "dnp3",
    "krb": "krb5",
    "krb_tcp": "krb5",
    "ldap_tcp": "ldap",
    "ldap_udp": "ldap",
    "postgresql": "pgsql",
    "ssl": "tls",
}
"""Zeek's service → Suricata's name; the others have the same."""

_TRANSPORTS = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP", "ipv6-icmp": "IPv6-ICMP"}
_VERSIONS = {"ipv4": 4, "ipv6": 6}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_9999 = 253_402_300_799
_ENCODER = msgspec.json.Encoder()


def eve_line(document: Mapping[str, Any], severities: Severities) -> bytes:
    """The document as one line of `eve.json`."""
    return _ENCODER.encode(eve(document, severities))


def eve(document: Mapping[str, Any], severities: Severities) -> dict[str, Any]:
    """The document as an EVE event."""
    flow = flow_fields(document)
    uid = text(document, "zeek.session_id")
    transport = text(document, "network.transport") or ""
    is_icmp = transport in ("icmp", "ipv6-icmp")
    service = text(document, "network.protocol") or ""
    ends = {
        "src_ip": address(document, "source.ip"),
        "src_port": port(document, "source.port"),
        "dest_ip": address(document, "destination.ip"),
        "dest_port": port(document, "destination.port"),
    }
    fields = {
        "timestamp": _time(moment(document, "@timestamp")),
        "flow_id": _number(uid, 51) if uid else None,
        "host": text(document, "observer.name"),
        "event_type": "alert",
        **ends,
        "proto": _TRANSPORTS.get(transport),
        "ip_v": _VERSIONS.get(text(document, "network.type") or ""),
        "icmp_type": port(flow, "id_orig_p") if is_icmp else None,
        "icmp_code": port(flow, "id_resp_p") if is_icmp else None,
        "app_proto": APP_PROTOCOLS.get(service, service),
        "community_id": text(document, "network.community_id"),
        "alert": _alert(document, severities),
        "flow": present(
            {
                "pkts_toserver": integer(document, "source.packets"),
                "pkts_toclient": integer(document, "destination.packets"),
                "bytes_toserver": integer(document, "source.bytes"),
                "bytes_toclient": integer(document, "destination.bytes"),
                "start": _time(_moment_of(number(flow, "ts"))),
                **ends,
            }
        ),
        "metatap": present(
            {
                "event_id": text(document, "event.id"),
                "message": text(document, "message"),
                "uid": uid,
                "direction": text(document, "network.direction"),
                **mapping(document, "metatap"),
            }
        ),
    }
    return present(fields)


def _alert(document: Mapping[str, Any], severities: Severities) -> dict[str, Any]:
    pack = text(document, "rule.id") or text(document, "metatap.pack.id")
    severity = text(document, "metatap.pack.severity") or ""
    found = techniques(document)
    served = tactics(found)
    reference = text(document, "rule.reference")
    return present(
        {
            "action": "allowed",
            "gid": GENERATOR,
            "signature_id": None if pack is None else FIRST_SIGNATURE + _number(pack, 30),
            "rev": _revision(document),
            "signature": text(document, "rule.name") or pack,
            "category": served[0].name if served else "Misc Attack",
            "severity": severities.get(severity),
            "references": [reference] if reference else [],
            "metadata": present(
                {
                    "mitre_tactic_id": [tactic.id for tactic in served],
                    "mitre_tactic_name": [tactic.name for tactic in served],
                    "mitre_technique_id": [item.most_specific.id for item in found],
                    "mitre_technique_name": [
                        item.most_specific.name for item in found if item.most_specific.name
                    ],
                    "pack": [pack] if pack else [],
                    "signature_severity": [severity] if severity in severities else [],
                }
            ),
        }
    )


def _revision(document: Mapping[str, Any]) -> int | None:
    """A number that changes with the pack's file: the first 28 bits of its SHA-256."""
    digits = (text(document, "rule.version") or "")[:7]
    try:
        return int(digits, 16) if digits.isascii() and digits.isalnum() else None
    except ValueError:
        return None


def _number(name: str, bits: int) -> int:
    """A number that hangs on the name alone."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> (64 - bits)


def _moment_of(seconds: float | None) -> datetime | None:
    if seconds is None or not 0 <= seconds <= _YEAR_9999:
        return None
    return _EPOCH + timedelta(microseconds=round(seconds * 1e6))


def _time(when: datetime | None) -> str | None:
    """`2023-11-14T22:15:02.500000+0000`."""
    if when is None:
        return None
    return when.isoformat(timespec="microseconds").removesuffix("+00:00") + "+0000"


EVE = Format("eve", "application/json", SEVERITY, 1, 255, eve_line)
