"""Draws of the held-out protocol: support, background, queries. The same for every method.

A cell is a held-out family with its support from one network. Background (`BACKGROUND` flows, the
networks sharing it alike) and negatives (at most `NEGATIVES`) are disjoint benign flows of the
fold's networks without the support's. Positive queries come from the family's other networks if it
has any, else from the captures that gave no support, else from the rest; a query whose feature row
equals one of the support's is removed.

Both sides get the same columns: a group of columns that one of the draw's networks never has
(`local_orig` where no local networks were known, `history` in a flow table) is taken away from all
of its flows, for every method. Otherwise what is missing would tell the networks apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from metatap.features.table import INDEX
from metatap_training.datasets.flows import BENIGN, MALICIOUS, FloatArray, Flows, IntArray
from metatap_training.episodes.masks import make_mask
from metatap_training.evaluate.folds import Fold
from metatap_training.preprocess import Groups, Scaling
from metatap_training.preprocess.clean import row_ids

BACKGROUND = 1024
NEGATIVES = 8000
QUERIES = 500
RARE = 0.3
"""A network whose flows have a column in a smaller share than this lacks it."""

WITNESS = {"history": "has.history", "local": "local_orig", "context": "context.host.flows.s"}
"""Group of columns → the column that tells whether a network has it."""

MIN_HOME = 1500
"""A network with fewer benign flows is no home to look for a threat in: 1 in 1,000 of its negatives
would be none."""

MIN_QUERIES = 5
"""A family with fewer positives beside its support is not evaluated."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One support with what it is tried on; row numbers (intp) of the flows.

    Attributes:
        family: Held-out family, or the network of a null pack.
        group: Its group; "null" for a null pack.
        k: Size of the support.
        number: Number of the draw.
        network: Network of the support.
        elsewhere: `network`, `capture` or `rest`: where the positive queries come from.
        support: [k].
        background: [m].
        positive: [q].
        negative: [M].
        lacking: Groups of columns (`episodes.masks.ABSENT`) taken away from all of them.
    """

    family: str
    group: str
    k: int
    number: int
    network: str
    elsewhere: str
    support: IntArray
    background: IntArray
    positive: IntArray
    negative: IntArray
    lacking: tuple[str, ...]

    def features(self, scaled: FloatArray, scaling: Scaling) -> FloatArray:
        """Normalised features of support, background, positives and negatives, joined in order.

        Args:
            scaled: float32 [n, F], normalised features of all flows.
            scaling: Their normalisation.
        """
        parts = (self.support, self.background, self.positive, self.negative)
        rows = scaled[np.concatenate(parts)]
        mask = make_mask(scaling, list(self.lacking))
        rows[:, mask.columns] = mask.values
        return rows


class Drawer:
    """Draws of one fold from one set of flows; the same ones for the same seed."""

    def __init__(self, flows: Flows, fold: Fold, groups: Groups, seed: int) -> None:
        self.flows = flows
        self._fold = fold
        self._groups = groups
        self._seed = seed
        self._ids = row_ids(flows)
        self._lacking: dict[str, set[str]] = {}
        benign = flows.label == BENIGN
        self._benign = {
            network: np.flatnonzero(benign & (flows.network == network))
            for network in fold.networks
        }

    def threats(self, k: int, draws: int) -> Iterator[Draw]:
        """`draws` draws of K = k for each of the fold's families that is large enough."""
        flows = self.flows
        held = [f for f, group in self._groups.items() if group in self._fold.groups]
        for family in sorted(held):
            rows = np.flatnonzero((flows.label == MALICIOUS) & (flows.family == family))
            if len(rows) < k + MIN_QUERIES:
                continue
            for number in range(draws):
                draw = self._threat(family, rows, k, number)
                if draw is not None:
                    yield draw

    def nulls(self, k: int, draws: int) -> Iterator[Draw]:
        """Null packs: benign flows of one network as support, that network's others as positives.

        How well these are "found" is how much of a figure the network itself may be.
        """
        for network in self._fold.networks:
            for number in range(draws):
                rng = self._rng(number, k, network)
                own = rng.permutation(self._benign[network])[: k + QUERIES]
                background, negative = self._ground(network, rng)
                yield Draw(
                    family=network,
                    group="null",
                    k=k,
                    number=number,
                    network=network,
                    elsewhere="rest",
                    support=own[:k],
                    background=background,
                    positive=own[k:],
                    negative=negative,
                    lacking=self._missing(self._fold.networks),
                )

    def at_home(self, draw: Draw) -> Draw | None:
        """The same support and positives against the networks that the positives are from.

        Background and negatives, disjoint, are benign flows of these; None if there are too few.
        """
        flows = self.flows
        homes = np.unique(flows.network[draw.positive])
        rows = np.flatnonzero((flows.label == BENIGN) & np.isin(flows.network, homes))
        if len(rows) < MIN_HOME:
            return None
        rows = self._rng(draw.number, draw.k, draw.family).permutation(rows)
        edge = min(BACKGROUND, len(rows) // 3)
        return replace(
            draw,
            background=rows[:edge],
            negative=rows[edge:][:NEGATIVES],
            lacking=self._missing({draw.network, *homes}),
        )

    def _rng(self, number: int, k: int, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, number, k, *name.encode()])

    def _threat(self, family: str, rows: IntArray, k: int, number: int) -> Draw | None:
        flows, rng = self.flows, self._rng(number, k, family)
        networks = flows.network[rows]
        names, counts = np.unique(networks, return_counts=True)
        enough = names[counts >= k]
        if not len(enough):
            return None
        home = str(enough[number % len(enough)])
        support = _by_capture(flows, rows[networks == home], k, rng)
        elsewhere, others = "network", rows[networks != home]
        if len(others) < MIN_QUERIES:
            elsewhere = "capture"
            others = rows[~np.isin(flows.capture[rows], flows.capture[support])]
        if len(others) < MIN_QUERIES:
            elsewhere = "rest"
            others = rows[~np.isin(rows, support)]
        others = others[~np.isin(self._ids[others], self._ids[support])]
        if len(others) < MIN_QUERIES:
            return None
        positive = _by_capture(flows, others, QUERIES, rng)
        background, negative = self._ground(home, rng)
        return Draw(
            family=family,
            group=self._groups[family],
            k=k,
            number=number,
            network=home,
            elsewhere=elsewhere,
            support=support,
            background=background,
            positive=positive,
            negative=negative,
            lacking=self._missing({home, *flows.network[positive], *self._fold.networks}),
        )

    def _ground(self, home: str, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Background and negatives from the fold's networks without the support's."""
        grounds = [rng.permutation(rows) for n, rows in self._benign.items() if n != home]
        share = -(-BACKGROUND // len(grounds))
        background = np.concatenate([rows[:share] for rows in grounds])
        negative = np.concatenate([rows[share:] for rows in grounds])
        return rng.permutation(background)[:BACKGROUND], rng.permutation(negative)[:NEGATIVES]

    def _missing(self, networks: Iterable[str]) -> tuple[str, ...]:
        """Groups of columns that at least one of the networks (nearly) never has."""
        for network in networks:
            if network not in self._lacking:
                self._lacking[network] = _lacking(self.flows, network)
        return tuple(sorted(set().union(*(self._lacking[network] for network in networks))))


def _lacking(flows: Flows, network: str) -> set[str]:
    rows = flows.features[flows.network == network]
    missing = set()
    for group, name in WITNESS.items():
        column = rows[:, INDEX[name]]
        present = column > 0 if name.startswith("has.") else ~np.isnan(column)
        if present.mean() < RARE:
            missing.add(group)
    return missing


def _by_capture(flows: Flows, rows: IntArray, count: int, rng: np.random.Generator) -> IntArray:
    """`count` rows, one of each capture in turn, so that no capture drowns the rest."""
    rows = rng.permutation(rows)
    captures = flows.capture[rows]
    turn = np.zeros(len(rows), np.intp)
    for capture in np.unique(captures):
        here = captures == capture
        turn[here] = np.arange(here.sum())
    return rows[np.argsort(turn, kind="stable")[:count]]
