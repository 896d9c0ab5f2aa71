"""The cells: which held-out family is looked for in which held-out network. The list is committed.

The rule, per role and table, over families of at least `LEAST` flows with different features:

- `random`: support from the earlier half of each capture of the family in the network where it has
  most flows, positives from the later halves; background and negatives from another, held-out
  network.
- `capture`: support from one capture of that network, positives from all other captures of the
  family, whatever network they are of.
- `own`: as `random`, in each network of the family with `MIN_HOME` benign flows; background and
  negatives are of that very network, earlier and later.
- `technique`: support from one family in one network, positives from all flows of its group in
  other networks. Where the project's own traffic is given (`lab`), also one technique by one tool
  in one network of the lab, positives the same technique in the next one, whose own benign flows
  are background and negatives.
- `null`: benign flows of one network as support and positives, looked for in another. How well they
  are found is how much of a figure the network may be. Where both networks are one, support and
  positives are benign flows of one host, earlier and later, looked for among the rest of its
  network: how much of a figure of `own` the host may be.

Families are taken in turn from the groups, the largest of each first, as far as `LIMITS` goes; each
is looked for in `NETWORKS` of the fold's networks, which rotate from family to family. A null pack
of hosts is made for each network of `own`, in a fold where that has cells, test folds first.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from importlib import resources

import numpy as np
import numpy.typing as npt

from metatap_training.bench.folds import FOLDS, BenchError, Fold, Role, fold_named
from metatap_training.bench.lab import RING, lab_groups
from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.datasets.flows import IntArray
from metatap_training.preprocess import Groups
from metatap_training.preprocess.clean import row_ids


class Table(StrEnum):
    """Ways to draw support, positives and negatives; see this module."""

    RANDOM = "random"
    CAPTURE = "capture"
    OWN = "own"
    TECHNIQUE = "technique"
    NULL = "null"


LEAST = 20
"""Different flows of a family: ten for the support, ten to be found."""

SHARE = 10
"""Different flows that a capture, or a family in technique, needs to give the support."""

MIN_HOME = 1500
"""A network with fewer benign flows is no home to look for a threat in: 1 in 1,000 of its negatives
would be none."""

NETWORKS = 2

LIMITS: dict[tuple[Role, Table], int] = {
    (Role.TEST, Table.RANDOM): 50,
    (Role.TEST, Table.CAPTURE): 14,
    (Role.TEST, Table.OWN): 7,
    (Role.TEST, Table.TECHNIQUE): 14,
    (Role.TEST, Table.NULL): 8,
    (Role.VALIDATION, Table.RANDOM): 16,
    (Role.VALIDATION, Table.CAPTURE): 8,
    (Role.VALIDATION, Table.OWN): 5,
    (Role.VALIDATION, Table.TECHNIQUE): 4,
    (Role.VALIDATION, Table.NULL): 3,
}
"""Most cells of each role and table."""

HOST_LIMIT = 5
"""Most null packs of hosts."""

LAB_LIMITS: dict[Role, int] = {Role.TEST: 12, Role.VALIDATION: 4}
"""Most cells of the lab; with `LIMITS` and `HOST_LIMIT` 150 together."""

NULL_GROUP = "null"

MIN_HOSTS = 2
"""Hosts of at least `LEAST` different benign flows that a network with a null pack of hosts has."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the list.

    Attributes:
        table: See `Table`.
        fold: Name of the fold that holds the family out.
        group: Group of the family.
        family: Family of the support, or the network of a null pack.
        support_network: Network of the support.
        network: Network of background and negatives.
    """

    @property
    def of_host(self) -> bool:
        """Whether it is a null pack of a host, looked for in its own network."""
        return self.table == Table.NULL and self.network == self.support_network

    @property
    def of_lab(self) -> bool:
        """Whether the lab's flows are needed for it."""
        return self.network in RING

    table: str
    fold: str
    group: str
    family: str
    support_network: str
    network: str


def read_cells() -> tuple[Cell, ...]:
    """The committed list.

    Raises:
        BenchError: a line is not a cell.
    """
    return parse(resources.files(__package__ or "").joinpath("cells.tsv").read_text("utf-8"))


