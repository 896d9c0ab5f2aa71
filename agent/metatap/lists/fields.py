"""One criterion of all rules: its distinct values, and which of them each hit meets.

A matcher numbers the distinct values of its criterion from 0. `find` gives the pairs (hit, value)
that hold: intp [p] hits and intp [p] values, in any order, each pair at least once. All of it goes
by columns; text is looked up in a dict, once a hit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from ipaddress import IPv4Network
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from metatap.flow.schema import PROTOS
from metatap.lists.facts import ABSENT, Addresses, Facts
from metatap.lists.rule import Domain, Network, Ports

Index = npt.NDArray[np.intp]
V = TypeVar("V", bound=Hashable)

_MAPPED = np.frombuffer(b"\0" * 10 + b"\xff\xff", np.uint8)
_PACKED = np.dtype((np.void, 16))
_NONE = np.zeros(0, np.intp)


class Pairs(NamedTuple):
    """Hits and values that go together.

    Attributes:
        hits: intp [p].
        values: intp [p].
    """

    hits: Index
    values: Index


class Matcher(Protocol):
    """Which values of a criterion each hit meets."""

    def find(self, facts: Facts) -> Pairs:
        """The pairs that hold."""
        ...


def spread(starts: Index, counts: Index) -> Pairs:
    """Slices laid end to end: number of the slice and index within the sliced, of each element."""
    owner = np.repeat(np.arange(len(counts)), counts)
    begins = np.cumsum(counts) - counts
    return Pairs(owner, np.arange(len(owner)) - np.repeat(begins - starts, counts))


class Networks:
    """Networks that hold an address: one binary search a length of prefix.

    The networks of one length are sorted; an address cut to that length is in one of them or none.
    IPv4 and IPv6 are kept apart, so `::/0` does not hold ::ffff:10.0.0.1, which is IPv4.
    """

    def __init__(self, values: Sequence[Network], sides: Sequence[str]) -> None:
        """Sort the networks.

        Args:
            values: The distinct networks.
            sides: `orig`, `resp` or both: whose address it may be.
        """
        self._sides = sides
        groups: dict[tuple[bool, int], list[tuple[bytes, int]]] = defaultdict(list)
        for at, value in enumerate(values):
            is_v4 = isinstance(value, IPv4Network)
            packed = value.network_address.packed
            length = value.prefixlen + 96 if is_v4 else value.prefixlen
            groups[is_v4, length].append((_MAPPED.tobytes() * is_v4 + packed, at))
        self._groups = [
            (is_v4, _mask(length), *_sorted(nets)) for (is_v4, length), nets in groups.items()
        ]

    def find(self, facts: Facts) -> Pairs:
        """The networks of each hit's addresses."""
        found = [self._find(facts.orig if side == "orig" else facts.resp) for side in self._sides]
        return _joined(found)

    def _find(self, addresses: Addresses) -> Pairs:
        is_v4 = (addresses.packed[:, :12] == _MAPPED).all(axis=1)
        rows = {
            True: np.flatnonzero(addresses.known & is_v4),
            False: np.flatnonzero(addresses.known & ~is_v4),
        }
        packed = {kind: addresses.packed[at] for kind, at in rows.items()}
        found = []
        for kind, mask, nets, ids in self._groups:
            if not len(rows[kind]):
                continue
            cut = np.ascontiguousarray(packed[kind] & mask).view(_PACKED)[:, 0]
            at = np.minimum(np.searchsorted(nets, cut), len(nets) - 1)
            is_in = nets[at] == cut
            found.append(Pairs(rows[kind][is_in], ids[at[is_in]]))
        return _joined(found)


