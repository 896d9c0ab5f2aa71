"""Zeek's `notice.log` in JSON: a line as Zeek's own notice framework writes it.

Fields and their order are those of `Notice::Info` (Zeek, scripts/base/frameworks/notice/main.zeek);
`identifier`, which Zeek does not log, and `severity` come after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from metatap.alerts.document import (
    address,
    flow_fields,
    integer,
    milliseconds,
    moment,
    number,
    port,
    present,
    text,
)
from metatap.flow.schema import PROTOS
from metatap.formats.format import ECS_SEVERITY, Format, Severities

NOTE = "Metatap::Alert"
"""The notice's type."""

_ENCODER = msgspec.json.Encoder()


def notice_line(document: Mapping[str, Any], severities: Severities) -> bytes:
    """The document as one line of `notice.log`."""
    return _ENCODER.encode(notice(document, severities))


def notice(document: Mapping[str, Any], severities: Severities) -> dict[str, Any]:
    """The document as a notice."""
    flow = flow_fields(document)
    orig, resp = address(document, "source.ip"), address(document, "destination.ip")
    when = milliseconds(moment(document, "@timestamp"))
    protocol = text(flow, "proto")
    fields = {
        "ts": None if when is None else when / 1e3,
        "uid": text(document, "zeek.session_id"),
        "id.orig_h": orig,
        "id.orig_p": port(flow, "id_orig_p"),
        "id.resp_h": resp,
        "id.resp_p": port(flow, "id_resp_p"),
        "proto": protocol if protocol in PROTOS else None,
        "note": NOTE,
        "msg": text(document, "message"),
        "sub": text(document, "event.reason"),
        "src": orig,
        "dst": resp,
        "p": port(flow, "id_resp_p"),
        "n": integer(document, "metatap.alert.count"),
        "peer_descr": text(document, "observer.name"),
    }
    return {
        **present(fields),
        "actions": ["Notice::ACTION_LOG"],
        "email_dest": [],
        "suppress_for": number(document, "metatap.alert.window.seconds") or 0.0,
        **present(
            {
                "identifier": text(document, "metatap.alert.id"),
                "severity": severities.get(text(document, "metatap.pack.severity") or ""),
            }
        ),
    }


NOTICE = Format("notice", "application/json", ECS_SEVERITY, 0, 100, notice_line)
