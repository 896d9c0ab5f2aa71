"""What a lab network is made of: plain records, no behaviour beyond look-ups."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal

from tests.lab.threats import Attack

Side = Literal["edge", "core"]


@dataclass(frozen=True, slots=True)
class Subnet:
    """An IPv4 network behind one of the two routers.

    ``nat`` is the address that the edge router puts in place of every source of this subnet
    before packets pass the tap; ``None`` routes the subnet with its own addresses.
    """

    name: str
    side: Side
    prefix: int
    gateway: str
    nat: str | None = None

    @property
    def cidr(self) -> str:
        """The network in the form 10.0.0.0/24."""
        return str(ipaddress.ip_network(f"{self.gateway}/{self.prefix}", strict=False))


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace with one interface; ``more_addrs`` are extra addresses on it."""

    name: str
    subnet: str
    addr: str
    roles: frozenset[str]
    fqdn: str = ""
    more_addrs: tuple[str, ...] = ()


def host(name: str, subnet: str, addr: str, roles: str, fqdn: str = "") -> Host:
    """A host from a line of a table; ``roles`` are separated by spaces."""
    return Host(name, subnet, addr, frozenset(roles.split()), fqdn)


@dataclass(frozen=True, slots=True)
class Link:
    """The way between the two routers: one-way delay in ms, loss as a share, rate in Mbit/s."""

    delay_ms: tuple[float, float]
    loss: float
    rate_mbit: float
    mtu: int


@dataclass(frozen=True, slots=True)
class WebStyle:
    """How web servers look; sizes in bytes, the keep-alive time in s (0 is off)."""

    pages: int
    page_bytes: tuple[int, int]
    objects: tuple[int, int]
    object_bytes: tuple[int, int]
    file_bytes: tuple[int, int]
    status_bytes: int
    keepalive_s: int
    tls: tuple[str, ...]
    key: tuple[str, ...]
    extra: tuple[str, ...] = ()
    agents: tuple[str, ...] = ("curl/7.88.1",)


@dataclass(frozen=True, slots=True)
class SshStyle:
    """Ssh servers and their users: host key types, lines of sshd_config, names.

    ``give_up`` is the share of those who mistype a password and then leave.
    """

    host_keys: tuple[str, ...]
    options: tuple[str, ...]
    users: tuple[str, ...]
    give_up: float


@dataclass(frozen=True, slots=True)
class Habit:
    """A benign action repeated by every host of a role, every ``period_s`` seconds on average.

    ``steady`` keeps the period within a few per cent, as scripts do; otherwise waits are
    exponential, as people are. ``limit`` bounds the number of repeats.
    """

    action: str
    role: str
    period_s: float
    steady: bool = False
    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class Network:
    """A whole network: topology, looks of its services, habits of its people, attacks.

    ``web_ports`` are (scheme, port) pairs that every web server opens; ``duration_s`` is how
    long traffic is made.
    """

    name: str
    title: str
    domain: str
    duration_s: float
    link: Link
    transit: tuple[str, str]
    subnets: tuple[Subnet, ...]
    hosts: tuple[Host, ...]
    web: WebStyle
    ssh: SshStyle
    habits: tuple[Habit, ...]
    attacks: tuple[Attack, ...]
    outside_names: tuple[str, ...]
    web_ports: tuple[tuple[str, int], ...]
    record_types: tuple[str, ...] = field(default=("A", "AAAA", "MX", "TXT", "PTR", "SRV"))

    def host(self, name: str) -> Host:
        """The host of that name."""
        return next(host for host in self.hosts if host.name == name)

    def subnet(self, host: Host) -> Subnet:
        """The subnet that a host is in."""
        return next(subnet for subnet in self.subnets if subnet.name == host.subnet)

    def having(self, role: str) -> tuple[Host, ...]:
        """Hosts with a role, in table order."""
        return tuple(host for host in self.hosts if role in host.roles)

    def seen_as(self, name: str) -> str:
        """The address under which the tap sees a host."""
        host = self.host(name)
        return self.subnet(host).nat or host.addr

    def off_limits(self, name: str) -> frozenset[str]:
        """Names of hosts that benign traffic of this host must leave alone.

        They are the targets of attacks that the tap sees from the same source address, so a
        connection's two addresses alone decide its label.
        """
        seen = self.seen_as(name)
        return frozenset(
            target
            for attack in self.attacks
            if self.seen_as(attack.source) == seen
            for target in attack.targets
        )

    def open_to(self, client: Host, role: str) -> list[Host]:
        """Servers with a role that benign traffic of a client may go to, in table order."""
        barred = self.off_limits(client.name)
        return [host for host in self.having(role) if host.name not in barred]
