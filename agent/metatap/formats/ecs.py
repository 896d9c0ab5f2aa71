"""Elastic Common Schema: the event as the agent wrote it (docs/alerts.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from metatap.alerts.document import mapping, text
from metatap.formats.format import ECS_SEVERITY, Format, Severities

_ENCODER = msgspec.json.Encoder()


def ecs_line(document: Mapping[str, Any], severities: Severities) -> bytes:
    """The document itself, its severity and risk score by the table."""
    number = severities.get(text(document, "metatap.pack.severity") or "")
    event = mapping(document, "event")
    if number is not None and event:
        scores = {"severity": number, "risk_score": float(number)}
        document = {**document, "event": {**event, **scores}}
    return _ENCODER.encode(document)


ECS = Format("ecs", "application/json", ECS_SEVERITY, 0, 100, ecs_line)
