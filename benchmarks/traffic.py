"""Flows as a large network would give them, drawn from recorded ones.

Each flow is a recorded one, drawn as a whole, so that durations, bytes, packets, history, service
and summaries keep to each other; mostly benign, a small share hostile. Then its magnitudes are
varied by a factor each, its hosts and its ephemeral port are drawn anew, and it gets the time and
the uid of its place in the stream.

Hosts are drawn from a population whose popularity falls with rank as a power (Zipf), as it does on
the Internet (Adamic and Huberman, "Zipf's law and the Internet", Glottometrics 3, 2002). Every
hostile flow has an originator of its own, so that each can open an alert. Threats are as likely as
each other; those that one flow gives away (a DNS tunnel) open most of the alerts. The same seed
gives the same flows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.pool import Pool, recorded
from metatap.flow import FlowBatch, Numeric, Strings
from metatap.flow.columns import Column
from metatap.flow.schema import PROTOS

NS = 1_000_000_000
BEGIN = 1_800_000_000 * NS
"""Time of the first flow's end unless told otherwise, ns since the epoch."""

EPHEMERAL, PORTS = 32768, 28232
"""First ephemeral port and how many there are (Linux: net.ipv4.ip_local_port_range)."""

RESOLVERS = 4
"""Name servers of the network: all ask the same few."""

FEW_PACKETS = 10
"""Below so many packets a flow keeps their number: a handshake has no two thirds of a SYN."""

SEGMENT = 1460
"""Payload of a full TCP segment on Ethernet, bytes."""

