"""One rule of a list: which hits raise no alert, why, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import NamedTuple

from metatap.errors import FaultsError

Network = IPv4Network | IPv6Network
"""An address is a network of full length. IPv4-mapped IPv6 networks are held as IPv4."""


class ListError(FaultsError):
    """A list is refused; names every fault with file and line."""


class Domain(NamedTuple):
    """A name, or all names below one.

    Attributes:
        name: UTF-8 in lower case, without a trailing dot; of a wildcard what follows `*.`.
        below: True for `*.name`: as in the DNS (RFC 4592, section 3.3.1) every name below it, at
            any depth, and not the name itself.
    """

    name: bytes
    below: bool = False


class Ports(NamedTuple):
    """Ports from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ListRule:
    """Matches a hit if each criterion that has values is met by one of its values.

    Attributes:
        id: Unique over all lists.
        reason: Why.
        path: The file.
        line: Its line there, from 1.
        orig: Networks of the originator.
        resp: Networks of the responder.
        host: Networks of either.
        domain: Names asked for in DNS, HTTP or TLS.
        port: Ports of the responder, of all transports but ICMP.
        proto: Transports, names of `schema.PROTOS`.
        service: Zeek's names of services in lower case; one of those seen is enough.
        pack: Ids of packs.
        expires: ns since the epoch from which on it matches no more, None: it stays.
        author: Who wrote it, "" if not said.
        created: When, as written, "" if not said.
        alert: Id of the alert it was made from, "" if none.
    """

    id: str
    reason: str
    path: Path = Path()
    line: int = 0
    orig: tuple[Network, ...] = ()
    resp: tuple[Network, ...] = ()
    host: tuple[Network, ...] = ()
    domain: tuple[Domain, ...] = ()
    port: tuple[Ports, ...] = ()
    proto: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    pack: tuple[str, ...] = ()
    expires: int | None = None
    author: str = ""
    created: str = ""
    alert: str = ""

    def is_over(self, now: int) -> bool:
        """Whether it has expired at `now`, ns since the epoch."""
        return self.expires is not None and self.expires <= now


CRITERIA = ("orig", "resp", "host", "domain", "port", "proto", "service", "pack")
"""The fields of a rule that say what it matches."""
