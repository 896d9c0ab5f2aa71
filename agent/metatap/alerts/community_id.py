"""Community ID v1: one name for a flow across tools.

Reference: "Community ID Flow Hashing", https://github.com/corelight/community-id-spec.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct

from metatap.flow import Row

PROTOCOL_NUMBERS: dict[str, int] = {"icmp": 1, "tcp": 6, "udp": 17}
"""Name as in Zeek's `proto` → IANA protocol number; ICMP over IPv6 is 58."""

ICMP6 = 58

_ICMP4_PAIRS = ((8, 0), (13, 14), (15, 16), (10, 9), (17, 18))
_ICMP6_PAIRS = ((128, 129), (133, 134), (135, 136), (130, 131), (139, 140), (144, 145))


def _both_ways(pairs: tuple[tuple[int, int], ...]) -> dict[int, int]:
    return dict(pairs) | {answer: request for request, answer in pairs}


_COUNTERPARTS = {1: _both_ways(_ICMP4_PAIRS), ICMP6: _both_ways(_ICMP6_PAIRS)}
"""Protocol → ICMP type → the type that answers it; other types go one way."""


def community_id(
    source: str,
    destination: str,
    source_port: int,
    destination_port: int,
    protocol: int,
    *,
    seed: int = 0,
    as_zeek: bool = False,
) -> str:
    """The Community ID of a flow.

    Args:
        source: Address, IPv4 or IPv6.
        destination: Address of the same family.
        source_port: Port; ICMP: type.
        destination_port: Port; ICMP: code, or the answer's type, as Zeek logs it.
        protocol: IANA protocol number.
        seed: Domain of the id, 0 … 65535.
        as_zeek: Give the id that Zeek 8.0 logs where a host talks to itself: of two ports it
            takes the one first that is lower with its bytes swapped. The specification takes the
            lower number. Ids of flows between two addresses do not differ.

    Returns:
        `1:` and the Base64 of the SHA-1.

    Raises:
        ValueError: an address is not one.
    """
    one, two = _packed(source), _packed(destination)
    ordered = True
    if protocol in _COUNTERPARTS:
        answer = _COUNTERPARTS[protocol].get(source_port)
        ordered = answer is not None
        destination_port = destination_port if answer is None else answer
    port_one, port_two = struct.pack("!H", source_port), struct.pack("!H", destination_port)
    step = -1 if as_zeek else 1
    if ordered and (two, port_two[::step]) < (one, port_one[::step]):
        one, two, port_one, port_two = two, one, port_two, port_one
    ports = port_one + port_two if protocol in _WITH_PORTS else b""
    content = struct.pack("!H", seed) + one + two + bytes((protocol, 0)) + ports
    digest = hashlib.sha1(content, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode("ascii")


def _packed(address: str) -> bytes:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except OSError:
        raise ValueError(f"{address!r} is not an address") from None


_WITH_PORTS = frozenset({1, 6, 17, ICMP6, 132})


def flow_community_id(row: Row, seed: int = 0) -> str:
    """The id Zeek logs for a flow, "" where the record does not tell the protocol or a host."""
    source, destination = row.get("id.orig_h"), row.get("id.resp_h")
    number = PROTOCOL_NUMBERS.get(row.get("proto", ""))
    if not source or not destination or number is None:
        return ""
    if number == 1 and ":" in source:
        number = ICMP6
    ports = row.get("id.orig_p", 0), row.get("id.resp_p", 0)
    return community_id(source, destination, *ports, number, seed=seed, as_zeek=True)
