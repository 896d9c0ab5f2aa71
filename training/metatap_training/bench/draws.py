"""Draws: from a job's cells, K and a number to the `Problem` of each network. Always the same.

A job is a family with its support network in one table; its cells differ in the network that the
threat is looked for in. Support and positives are drawn once for all of them, background and
negatives in each; cells of the lab have positives of their network alone. Positives are all flows
the table names (see `cells`), at most `POSITIVES` of them at random, negatives at most `NEGATIVES`:
neither is balanced or chosen. A positive whose own features equal those of a support flow is
removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metatap_training.bench.cells import Cell, Table, host_rows
from metatap_training.bench.columns import take_away
from metatap_training.bench.lab import RING
from metatap_training.bench.problem import Mask, Problem, Services
from metatap_training.bench.sides import Sides, family_sides
from metatap_training.bench.world import World
from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.datasets.flows import IntArray

BACKGROUND = 2048
NEGATIVES = 8000
POSITIVES = 2000
MIN_POSITIVES = 5
"""A draw that leaves fewer is not made."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a draw is looked for.

    Attributes:
        cell: The cell.
        problem: The draw in its network.
        hosts: Different originators of the negatives.
        split: `time`, or `hash` where support, positives or negatives have no time.
        scope: How most of the positives were labelled.
    """

    cell: Cell
    problem: Problem
    hosts: int
    split: str
    scope: str


class Drawer:
    """Draws of one job."""

    def __init__(self, world: World, cells: Sequence[Cell], seed: int) -> None:
        """Prepare a job.

        Args:
            world: All flows.
            cells: Of one table, fold, family and support network.
            seed: Seed of all draws.
        """
        self._world = world
        self._flows = world.flows
        self._cells = cells
        self._seed = seed
        self._source = _source(world, cells[0])

    def draw(self, k: int, number: int) -> list[Ground]:
        """The draw in each network; empty where the family is too small for it.

        Args:
            k: Flows of the support.
            number: Number of the draw.
        """
        cell, flows = self._cells[0], self._flows
        rng = self._rng(k, number, *cell.table.encode(), *cell.family.encode())
        pools = self._source.pools(number, k)
        if pools is None:
            return []
        support = _by_capture(flows, pools.early, k, rng)
        positive = pools.late[~np.isin(self._world.ids[pools.late], self._world.ids[support])]
        positive = rng.permutation(positive)
        parts = [positive[self._sought(one, positive)][:POSITIVES] for one in self._cells]
        if len(support) < k:
            return []
        return [
            self._ground(one, support, part, (k, number))
            for one, part in zip(self._cells, parts, strict=True)
            if len(part) >= MIN_POSITIVES
        ]

    def _sought(self, cell: Cell, rows: IntArray) -> Mask:
        """bool [q], positives of a cell: in the lab those of the network looked in."""
        if not cell.of_lab:
            return np.ones(len(rows), np.bool_)
        return np.asarray(self._flows.network[rows] == cell.network)

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *key])

    def _ground(
        self, cell: Cell, support: IntArray, positive: IntArray, key: tuple[int, int]
    ) -> Ground:
        flows, sides = self._flows, self._world.sides(cell.network)
        rng = self._rng(*key, *cell.network.encode(), *cell.family.encode())
        early, late = sides.early, sides.late
        if cell.of_host:
            host = self._world.hosts[support[0]]
            early, late = (part[self._world.hosts[part] != host] for part in (early, late))
        background = rng.permutation(early)[:BACKGROUND]
        negative = rng.permutation(late)[:NEGATIVES]
        queries = np.concatenate([positive, negative])
        networks = {cell.support_network, cell.network, *np.unique(flows.network[positive])}
        lacking = self._world.columns.lacking(networks)
        parts = (support, background, queries)
        raw = [take_away(flows.features[part], lacking) for part in parts]
        hosts = self._world.hosts[queries]
        problem = Problem(
            support=raw[0],
            background=raw[1],
            queries=raw[2],
            positives=len(positive),
            services=Services(*(flows.service[part] for part in parts)),
            hosts=hosts,
            seed=int(rng.integers(2**31)),
            ground_hosts=self._world.hosts[background],
        )
        splits = {self._source.split, sides.split}
        scopes, counts = np.unique(flows.scope[positive], return_counts=True)
        return Ground(
            cell=cell,
            problem=problem,
            hosts=len(np.unique(hosts[len(positive) :])),
            split="time" if splits == {"time"} else "hash",
            scope=str(scopes[np.argmax(counts)]),
        )


@dataclass(frozen=True, slots=True)
class _Source:
    """Where support and positives come from: a list of sides, one of them a draw."""

    sides: tuple[Sides, ...]

    @property
    def split(self) -> str:
        return "time" if all(side.split == "time" for side in self.sides) else "hash"

    def pools(self, number: int, k: int) -> Sides | None:
        """The sides of a draw, in turn those with enough flows for its support."""
        enough = [side for side in self.sides if len(side.early) >= k and len(side.late)]
        return enough[number % len(enough)] if enough else None


def _source(world: World, cell: Cell) -> _Source:
    flows = world.flows
    if cell.of_host:
        hosts = host_rows(flows, world.ids, cell.network)
        return _Source(tuple(family_sides(flows, rows) for rows in hosts))
    if cell.table == Table.NULL:
        rows = _rows(flows, BENIGN, network=cell.support_network)
        return _Source((family_sides(flows, rows),))
    rows = _rows(flows, MALICIOUS, family=cell.family)
    here = rows[flows.network[rows] == cell.support_network]
    if cell.table == Table.CAPTURE:
        captures = flows.capture[here]
        parts = [here[captures == name] for name in np.unique(captures)]
        split = family_sides(flows, rows).split
        return _Source(tuple(Sides(part, np.setdiff1d(rows, part), split) for part in parts))
    if cell.table == Table.TECHNIQUE:
        kin = [family for family, group in world.groups.items() if group == cell.group]
        if cell.of_lab:
            kin = [cell.family]
        mates = (flows.label == MALICIOUS) & np.isin(flows.family, np.array(kin))
        mates &= np.isin(flows.network, RING) == cell.of_lab
        others = np.flatnonzero(mates & (flows.network != cell.support_network))
        return _Source((Sides(here, others, family_sides(flows, here).split),))
    return _Source((family_sides(flows, here),))


def _rows(flows: Flows, label: int, *, family: str = "", network: str = "") -> IntArray:
    """Rows of a label, in a family or a network if one is named."""
    mask = flows.label == label
    if family:
        mask &= flows.family == family
    if network:
        mask &= flows.network == network
    return np.flatnonzero(mask)


def _by_capture(flows: Flows, rows: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """`count` rows, one of each capture in turn, so that no capture drowns the rest."""
    rows = rng.permutation(rows)
    order = np.argsort(flows.capture[rows], kind="stable")
    captures = flows.capture[rows][order]
    starts = np.flatnonzero(np.r_[True, captures[1:] != captures[:-1]])
    size = np.diff(np.r_[starts, len(order)])
    turn = np.empty(len(rows), np.intp)
    turn[order] = np.arange(len(order)) - np.repeat(starts, size)
    return rows[np.argsort(turn, kind="stable")[:count]]
