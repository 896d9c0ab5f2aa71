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
  other networks.
- `null`: benign flows of one network as support and positives, looked for in another. How well they
  are found is how much of a figure the network may be.

Families are taken in turn from the groups, the largest of each first, as far as `LIMITS` goes; each
is looked for in `NETWORKS` of the fold's networks, which rotate from family to family.
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

from metatap_training.bench.folds import FOLDS, BenchError, Fold, Role
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
    (Role.TEST, Table.RANDOM): 54,
    (Role.TEST, Table.CAPTURE): 28,
    (Role.TEST, Table.OWN): 12,
    (Role.TEST, Table.TECHNIQUE): 14,
    (Role.TEST, Table.NULL): 6,
    (Role.VALIDATION, Table.RANDOM): 16,
    (Role.VALIDATION, Table.CAPTURE): 8,
    (Role.VALIDATION, Table.OWN): 6,
    (Role.VALIDATION, Table.TECHNIQUE): 4,
    (Role.VALIDATION, Table.NULL): 2,
}
"""Most cells of each role and table; 150 together."""

NULL_GROUP = "null"


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
        flows: Cleaned flows.
        groups: Family → group.
    """
    maker = _Maker(flows, groups)
    cells: list[Cell] = []
    for (role, table), limit in LIMITS.items():
        candidates = {fold: maker.candidates(table, fold) for fold in FOLDS if fold.role is role}
        cells += _in_turn(table, candidates, limit)
    return tuple(sorted(cells, key=astuple))


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
            queue.append((ranks[one.group], fold.name, one))
            ranks[one.group] += 1
    queue.sort(key=lambda entry: (entry[0], -entry[2].size, entry[2].family, entry[2].home))
    count = 0
    for turn, (_, fold_name, one) in enumerate(queue):
        first = turn % len(one.networks)
        for network in (one.networks * 2)[first : first + min(NETWORKS, len(one.networks))]:
            if count < limit:
                count += 1
                yield Cell(table, fold_name, one.group, one.family, one.home, network)


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