IPV4 = np.frombuffer(b"\0" * 10 + b"\xff\xff", np.uint8)
"""What an IPv4 address begins with in 16 bytes (RFC 4291, section 2.5.5.2)."""

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the network is like.

    Attributes:
        hosts: Hosts that originate. At 183,000 flows a second these send three each, the busiest
            some 360; fewer or less equal ones would look like scanners, and be alerted as such.
        busy: Power by which what a host sends falls with its rank.
        servers: Servers of each service.
        popular: Power by which what a server is asked falls with its rank.
        hostile: Share of flows that are hostile.
        jitter: Standard deviation of the logarithm of the factors.
        rate: Flows a second, for the times.
    """

    hosts: int = 65_536
    busy: float = 0.5
    servers: int = 5_000
    popular: float = 0.9
    hostile: float = 1e-4
    jitter: float = 0.2
    rate: float = 183_000.0

    def __post_init__(self) -> None:
        if not 0 <= self.hostile <= 1 or self.jitter < 0 or self.rate <= 0:
            raise ValueError(f"{self}: no such network")
        if not 1 <= self.hosts <= 2**22 or not 1 <= self.servers <= 2**16:
            raise ValueError(f"{self}: 1 to {2**22} hosts and to {2**16} servers have addresses")


class Traffic:
    """A stream of flows.

    Attributes:
        drawn: Flows drawn so far; the next one's number.
    """

    def __init__(
        self, profile: Profile | None = None, seed: int = 0, pool: Pool | None = None
    ) -> None:
        """A stream at its beginning.

        Args:
            profile: What the network is like.
            seed: Of everything that is drawn.
            pool: Recorded flows, None: the lab's.
        """
        self.profile = profile or Profile()
        self.drawn = 0
        self._pool = pool or recorded()
        self._rng = np.random.default_rng(seed)
        self._hosts = _shares(self.profile.hosts, self.profile.busy)
        self._servers = _shares(self.profile.servers, self.profile.popular)

    def flows(self, rows: int) -> tuple[FlowBatch, Mask]:
        """The next flows, and which of them are hostile (bool [rows])."""
        rng, pool = self._rng, self._pool
        hostile = rng.random(rows) < self.profile.hostile
        index = rng.integers(pool.benign, size=rows)
        if count := int(hostile.sum()):
            index[hostile] = pool.draw(count, rng)
        batch = pool.flows.take(index)
        numbers = self.drawn + np.arange(rows)
        self.drawn += rows
        columns: dict[str, Column] = {**batch.columns}
        self._magnitudes(batch, columns)
        self._ends(batch, columns, numbers, hostile)
        columns["uid"] = uids(numbers)
        columns["ts"] = Numeric(self._starts(columns, numbers))
        return FlowBatch(rows, columns, batch.origin), hostile

    def batches(self, flows: int, rows: int) -> list[FlowBatch]:
        """The next flows in batches of `rows`; a last part of one is left out."""
        return [self.flows(rows)[0] for _ in range(flows // rows)]

    def _starts(self, columns: dict[str, Column], numbers: Numbers) -> Numbers:
        """int64 [n], ns since the epoch: a flow is told when it ends, one after the other."""
        ends = BEGIN + (numbers * (NS / self.profile.rate)).astype(np.int64)
        return np.asarray(ends - durations(columns, len(numbers)))

    def _factors(self, rows: int) -> npt.NDArray[np.float64]:
        return np.exp(self.profile.jitter * self._rng.standard_normal(rows))

    def _magnitudes(self, batch: FlowBatch, columns: dict[str, Column]) -> None:
        """Vary durations, bytes and packets; what was 0 or absent stays so.

        A DNS message is as long as its names, which are not varied, so such a flow keeps its bytes.
        """
        rows = batch.rows
        dns = batch.columns.get("dns.queries")
        fixed = np.zeros(rows, np.bool_) if dns is None else dns.mask()
        _scale(columns, "duration", self._factors(rows))
        for side, body in (("orig", "http.request_body_len"), ("resp", "http.response_body_len")):
            factor = np.where(fixed, 1.0, self._factors(rows))
            before = {name: _values(columns, f"{side}_{name}", rows) for name in _SIZES}
            many = before["pkts"] >= FEW_PACKETS
            packets = np.where(many, np.rint(before["pkts"] * factor), before["pkts"])
            room = np.maximum(before["bytes"], packets * SEGMENT)
            size = np.minimum(np.ceil(before["bytes"] * factor), room)
            share = np.divide(packets, before["pkts"], where=before["pkts"] > 0, out=np.ones(rows))
            over = (before["ip_bytes"] - before["bytes"]) * share
            total = np.where(before["ip_bytes"] > 0, np.maximum(size + over, 20 * packets), 0)
            for name, values in zip(_SIZES, (size, packets, total), strict=True):
                _put(columns, f"{side}_{name}", values)
            shrunk = np.divide(size, before["bytes"], where=before["bytes"] > 0, out=np.ones(rows))
            _scale(columns, body, shrunk, np.floor)

    def _ends(
        self, batch: FlowBatch, columns: dict[str, Column], numbers: Numbers, hostile: Mask
    ) -> None:
        """Draw hosts and ephemeral ports anew."""
        rows, rng = batch.rows, self._rng
        orig_p, resp_p = (_values(columns, f"id.{end}_p", rows) for end in ("orig", "resp"))
        client = self._hosts.searchsorted(rng.random(rows))
        rank = self._servers.searchsorted(rng.random(rows))
        rank = np.where(resp_p == 53, rank % RESOLVERS, rank)
        # Each service has its own ranking of the same machines.
        server = (rank * 40503 + resp_p.astype(np.int64) * 7919) % self.profile.servers
        columns["id.orig_h"] = _addresses(
            batch, "orig", np.where(hostile, own(numbers), client), changed=np.ones(rows, np.bool_)
        )
        columns["id.resp_h"] = _addresses(batch, "resp", SERVERS + server, changed=~_shared(batch))
        proto = _values(columns, "proto", rows)
        ports = np.isin(proto, (PROTOS.index("tcp"), PROTOS.index("udp")))
        fresh = ports & (orig_p >= 1024) & (orig_p != resp_p)
        drawn = EPHEMERAL + rng.integers(PORTS, size=rows)
        _put(columns, "id.orig_p", np.where(fresh, drawn, orig_p))


_SIZES = ("bytes", "pkts", "ip_bytes")

SERVERS = 1 << 22
"""Number of the first server's address."""