class Domains:
    """Names: a hit's name and those above it are looked up."""

    def __init__(self, values: Sequence[Domain]) -> None:
        self._exact = {value.name: at for at, value in enumerate(values) if not value.below}
        self._below = {value.name: at for at, value in enumerate(values) if value.below}

    def find(self, facts: Facts) -> Pairs:
        """The domains of each hit's names."""
        return _looked_up(facts.names, self._ids)

    def _ids(self, names: Iterable[bytes]) -> list[int]:
        found = []
        for name in names:
            if name in self._exact:
                found.append(self._exact[name])
            above = name.partition(b".")[2] if self._below else b""
            while above:
                if above in self._below:
                    found.append(self._below[above])
                above = above.partition(b".")[2]
        return found


class PortRanges:
    """Ranges of ports: in the sorted ports of the hits, each is one slice."""

    def __init__(self, values: Sequence[Ports]) -> None:
        self._first = np.array([value.first for value in values], np.int32)
        self._last = np.array([value.last for value in values], np.int32)

    def find(self, facts: Facts) -> Pairs:
        """The ranges of each hit's port."""
        order = np.argsort(facts.port, kind="stable")
        sorted_ports = facts.port[order]
        starts = np.searchsorted(sorted_ports, self._first)
        stops = np.searchsorted(sorted_ports, self._last, side="right")
        ranges, at = spread(starts, stops - starts)
        return Pairs(order[at], ranges)


class Protos:
    """Transports."""

    def __init__(self, values: Sequence[str]) -> None:
        self._ids = np.full(len(PROTOS) + 1, ABSENT, np.intp)
        for at, value in enumerate(values):
            self._ids[PROTOS.index(value)] = at

    def find(self, facts: Facts) -> Pairs:
        """The transport of each hit; one that is absent takes the last place."""
        ids = self._ids[facts.proto]
        hits = np.flatnonzero(ids != ABSENT)
        return Pairs(hits, ids[hits])


class Services:
    """Services; one of several that a flow has is enough."""

    def __init__(self, values: Sequence[str]) -> None:
        self._all = {value.encode(): at for at, value in enumerate(values)}

    def find(self, facts: Facts) -> Pairs:
        """The services of each hit."""
        return _looked_up(facts.service, self._ids)

    def _ids(self, service: bytes) -> list[int]:
        return [self._all[word] for word in service.split(b",") if word in self._all]


class PackIds:
    """Packs."""

    def __init__(self, values: Sequence[str]) -> None:
        self._all = {value: at for at, value in enumerate(values)}

    def find(self, facts: Facts) -> Pairs:
        """The pack of each hit."""
        ids = np.array([self._all.get(pack, ABSENT) for pack in facts.packs], np.intp)
        if not len(ids):
            return Pairs(_NONE, _NONE)
        ids = ids[facts.pack]
        hits = np.flatnonzero(ids != ABSENT)
        return Pairs(hits, ids[hits])


def _looked_up(keys: Sequence[V], ids: Callable[[V], list[int]]) -> Pairs:
    """The values of each key; equal keys are looked up once."""
    known: dict[V, list[int]] = {}
    hits: list[int] = []
    values: list[int] = []
    for hit, key in enumerate(keys):
        found = known.get(key)
        if found is None:
            found = known[key] = ids(key)
        hits += [hit] * len(found)
        values += found
    return Pairs(np.array(hits, np.intp), np.array(values, np.intp))


def _mask(length: int) -> npt.NDArray[np.uint8]:
    bits = (1 << 128) - (1 << (128 - length))
    return np.frombuffer(bits.to_bytes(16, "big"), np.uint8)


def _sorted(nets: Sequence[tuple[bytes, int]]) -> tuple[npt.NDArray[np.void], Index]:
    ordered = sorted(nets)
    packed = np.frombuffer(b"".join(packed for packed, _ in ordered), _PACKED)
    return packed, np.array([at for _, at in ordered], np.intp)


def _joined(parts: Sequence[Pairs]) -> Pairs:
    if not parts:
        return Pairs(_NONE, _NONE)
    return Pairs(
        np.concatenate([part.hits for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
