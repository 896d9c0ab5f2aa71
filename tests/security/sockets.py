"""Where a process listens, by proc(5)."""

from __future__ import annotations

import ipaddress
import re
import struct
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"
"""`st` of a TCP socket that listens (tcp(7), net/tcp_states.h)."""

_UNCONNECTED = "07"
"""`st` of a UDP socket that takes datagrams from anybody."""


class Listening(NamedTuple):
    """One socket of the network that anybody may send to."""

    protocol: str
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    port: int


def inodes(pid: int) -> set[str]:
    """Sockets that a process holds."""
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(handle.readlink())
        except FileNotFoundError:
            continue
        if match := re.fullmatch(r"socket:\[(\d+)\]", target):
            found.add(match[1])
    return found


def listening(pid: int) -> list[Listening]:
    """TCP sockets of a process that listen, UDP sockets that are bound and not connected."""
    own = inodes(pid)
    found = []
    for protocol in ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6"):
        path = Path(f"/proc/{pid}/net/{protocol}")
        if not path.exists():
            continue
        for line in path.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            wanted = _LISTEN if protocol.startswith("tcp") else _UNCONNECTED
            if inode in own and state == wanted:
                address, port = local.split(":")
                found.append(Listening(protocol, _address(address), int(port, 16)))
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Words of 32 bits in the machine's order, each in hexadecimal digits."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    return ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