OWN, OWNERS = 1 << 23, 1 << 23
"""Number of the first address that a hostile flow has to itself, and how many there are."""


def own(numbers: Numbers) -> Numbers:
    """Host numbers that no other flow near these (int64 [n]) has."""
    return OWN + numbers % OWNERS


def uids(numbers: Numbers) -> Strings:
    """Zeek uids that tell the number of the flow: `C` and 17 digits."""
    text = np.full((len(numbers), 18), ord("C"), np.uint8)
    left = numbers.copy()
    for at in range(17, 0, -1):
        left, digit = np.divmod(left, 10)
        text[:, at] = digit + ord("0")
    return Strings(np.arange(len(numbers) + 1) * 18, text.reshape(-1))


def durations(columns: dict[str, Column], rows: int) -> Numbers:
    """int64 [n], ns; 0 where absent."""
    return _values(columns, "duration", rows).astype(np.int64)


def _shares(count: int, power: float) -> npt.NDArray[np.float64]:
    """Share of the draws that go to each rank and those before it, float64 [count]."""
    weight = np.arange(1, count + 1) ** -power
    share: npt.NDArray[np.float64] = np.cumsum(weight) / weight.sum()
    share[-1] = 1.0
    return share


def _values(columns: dict[str, Column], name: str, rows: int) -> npt.NDArray[np.float64]:
    """float64 [n]; 0 where absent."""
    column = columns.get(name)
    if not isinstance(column, Numeric):
        return np.zeros(rows)
    return np.asarray(np.where(column.mask(), column.values, 0), np.float64)


def _put(columns: dict[str, Column], name: str, values: npt.NDArray[np.float64]) -> None:
    """Replace the values of a column that is there; what is absent stays so."""
    column = columns.get(name)
    if isinstance(column, Numeric):
        columns[name] = Numeric(values.astype(column.values.dtype), column.valid)


def _scale(
    columns: dict[str, Column],
    name: str,
    factor: npt.NDArray[np.float64],
    whole: np.ufunc = np.rint,
) -> None:
    _put(columns, name, whole(_values(columns, name, len(factor)) * factor))


def _shared(batch: FlowBatch) -> Mask:
    """Which responders are no hosts, bool [n]: multicast and broadcast."""
    found = batch.numeric("id.resp_h")
    if found is None:
        return np.zeros(batch.rows, np.bool_)
    is_v4 = (found.values[:, :12] == IPV4).all(1)
    first = np.where(is_v4, found.values[:, 12], 0)
    multicast = (first >= 224) | (~is_v4 & (found.values[:, 0] == 0xFF))
    return np.asarray(multicast | (is_v4 & (found.values[:, 15] == 0xFF)))


def _addresses(batch: FlowBatch, end: str, numbers: Numbers, changed: Mask) -> Numeric:
    """Addresses of hosts by number, below 2^24: inside 10/8 or fd00::/96, else 11/8 or 2001:db8::.

    Source of the ranges: RFC 1918, RFC 4193, RFC 3849; 11/8 stands for the Internet.
    """
    found, local = batch.numeric(f"id.{end}_h"), batch.numeric(f"local_{end}")
    if found is None:
        raise ValueError("flows without addresses")
    inside = np.zeros(batch.rows, np.bool_)
    if local is not None:
        inside = local.mask() & local.values.astype(np.bool_)
    is_v4 = (found.values[:, :12] == IPV4).all(1)
    made = np.zeros((batch.rows, 16), np.uint8)
    made[is_v4, :12] = IPV4
    made[is_v4 & inside, 12] = 10
    made[is_v4 & ~inside, 12] = 11
    made[~is_v4 & inside, 0] = 0xFD
    made[~is_v4 & ~inside, :4] = (0x20, 0x01, 0x0D, 0xB8)
    for at, shift in ((13, 16), (14, 8), (15, 0)):
        made[:, at] = numbers >> shift & 0xFF
    values = found.values.astype(np.uint8)
    return Numeric(np.where(changed[:, None], made, values), found.valid)
