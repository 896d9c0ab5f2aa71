"""What attacks a network suffers: plain records, one class a technique.

Every class names its family, its ATT&CK technique, the server port (``None``: any) and the
protocol of its connections. ``source`` is the client that it starts at, ``targets`` the hosts it
goes to, ``start_s`` the time from the run's begin in s, ``tool`` the program that carries it out:
a key of ``TOOLS`` in the module of :mod:`tests.lab.attacks` that runs the class.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class PortScan:
    """A run of a scanner; ``flags`` and ``ports`` in its own notation, addresses come after."""

    family: ClassVar = "port_scan"
    technique: ClassVar = "T1046"
    port: ClassVar[int | None] = None
    proto: ClassVar = "tcp"

    source: str
    targets: tuple[str, ...]
    flags: tuple[str, ...]
    ports: str
    start_s: float
    tool: str = "nmap"


@dataclass(frozen=True, slots=True)
class BruteForce:
    """A password list against one ssh server; ``words`` is the list's length."""

    family: ClassVar = "ssh_bruteforce"
    technique: ClassVar = "T1110.001"
    port: ClassVar[int | None] = 22
    proto: ClassVar = "tcp"

    source: str
    targets: tuple[str, ...]
    users: tuple[str, ...]
    words: int
    flags: tuple[str, ...]
    start_s: float
    tool: str = "hydra"


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Sessions of a DNS tunnel, one after the other; ``session_s`` s each ± 40 %.

    ``inside`` are the first three octets of the tunnel's own addresses, for a tool that has any.
    """

    family: ClassVar = "dns_tunnel"
    technique: ClassVar = "T1071.004"
    port: ClassVar[int | None] = 53
    proto: ClassVar = "udp"

    source: str
    targets: tuple[str, ...]
    domain: str
    inside: str
    flags: tuple[str, ...]
    sessions: int
    session_s: float
    start_s: float
    tool: str = "iodine"


@dataclass(frozen=True, slots=True)
class Beacon:
    """Check-ins over HTTP or HTTPS every ``interval_s`` ± ``jitter`` (a share).

    Every ``post_every``-th is followed by a POST of ``post_bytes`` (least, most) random bytes.
    """

    technique: ClassVar = "T1071.001"
    proto: ClassVar = "tcp"

    source: str
    targets: tuple[str, ...]
    port: int
    uri: str
    post_uri: str
    agent: str
    interval_s: float
    jitter: float
    post_every: int
    post_bytes: tuple[int, int]
    reply: str
    start_s: float
    tool: str = "http.client"
    tls: bool = False

    @property
    def family(self) -> str:
        """Encrypted check-ins are a family of their own: a sensor sees nothing of the request."""
        return "https_beacon" if self.tls else "http_beacon"


@dataclass(frozen=True, slots=True)
class SynFlood:
    """Half-open connections to one port: ``count`` SYN segments at ``rate`` a second."""

    family: ClassVar = "syn_flood"
    technique: ClassVar = "T1499.001"
    proto: ClassVar = "tcp"

    source: str
    targets: tuple[str, ...]
    port: int
    count: int
    rate: int
    start_s: float
    tool: str


@dataclass(frozen=True, slots=True)
class SlowHttp:
    """Requests that never end hold a web server's places: ``connections`` for ``seconds`` s."""

    family: ClassVar = "slow_http"
    technique: ClassVar = "T1499.002"
    proto: ClassVar = "tcp"

    source: str
    targets: tuple[str, ...]
    port: int
    connections: int
    seconds: int
    start_s: float
    tool: str


@dataclass(frozen=True, slots=True)
class Exfiltration:
    """``count`` files of ``size_bytes`` (least, most) sent out, every ``period_s`` s ± 50 %."""

    family: ClassVar = "exfiltration"
    technique: ClassVar = "T1048"
    port: ClassVar[int | None] = None
    proto: ClassVar = "tcp"

    source: str
    targets: tuple[str, ...]
    count: int
    size_bytes: tuple[int, int]
    period_s: float
    start_s: float
    tool: str


Attack = PortScan | BruteForce | Tunnel | Beacon | SynFlood | SlowHttp | Exfiltration