def parse(text: str) -> tuple[Cell, ...]:
    """Cells from text as `text_of` writes it.

    Raises:
        BenchError: a line is not a cell of a known table and fold.
    """
    names = [item.name for item in fields(Cell)]
    lines = list(csv.reader(io.StringIO(text), delimiter="\t"))
    if not lines or lines[0] != names:
        raise BenchError(f"cells.tsv: the first line must be {' '.join(names)}")
    folds = {fold.name for fold in FOLDS}
    cells = []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names) or line[0] not in set(Table) or line[1] not in folds:
            raise BenchError(f"cells.tsv:{number}: not a cell of a known table and fold")
        cells.append(Cell(*line))
    return tuple(cells)


def text_of(cells: Iterable[Cell]) -> str:
    """The list as text: a line a cell, fields parted by tabs."""
    lines = [[item.name for item in fields(Cell)], *(list(astuple(cell)) for cell in cells)]
    return "".join("\t".join(line) + "\n" for line in lines)


def make_cells(flows: Flows, groups: Groups) -> tuple[Cell, ...]:
    """The cells by the rule of this module.

    Args:
        flows: Cleaned flows; cells of the lab are made where its flows are among them.
        groups: Family → group of the published families.
    """
    maker = _Maker(flows, groups)
    cells: list[Cell] = []
    for (role, table), limit in LIMITS.items():
        candidates = {fold: maker.candidates(table, fold) for fold in FOLDS if fold.role is role}
        cells += _in_turn(table, candidates, limit)
    cells += _host_cells(flows, [cell for cell in cells if cell.table == Table.OWN])
    for role, limit in LAB_LIMITS.items():
        found = {fold: _lab_candidates(flows, fold) for fold in FOLDS if fold.role is role}
        cells += _in_turn(Table.TECHNIQUE, found, limit)
    return tuple(sorted(cells, key=astuple))


def _host_cells(flows: Flows, own: list[Cell]) -> Iterator[Cell]:
    """A null pack of hosts for each network of the own cells, as far as the limit goes."""
    folds: dict[str, str] = {}
    for cell in sorted(own, key=lambda c: (fold_named(c.fold).role is not Role.TEST, c.fold)):
        folds.setdefault(cell.network, cell.fold)
    ids = row_ids(flows)
    able = [
        Cell(Table.NULL, fold, NULL_GROUP, f"{network} host", network, network)
        for network, fold in sorted(folds.items())
        if len(host_rows(flows, ids, network)) >= MIN_HOSTS
    ]
    yield from able[:HOST_LIMIT]


def host_rows(flows: Flows, ids: npt.NDArray[np.uint64], network: str) -> list[IntArray]:
    """Benign rows of each host of a network with `LEAST` different ones, most of them first.

    A host is an address in a capture. Flows without an address are of no host.

    Args:
        flows: n flows.
        ids: uint64 [n], from `row_ids`.
        network: The network.
    """
    rows = np.flatnonzero((flows.label == BENIGN) & (flows.network == network) & (flows.host != ""))
    if not len(rows):
        return []
    names = np.unique(np.char.add(np.char.add(flows.capture[rows], " "), flows.host[rows]),
                      return_inverse=True)[1]  # fmt: skip
    order = np.argsort(names, kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(names[order])) + 1)
    sizes = [len(np.unique(ids[part])) for part in parts]
    ranked = sorted(range(len(parts)), key=lambda at: -sizes[at])
    return [parts[at] for at in ranked if sizes[at] >= LEAST]


