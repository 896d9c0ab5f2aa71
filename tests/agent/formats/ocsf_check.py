"""A strict check of an OCSF 1.8.0 Detection Finding against ocsf_1_8_0.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tests.agent.formats.ocsf_table import CLASS, PATH

Json = dict[str, Any]

TYPES: Json = json.loads(PATH.read_text(encoding="utf-8"))["types"]


def faults(event: Json, *, complete: bool = True) -> list[str]:
    """What is wrong with an event; nothing if it is sound.

    Args:
        event: The event.
        complete: Whether to ask for attributes that are required, too.
    """
    profiles = event.get("metadata", {}).get("profiles", [])
    found = list(_object(CLASS, event, CLASS, profiles, complete=complete))
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
        found.append("type_uid: not class and activity")
    return found


def _object(
    name: str, value: Any, path: str, profiles: list[str], *, complete: bool
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: not an object"
        return
    attributes, constraints = TYPES[name]["attributes"], TYPES[name]["constraints"]
    for key, item in value.items():
        spec = attributes.get(key)
        if spec is None:
            yield f"{path}.{key}: unknown"
        elif "deprecated" in spec:
            yield f"{path}.{key}: deprecated"
        elif spec.get("profile", None) not in (None, *profiles):
            yield f"{path}.{key}: needs profile {spec['profile']}"
        else:
            yield from _attribute(spec, item, f"{path}.{key}", profiles, complete=complete)
            yield from _caption(spec, value, key, path)
    if complete:
        for key, spec in attributes.items():
            needed = spec.get("profile", None) in (None, *profiles)
            if needed and spec["requirement"] == "required" and key not in value:
                yield f"{path}.{key}: missing"
        some = constraints.get("at_least_one", [])
        if some and not any(key in value for key in some):
            yield f"{path}: none of {', '.join(some)}"


def _attribute(
    spec: Json, value: Any, path: str, profiles: list[str], *, complete: bool
) -> Iterator[str]:
    if spec.get("is_array"):
        if not isinstance(value, list) or not value:
            yield f"{path}: not a list of something"
            return
        items = list(enumerate(value))
    else:
        items = [(-1, value)]
    for index, item in items:
        where = path if index < 0 else f"{path}[{index}]"
        if spec["type"] in TYPES:
            yield from _object(spec["type"], item, where, profiles, complete=complete)
        elif not _fits(spec["type"], item):
            yield f"{where}: {item!r} is no {spec['type']}"
        elif "enum" in spec and str(item) not in spec["enum"]:
            yield f"{where}: {item!r} is not in the enumeration"


def _caption(spec: Json, value: Json, key: str, path: str) -> Iterator[str]:
    """The text beside an enumerated number is its caption, unless it is Other."""
    sibling = spec.get("sibling")
    caption = spec.get("enum", {}).get(str(value[key]))
    if sibling in value and caption not in (None, "Other", value[sibling]):
        yield f"{path}.{sibling}: not {caption!r}"


def _fits(type_: str, value: Any) -> bool:
    if type_ not in _CHECKS:
        raise AssertionError(f"{type_}: a type that no alert has had so far")
    return _CHECKS[type_](value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string_t": _is_text,
    "hostname_t": _is_text,
    "integer_t": _is_integer,
    "long_t": _is_integer,
    "timestamp_t": _is_integer,
    "port_t": lambda value: _is_integer(value) and 0 <= value < 2**16,
    "boolean_t": lambda value: isinstance(value, bool),
    "url_t": lambda value: _is_text(value) and urlsplit(value).scheme in ("http", "https"),
    "ip_t": lambda value: _is_text(value) and str(ip_address(value)) != "",
    "object": lambda value: isinstance(value, dict),
}
"""Type of the schema → whether a value is of it."""
