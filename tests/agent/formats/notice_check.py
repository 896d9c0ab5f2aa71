"""The fields of Zeek's notice.log, and a check against them."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from tests.agent.formats.cases import Document

FIELDS: dict[str, str] = {
    "ts": "time",
    "uid": "string",
    "id.orig_h": "addr",
    "id.orig_p": "port",
    "id.resp_h": "addr",
    "id.resp_p": "port",
    "fuid": "string",
    "file_mime_type": "string",
    "file_desc": "string",
    "proto": "enum",
    "note": "enum",
    "msg": "string",
    "sub": "string",
    "src": "addr",
    "dst": "addr",
    "p": "port",
    "n": "count",
    "peer_descr": "string",
    "actions": "set[enum]",
    "email_dest": "set[string]",
    "suppress_for": "interval",
}
"""What of `Notice::Info` has `&log`, in its order: github.com/zeek/zeek,
scripts/base/frameworks/notice/main.zeek; the form of values is that of Zeek's JSON writer."""

OWN = {"identifier": "string", "severity": "count"}
"""After them, not logged by Zeek."""


def faults(line: Document) -> list[str]:
    """Fields that are unknown, of another type or out of their order."""
    types = FIELDS | OWN
    found = [name for name in line if name not in types]
    found += [name for name in line if name in types and not _CHECKS[types[name]](line[name])]
    if [name for name in types if name in line] != list(line):
        found.append("order")
    return found


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "time": lambda value: isinstance(value, float),
    "interval": lambda value: isinstance(value, float),
    "count": lambda value: _is_integer(value) and 0 <= value < 2**64,
    "port": lambda value: _is_integer(value) and 0 <= value < 2**16,
    "addr": lambda value: isinstance(value, str) and str(ip_address(value)) != "",
    "set[enum]": _are_texts,
    "set[string]": _are_texts,
    "enum": lambda value: isinstance(value, str) and value != "",
    "string": lambda value: isinstance(value, str) and value != "",
}
"""Zeek's type → whether a value has its form in JSON."""