def _lab_candidates(flows: Flows, fold: Fold) -> list[_Candidate]:
    """Each technique of a fold in each network of the lab, looked for in the next that has it."""
    ids, found = row_ids(flows), []
    benign = {name: int(((flows.label == BENIGN) & (flows.network == name)).sum()) for name in RING}
    for family, group in lab_groups().items():
        if group not in fold.groups:
            continue
        threat = (flows.label == MALICIOUS) & (flows.family == family)
        sizes = {name: len(np.unique(ids[threat & (flows.network == name)])) for name in RING}
        there = [name for name in RING if sizes[name]]
        for at, home in enumerate(there):
            away = there[(at + 1) % len(there)]
            if home != away and sizes[home] >= SHARE and benign[away] >= MIN_HOME:
                found.append(_Candidate(sizes[home], group, family, home, (away,)))
    return found


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A family that fits a table: how large it is, where its support is from, where to look."""

    size: int
    group: str
    family: str
    home: str
    networks: tuple[str, ...]


def _in_turn(table: Table, found: dict[Fold, list[_Candidate]], limit: int) -> Iterator[Cell]:
    """Cells of the largest family of each group, then of the second, up to the limit."""
    ranks: dict[str, int] = defaultdict(int)
    queue = []
    for fold, candidates in found.items():
        for one in sorted(candidates, key=lambda c: (-c.size, c.family, c.home)):
            whose = _turn(table, fold, one)
            queue.append((ranks[whose], fold.name, one))
            ranks[whose] += 1
    queue.sort(key=lambda entry: (entry[0], -entry[2].size, entry[2].family, entry[2].home))
    count = 0
    for turn, (_, fold_name, one) in enumerate(queue):
        first = turn % len(one.networks)
        for network in (one.networks * 2)[first : first + min(NETWORKS, len(one.networks))]:
            if count < limit:
                count += 1
                yield Cell(table, fold_name, one.group, one.family, one.home, network)


def _turn(table: Table, fold: Fold, one: _Candidate) -> str:
    """Whose turn it is: a group's, a fold's in null packs, a technique's in the lab."""
    if table is Table.NULL:
        return fold.name
    return one.family if one.networks[0] in RING else one.group


class _Maker:
    """Families that fit each table."""

    def __init__(self, flows: Flows, groups: Groups) -> None:
        self._flows, self._groups = flows, groups
        self._ids = row_ids(flows)
        names, counts = np.unique(flows.network[flows.label == BENIGN], return_counts=True)
        self._benign = dict(zip(names.tolist(), counts.tolist(), strict=True))

    def candidates(self, table: Table, fold: Fold) -> list[_Candidate]:
        """Families of a fold that fit a table."""
        if table is Table.NULL:
            return [
                _Candidate(self._benign[n], NULL_GROUP, n, n, (fold.networks[at - 1],))
                for at, n in enumerate(fold.networks)
                if {n, fold.networks[at - 1]} <= set(self._benign)
            ]
        flows, found = self._flows, []
        for family in sorted(f for f, group in self._groups.items() if group in fold.groups):
            rows = np.flatnonzero((flows.label == MALICIOUS) & (flows.family == family))
            for home in self._homes(table, rows):
                here = rows[flows.network[rows] == home]
                away = tuple(n for n in fold.networks if n != home and n in self._benign)
                networks = (home,) if table is Table.OWN else away
                if networks and self._fits(table, rows, here, self._groups[family]):
                    found.append(
                        _Candidate(len(here), self._groups[family], family, home, networks)
                    )
        return found

    def _homes(self, table: Table, rows: IntArray) -> list[str]:
        """Networks that the support may come from."""
        names, counts = np.unique(self._flows.network[rows], return_counts=True)
        if table is Table.OWN:
            return [n for n in names.tolist() if self._benign.get(n, 0) >= MIN_HOME]
        return [str(names[np.argmax(counts)])] if len(names) else []

    def _fits(self, table: Table, rows: IntArray, here: IntArray, group: str) -> bool:
        flows = self._flows
        if table is Table.TECHNIQUE:
            kin = np.array([f for f, g in self._groups.items() if g == group])
            others = (flows.label == MALICIOUS) & np.isin(flows.family, kin)
            others &= flows.network != flows.network[here[0]]
            beside = np.flatnonzero(others)
            return self._different(here) >= SHARE and self._beside(beside, here) >= SHARE
        if table is Table.CAPTURE:
            captures = flows.capture[here]
            giving = [here[captures == name] for name in np.unique(captures)]
            giving = [part for part in giving if self._different(part) >= SHARE]
            return any(self._beside(np.setdiff1d(rows, part), part) >= SHARE for part in giving)
        return self._different(here) >= LEAST

    def _different(self, rows: IntArray) -> int:
        return len(np.unique(self._ids[rows]))

    def _beside(self, rows: IntArray, support: IntArray) -> int:
        """Different flows that are none of those the support may be of."""
        return len(np.setdiff1d(self._ids[rows], self._ids[support]))
