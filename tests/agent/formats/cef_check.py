"""A parser of CEF and its dictionary, independent of the encoder."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

INTEGER, LONG, FLOAT = "Integer", "Long", "Floating Point"
TIME, TEXT, IPV4, IPV6 = "Time Stamp", "String", "IPv4 Address", "IPv6 Address"

DICTIONARY: dict[str, tuple[str, int]] = {
    "act": (TEXT, 63),
    "app": (TEXT, 31),
    "c6a2": (IPV6, 0),
    "c6a3": (IPV6, 0),
    "cat": (TEXT, 1023),
    "cnt": (INTEGER, 0),
    "deviceDirection": (INTEGER, 0),
    "deviceExternalId": (TEXT, 255),
    "dpt": (INTEGER, 0),
    "dst": (IPV4, 0),
    "dvchost": (TEXT, 100),
    "end": (TIME, 0),
    "externalId": (TEXT, 40),
    "flexString1": (TEXT, 1023),
    "in": (LONG, 0),
    "msg": (TEXT, 1023),
    "out": (LONG, 0),
    "proto": (TEXT, 31),
    "reason": (TEXT, 1023),
    "rt": (TIME, 0),
    "spt": (INTEGER, 0),
    "src": (IPV4, 0),
    "start": (TIME, 0),
    **{f"cfp{number}": (FLOAT, 0) for number in range(1, 5)},
    **{f"cn{number}": (LONG, 0) for number in range(1, 4)},
    **{f"cs{number}": (TEXT, 4000) for number in range(1, 7)},
}
"""Key → type and length: Implementing ArcSight CEF, version 26, extension dictionary. Lengths are
read as characters."""

CUSTOM = re.compile(r"(c6a|cfp|cn|cs|flexString)\d")


_ESCAPES = {"n": "\n", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Cef:
    """A line read back."""

    header: list[str]
    extension: dict[str, str]


def parse(line: str) -> Cef:
    """Read a line as the specification has it, and nothing more lenient.

    Raises:
        ValueError: it is not CEF.
    """
    fields, rest = [], line
    for _ in range(7):
        found = re.match(r"((?:[^\\|]|\\[\\|])*)\|", rest)
        if found is None:
            raise ValueError(f"header: {rest[:80]!r}")
        fields.append(re.sub(r"\\(.)", r"\1", found[1]))
        rest = rest[found.end() :]
    extension: dict[str, str] = {}
    pair = re.compile(r"(\w+)=((?:[^\\=]|\\[\\=nr])*?)(?= \w+=|$)")
    while rest:
        found = pair.match(rest)
        if found is None or found[1] in extension:
            raise ValueError(f"extension: {rest[:80]!r}")
        extension[found[1]] = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), found[2])
        rest = rest[found.end() :].removeprefix(" ")
    return Cef(fields, extension)


def faults(line: Cef) -> list[str]:
    """What is not as the dictionary has it."""
    found = []
    if line.header[0] != "CEF:0":
        found.append(f"version {line.header[0]}")
    if line.header[6] != "Unknown" and not 0 <= int(line.header[6]) <= 10:
        found.append(f"severity {line.header[6]}")
    for text, limit in zip(line.header[1:6], (63, 63, 31, 1023, 512), strict=True):
        if not 0 < len(text) <= limit:
            found.append(f"header {text}")
    for key, value in line.extension.items():
        if key.endswith("Label"):
            if key.removesuffix("Label") not in line.extension or not 0 < len(value) <= 1023:
                found.append(key)
        elif not _fits(*DICTIONARY[key], value):
            found.append(f"{key}={value}")
        elif CUSTOM.fullmatch(key) and f"{key}Label" not in line.extension:
            found.append(f"{key} without label")
    return found


_CHECKS: dict[str, Callable[[str], bool]] = {
    IPV4: lambda value: str(IPv4Address(value)) == value,
    IPV6: lambda value: IPv6Address(value).version == 6,
    INTEGER: lambda value: 0 <= int(value) < 2**31,
    LONG: lambda value: -(2**63) <= int(value) < 2**63,
    TIME: lambda value: abs(int(value)) < 2**53,
    FLOAT: lambda value: math.isfinite(float(value)),
    TEXT: lambda value: value != "",
}
"""Type → whether a value is of it."""


def _fits(type_: str, length: int, value: str) -> bool:
    return _CHECKS[type_](value) and (not length or len(value) <= length)
