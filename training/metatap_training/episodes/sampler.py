"""Draws episodes: T tasks that share a background and negatives.

For each episode: what its tasks are (threats, services or neighbourhoods) and which columns it
takes away; one to three networks give the background and, disjoint from it, the negatives;
then tasks from networks that are not among these. A task's support has K rows from one network,
from all its captures or from one; its positive queries come from another network if it has one
(that is not the background's), else another capture, else the rest. Negatives of the support's own
network are mixed in, so that telling networks apart wins nothing. Where no task has flows outside
of the background's networks, another, single network gives the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap_training.datasets.flows import BENIGN, Flows, IntArray
from metatap_training.datasets.sources import DataError
from metatap_training.episodes.masks import Mask, draw_mask
from metatap_training.episodes.neighbours import Neighbourhood, draw_neighbourhood
from metatap_training.episodes.tasks import Task
from metatap_training.preprocess import Scaling

BoolArray = npt.NDArray[np.bool_]
Rows = tuple[IntArray, IntArray, IntArray, IntArray]
"""Support, positive queries, own negatives and counter-examples of a task."""

COUNTERS = 4
"""Most counter-examples of a task."""

LEAST = 32
"""An episode with fewer flows in its background, or fewer negatives, is drawn again: where nearly
all traffic is to a few services, the tasks of an episode may ask for all of it."""

TRIES = 200

COMMON = 0.08
"""A neighbourhood that holds this share of the benign flows is no task."""

NEEDED = "a network with benign flows to tell it from; give flows of more networks"

MISSES = 64
"""Tries by chance before all tasks are looked at."""

CANDIDATES = 1500
"""Flows of each network that a neighbourhood is looked for in."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Rows of an episode.

    Attributes:
        tasks: T.
        support: Most rows of a support; K is drawn from 1 to this.
        background: m.
        negatives: Negatives of the background's networks.
        queries: Positive queries of each task.
        own: Negatives of each support's own network.
        networks: Most networks a background comes from.
        threats: Chance that an episode's tasks are threats.
        services: Chance that they are services; else they are neighbourhoods. Flows that a task
            of the episode asks for are neither its background nor its negatives.
        counter: Chance that a task has counter-examples.
        bare: Chance that the support has no context while all else has.
    """

    tasks: int = 8
    support: int = 10
    background: int = 512
    negatives: int = 1024
    queries: int = 24
    own: int = 32
    networks: int = 3
    threats: float = 0.5
    services: float = 0.2
    counter: float = 0.15
    bare: float = 0.05


@dataclass(frozen=True, slots=True)
class Episode:
    """Row numbers (intp) and masks (bool) of T tasks.

    Attributes:
        background: [m].
        negatives: [M].
        support: [T, k], padded with row 0.
        positive: [T, k], the row is an example.
        counter: [T, k], the row is a counter-example.
        queries: [T, q], positives, padded.
        asked: [T, q], the query is there.
        own: [T, o], negatives of the support's network, padded.
        own_there: [T, o].
        mask: Columns that are taken away.
        bare: The support's context is taken away, as in a pack that was written by hand.
    """

    background: IntArray
    negatives: IntArray
    support: IntArray
    positive: BoolArray
    counter: BoolArray
    queries: IntArray
    asked: BoolArray
    own: IntArray
    own_there: BoolArray
    mask: Mask
    bare: bool


class Sampler:
    """Draws episodes from flows, the same ones for the same seed."""

    def __init__(
        self,
        flows: Flows,
        scaling: Scaling,
        *,
        tasks: Sequence[Task],
        keys: IntArray,
        sizes: Sizes,
        seed: int,
    ) -> None:
        """Prepare the draws.

        Args:
            flows: n flows.
            scaling: Normalisation of their features.
            tasks: Tasks over these flows.
            keys: intp [n], each flow's service, from `service_tasks`.
            sizes: Rows of an episode.
            seed: Seed of all draws.
        """
        self.sizes = sizes
        self._rng = np.random.default_rng(seed)
        self._keys = keys
        self._scaling = scaling
        self.scaled = scaling.apply(flows.features)
        benign = flows.label == BENIGN
        self._benign = {
            str(network): np.flatnonzero(benign & (flows.network == network))
            for network in np.unique(flows.network[benign])
        }
        self._networks = [n for n, rows in self._benign.items() if len(rows) >= 100]
        self._all = [np.flatnonzero(flows.network == n) for n in np.unique(flows.network)]
        self._all_names = [str(n) for n in np.unique(flows.network)]
        kinds = [[t for t in tasks if t.threat], [t for t in tasks if not t.threat]]
        self._kinds = [(kind, _weights(kind)) for kind in kinds]

    def spread(self, per_network: int) -> IntArray:
        """Rows of all networks, at most `per_network` of each."""
        return np.concatenate([_some(self._rng, rows, per_network) for rows in self._all])

    def draw(self) -> Episode:
        """The next episode.

        Raises:
            DataError: there is no task of the kind drawn, wherever the background is from, or the
                tasks hardly ever leave a background.
        """
        for _ in range(TRIES):
            episode = self._once()
            if min(len(episode.background), len(episode.negatives)) >= LEAST:
                return episode
        raise DataError(
            "the benign flows are too alike: hardly any are left as a background once a task's own "
            "service is taken away"
        )

    def _once(self) -> Episode:
        rng, sizes = self._rng, self.sizes
        mask = draw_mask(self._scaling, rng)
        count = int(rng.integers(1, min(sizes.networks, len(self._networks)) + 1))
        chosen = [str(n) for n in rng.choice(self._networks, count, replace=False)]
        taken = set(chosen)
        share = -(-(sizes.background + sizes.negatives) // count)
        pool = np.concatenate([_some(rng, self._benign[n], share) for n in chosen])
        kind = rng.random()
        if kind < sizes.threats + sizes.services:
            threat = kind < sizes.threats
            if not self._free(taken, threat=threat):
                taken, pool = self._other_ground(threat=threat)
            tasks = [self._task(taken, threat=threat) for _ in range(sizes.tasks)]
            parts = [self._rows(task, taken) for task in tasks]
            asked_for = np.array([task.key for task in tasks if task.key >= 0], np.intp)
            pool = pool[~np.isin(self._keys[pool], asked_for)]
        else:
            if taken.issuperset(self._all_names):
                taken, pool = self._one_ground()
            parts, near = [], np.zeros(len(pool), np.bool_)
            for _ in range(MISSES * sizes.tasks):
                if len(parts) == sizes.tasks:
                    break
                place, part = self._neighbours(taken, mask)
                inside = place.near(self.scaled[pool])
                if inside.mean() < COMMON:
                    parts.append(part)
                    near |= inside
            if not parts:
                raise DataError("no task: every neighbourhood holds too much of the benign flows")
            parts += [parts[at % len(parts)] for at in range(sizes.tasks - len(parts))]
            pool = pool[~near]
        return self._episode(rng.permutation(pool), parts, mask)

    def _episode(self, pool: IntArray, parts: Sequence[Rows], mask: Mask) -> Episode:
        sizes = self.sizes
        edge = len(pool) * sizes.background // (sizes.background + sizes.negatives)
        support, positive = _pad([part[0] for part in parts], sizes.support)
        queries, asked = _pad([part[1] for part in parts], sizes.queries)
        own, own_there = _pad([part[2] for part in parts], sizes.own)
        extra, counter = _pad([part[3] for part in parts], COUNTERS)
        return Episode(
            background=pool[:edge],
            negatives=pool[edge:],
            support=np.concatenate([support, extra], 1),
            positive=np.concatenate([positive, np.zeros_like(counter)], 1),
            counter=np.concatenate([np.zeros_like(positive), counter], 1),
            queries=queries,
            asked=asked,
            own=own,
            own_there=own_there,
            mask=mask,
            bare=bool(self._rng.random() < sizes.bare),
        )

    def _neighbours(self, taken: set[str], mask: Mask) -> tuple[Neighbourhood, Rows]:
        """A neighbourhood over two networks that are not taken, or the one there is; its rows."""
        rng, sizes = self._rng, self.sizes
        free = [rows for n, rows in zip(self._all_names, self._all, strict=True) if n not in taken]
        chosen = rng.choice(len(free), min(2, len(free)), replace=False)
        candidates = np.concatenate([_some(rng, free[at], CANDIDATES) for at in chosen])
        wanted = min(len(candidates) - 1, int(rng.integers(8, sizes.support + sizes.queries)))
        place = draw_neighbourhood(self.scaled, candidates, mask.columns, wanted, rng)
        inside = rng.permutation(place.inside)
        k = min(int(rng.integers(1, sizes.support + 1)), len(inside) - 1)
        outside = candidates[~place.near(self.scaled[candidates])][: sizes.own]
        return place, (inside[:k], inside[k:][: sizes.queries], outside, inside[:0])

    def _task(self, taken: set[str], *, threat: bool) -> Task:
        """A task that has flows outside the networks taken, of which there is one."""
        tasks, weights = self._kinds[0 if threat else 1]
        for _ in range(MISSES):
            task = tasks[int(self._rng.choice(len(tasks), p=weights))]
            if _has_free(task, taken):
                return task
        free = self._free(taken, threat=threat)
        return free[int(self._rng.choice(len(free), p=_weights(free)))]

    def _free(self, taken: set[str], *, threat: bool) -> list[Task]:
        """Tasks that have flows outside the networks taken."""
        return [task for task in self._kinds[0 if threat else 1][0] if _has_free(task, taken)]

    def _other_ground(self, *, threat: bool) -> tuple[set[str], IntArray]:
        """A single network that leaves a task possible, and its benign rows.

        Raises:
            DataError: none does.
        """
        able = [n for n in self._networks if self._free({n}, threat=threat)]
        if not able:
            kind = "threat" if threat else "service"
            raise DataError(f"no task: no {kind} has flows outside of {NEEDED}")
        return self._ground(able)

    def _one_ground(self) -> tuple[set[str], IntArray]:
        """As `_other_ground`, for neighbourhoods.

        Raises:
            DataError: there is but one network.
        """
        if len(self._all_names) < 2:
            raise DataError(f"no task: no flows outside of {NEEDED}")
        return self._ground(self._networks)

    def _ground(self, able: Sequence[str]) -> tuple[set[str], IntArray]:
        chosen = able[int(self._rng.integers(len(able)))]
        size = self.sizes.background + self.sizes.negatives
        return {chosen}, _some(self._rng, self._benign[chosen], size)

    def _rows(self, task: Task, taken: set[str]) -> Rows:
        """Support, positive queries, own negatives and counter-examples of a task."""
        rng, sizes = self._rng, self.sizes
        free = sorted(n for n in task.places if n not in taken)
        sizes_of = [sum(len(p) for p in task.places[n]) for n in free]
        free = [n for n, size in zip(free, sizes_of, strict=True) if size > 1]
        if not free:
            free = sorted(n for n in task.places if n not in taken)
        home = free[int(rng.integers(len(free)))]
        wanted = int(rng.integers(1, sizes.support + 1))
        captures = task.places[home]
        first = int(rng.integers(len(captures)))
        one = rng.random() < 0.5
        support = _some(rng, captures[first], wanted) if one else _across(rng, captures, wanted)
        others = [p for n in free if n != home for p in task.places[n]]
        if not others or rng.random() < 0.3:
            rest = [p for at, p in enumerate(captures) if at != first] if one else captures
            others = others + (rest or captures)
        queries = _across(rng, others, sizes.queries + len(support))
        queries = queries[~np.isin(queries, support)]
        if not len(queries):
            everything = _across(rng, captures, sizes.queries + len(support))
            queries = everything[~np.isin(everything, support)]
        if not len(queries) and len(support) > 1:
            support, queries = support[:-1], support[-1:]
        near = self._benign.get(home, np.zeros(0, np.intp))
        near = near[(self._keys[near] != task.key) | (task.key < 0)]
        near = _some(rng, near, sizes.own + COUNTERS)
        few = int(rng.integers(1, COUNTERS + 1)) if rng.random() < sizes.counter else 0
        return support, queries[: sizes.queries], near[few : few + sizes.own], near[:few]


def _has_free(task: Task, taken: set[str]) -> bool:
    """Whether a task has a support and a query outside the networks taken."""
    return sum(len(p) for n in task.places.keys() - taken for p in task.places[n]) > 2


def _weights(tasks: Sequence[Task]) -> npt.NDArray[np.float64]:
    """Chance of each task: the fourth root of its size, so that small families count."""
    weights = np.array([task.rows for task in tasks], np.float64) ** 0.25
    return np.asarray(weights / max(weights.sum(), 1e-9))


def _some(rng: np.random.Generator, rows: IntArray, count: int) -> IntArray:
    """At most `count` random rows, in random order."""
    if len(rows) > 4 * count:
        return rng.permutation(rows[np.unique(rng.integers(0, len(rows), count))])
    return rng.permutation(rows)[:count]


def _across(rng: np.random.Generator, captures: Sequence[IntArray], count: int) -> IntArray:
    """At most `count` rows, captures first and rows second, so that no capture drowns the rest."""
    if len(captures) == 1:
        return _some(rng, captures[0], count)
    chosen = rng.permutation(len(captures))[:count]
    share = -(-2 * count // len(chosen))
    rows = np.concatenate([_some(rng, captures[at], share) for at in chosen])
    return rng.permutation(rows)[:count]


def _pad(rows: Sequence[IntArray], width: int) -> tuple[IntArray, BoolArray]:
    padded = np.zeros((len(rows), width), np.intp)
    there = np.zeros((len(rows), width), np.bool_)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row[:width]
        there[at, : len(row)] = True
    return padded, there
