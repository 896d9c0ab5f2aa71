"""The names and types of Suricata's EVE schema, and a check against them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.agent.formats.cases import Document

SCHEMA: dict[str, Any] = json.loads(
    Path(__file__).with_name("suricata_eve.json").read_text(encoding="utf-8")
)
TYPES: dict[str, dict[str, str]] = SCHEMA["types"]
PYTHON = {"string": str, "integer": int, "object": dict, "array": list, "boolean": bool}
OWN = {"metatap"}
"""The one name that is not Suricata's."""


def faults(event: Document) -> list[str]:
    """What Suricata's schema would not have."""
    found = [*_object("", {k: v for k, v in event.items() if k not in OWN})]
    found += [*_object("alert", event["alert"]), *_object("flow", event.get("flow", {}))]
    for name, value in event["alert"].get("metadata", {}).items():
        if not (isinstance(value, list) and value and all(isinstance(v, str) for v in value)):
            found.append(f"alert.metadata.{name}")
    for time in (event.get("timestamp"), event.get("flow", {}).get("start")):
        if time is not None and not re.fullmatch(SCHEMA["timestamp"].strip("^$"), time):
            found.append(f"time {time}")
    return found


def _object(name: str, value: Document) -> list[str]:
    types = TYPES[name]
    return [
        f"{name}.{key}"
        for key, item in value.items()
        if key not in types or type(item) is not PYTHON[types[key]]
    ]
