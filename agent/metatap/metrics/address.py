"""Where the endpoint listens: `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"

MAX_HOST = 253
"""Characters of a name (RFC 1035, section 2.3.4)."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address.

    Attributes:
        host: IPv4 or IPv6 address without brackets, or a name.
        port: 0: one that the system chooses.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address; without a host it is that of this machine alone.

        Raises:
            ValueError: it is something else; says what.
        """
        host, _, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if host.startswith("[") != host.endswith("]") or (":" in bare) != (bare != host):
            raise ValueError("must be HOST:PORT, an IPv6 address in brackets: [::1]:9650")
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 2**16):
            raise ValueError("must be HOST:PORT, the port from 0 to 65535")
        if ":" in bare:
            _check_ipv6(bare)
        elif len(bare) > MAX_HOST or not bare.isascii() or not set(bare).isdisjoint(" /@,"):
            raise ValueError(f"{bare}: no name of a host")
        return cls(bare or LOOPBACK, int(port))

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it; a name other than `localhost` may be reached."""
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return self.host == "localhost"

    def resolve(self) -> tuple[socket.AddressFamily, tuple[str, int]]:
        """Family and address to bind, the first that the system knows for it.

        Raises:
            OSError: the name is not known.
        """
        found = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, place = found[0]
        return family, (str(place[0]), int(place[1]))


def _check_ipv6(host: str) -> None:
    try:
        ipaddress.IPv6Address(host)
    except ValueError as error:
        raise ValueError(f"{host}: no IPv6 address: {error}") from None
