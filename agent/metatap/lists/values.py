"""The values of a rule's fields: text → what it means. All raise ValueError with what is wrong."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

from metatap.flow.schema import PROTOS
from metatap.lists.rule import Domain, Network, Ports
from metatap.yamlfile import nearest, shown

MAX_NAME = 253
"""Bytes of a name without its trailing dot, at most (RFC 1035, section 2.3.4)."""

MAX_LABEL = 63

_MAPPED = IPv6Network("::ffff:0:0/96")
_ID = re.compile(r"[a-z0-9-]{3,64}")
_NETWORK = re.compile(r"[0-9a-fA-F.:]{2,45}(/[0-9]{1,3})?")
_PORT = re.compile(r"[0-9]{1,5}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2})?([Zz]|[+-]\d{2}:\d{2})")
_SERVICE = re.compile(r"[a-z0-9_.+-]{1,64}")


def network(text: str) -> Network:
    """An address or a network in CIDR notation; IPv4-mapped IPv6 (RFC 4291, 2.5.5.2) is IPv4."""
    try:
        found = ip_network(text if _NETWORK.fullmatch(text) else "", strict=False)
    except ValueError:
        raise ValueError(
            f"{shown(text)}: must be an address or a network such as 10.0.0.0/8"
        ) from None
    if "/" in text and found.network_address != ip_network(text.partition("/")[0]).network_address:
        raise ValueError(f"{shown(text)}: has bits beyond its length; the network is {found}")
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        mapped = found.network_address.packed[12:]
        return IPv4Network((mapped, found.prefixlen - 96))
    return found


def domain(text: str) -> Domain:
    """A name, or `*.` and a name; a trailing dot and ASCII case do not count.

    Internationalised names are taken as they are: `xn--` forms match `xn--` forms, UTF-8 matches
    UTF-8 (which is case-sensitive beyond ASCII).
    """
    below = text.startswith("*.")
    name = fold(text[2:] if below else text)
    where = shown(text)
    if "*" in text[below:]:
        raise ValueError(f"{where}: `*` can only stand at the start, as in *.example.com")
    if not name or not text.isprintable() or re.search(r"[\s\\/]", text):
        raise ValueError(f"{where}: must be a name such as example.com or *.example.com")
    labels = name.split(b".")
    if len(name) > MAX_NAME or not all(0 < len(label) <= MAX_LABEL for label in labels):
        raise ValueError(
            f"{where}: labels must have 1 to {MAX_LABEL} bytes, a name at most {MAX_NAME}"
        )
    return Domain(name, below)


def fold(name: str | bytes) -> bytes:
    """A name without its trailing dot and in lower case (of ASCII alone, RFC 4343)."""
    encoded = name.encode("utf-8", "backslashreplace") if isinstance(name, str) else name
    return encoded.lower().removesuffix(b".")


def ports(text: str) -> Ports:
    """A port or a range such as 8000-8010."""
    first, dash, last = text.partition("-")
    if not _PORT.fullmatch(first) or (dash and not _PORT.fullmatch(last)):
        raise ValueError(f"{shown(text)}: must be a port or a range such as 8000-8010")
    found = Ports(int(first), int(last) if dash else int(first))
    if found.last >= 2**16:
        raise ValueError(f"{shown(text)}: ports go from 0 to 65535")
    if found.last < found.first:
        raise ValueError(f"{shown(text)}: a range must begin with its lower port")
    return found


def proto(text: str) -> str:
    """A transport."""
    if text not in PROTOS:
        raise ValueError(
            f"{shown(text)}: must be one of {', '.join(PROTOS)}{nearest(text, PROTOS)}"
        )
    return text


def service(text: str) -> str:
    """One of Zeek's names of services."""
    if not _SERVICE.fullmatch(text.lower()):
        raise ValueError(f"{shown(text)}: must be one of Zeek's services, such as ssl")
    return text.lower()


def identifier(text: str) -> str:
    """Id of a rule or of a pack."""
    if not _ID.fullmatch(text):
        raise ValueError(f"{shown(text)}: must be 3 to 64 of a-z, 0-9 and -")
    return text


def moment(text: str) -> int:
    """ns since the epoch of an RFC 3339 time, or of the start of a day in UTC."""
    try:
        if _DATE.fullmatch(text):
            found = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        else:
            found = datetime.fromisoformat(text.upper() if _TIME.fullmatch(text) else "")
        return int(found.timestamp()) * 1_000_000_000
    except (ValueError, OverflowError):
        raise ValueError(
            f"{shown(text)}: must be a day, YYYY-MM-DD (from 00:00 UTC on), or a time with its "
            "zone, such as 2026-12-01T08:00:00Z"
        ) from None


def line(text: str, limit: int) -> str:
    """Text on one line."""
    if len(text) > limit:
        raise ValueError(f"{len(text)} characters, at most {limit}")
    if not all(char.isprintable() or unicodedata.category(char) == "Zs" for char in text):
        raise ValueError("must be one line of characters that can be printed")
    return text
