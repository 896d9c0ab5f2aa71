"""Whether flows are enough to train on, and what the episodes take from them.

An episode takes its background from up to `Sizes.networks` networks and its tasks from the others.
Flows of many networks do as they are. Those of one or two do not: then every network is cut into
parts that count as networks. Each class of flows (benign, unknown, each family) is cut by itself,
in the order of time, so that every part has some of each: a task's support, its other positives
and the background are then from different times of the same network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.datasets.sources import DataError
from metatap_training.episodes import Sizes, Task, service_tasks, threat_tasks
from metatap_training.episodes.tasks import MIN_ROWS, service_keys

FAMILIES = 3
"""Families with at least `MIN_ROWS` flows that training needs: with fewer there is nothing that
threats could have in common."""

GROUND = 100
"""A network with fewer benign flows gives no background (see `episodes.Sampler`)."""

PARTS = (3, 6)
"""Parts that a network is cut into, at least and at most."""

_APART = 2
"""Networks that must be left when an episode has taken its background."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Flows fit to train on.

    Attributes:
        flows: The flows; the names of their networks are those of parts if these were needed.
        sizes: Of the episodes.
        parts: Parts that each network was cut into, 1 if none was.
    """

    flows: Flows
    sizes: Sizes
    parts: int = 1


def plan(flows: Flows, sizes: Sizes) -> Plan:
    """What to train on.

    Args:
        flows: Cleaned flows.
        sizes: Of the episodes, as the recipe has them; kept where the networks are enough.

    Raises:
        DataError: there are too few flows or families; says how many there are and are needed.
    """
    _require(flows)
    whole = _fitting(flows, sizes)
    if whole is not None:
        return Plan(flows, whole)
    benign = flows.network[flows.label == BENIGN]
    most = int(np.unique(benign, return_counts=True)[1].max())
    parts = int(np.clip(most // GROUND, *PARTS))
    cut = in_parts(flows, parts)
    fitting = _fitting(cut, sizes)
    if fitting is None:
        raise DataError(
            f"{most} benign flows in the largest network, {PARTS[0] * GROUND} are needed "
            "(after cleaning), and threats of more than one time or network"
        )
    return Plan(cut, fitting, parts)


def in_parts(flows: Flows, parts: int) -> Flows:
    """The same flows, each network cut into so many, named `NETWORK 1/6` and so on."""
    _, network = np.unique(flows.network, return_inverse=True)
    _, family = np.unique(flows.family, return_inverse=True)
    family[flows.label != MALICIOUS] = -1
    order = np.lexsort((np.arange(len(flows)), flows.ts, family, flows.label, network))
    keys = np.stack([network, flows.label, family])[:, order]
    starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(0)])
    sizes = np.diff(np.r_[starts, len(order)])
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    part = np.empty(len(order), np.intp)
    part[order] = rank * parts // np.repeat(sizes, sizes) + 1
    names = [f"{name} {at}/{parts}" for name, at in zip(flows.network, part, strict=True)]
    return replace(flows, network=np.array(names, np.str_))


def _require(flows: Flows) -> None:
    if not (flows.label == BENIGN).any():
        raise DataError("no benign flows: a threat is learned against them")
    families = [task.name for task in threat_tasks(flows)]
    if len(families) < FAMILIES:
        found = ", ".join(families) or "none"
        raise DataError(
            f"{len(families)} families of threats with at least {MIN_ROWS} flows each ({found}), "
            f"{FAMILIES} are needed"
        )


def _fitting(flows: Flows, sizes: Sizes) -> Sizes | None:
    """The sizes with as many networks to a background as the flows bear; None if they bear none."""
    networks = set(np.unique(flows.network).tolist())
    names, counts = np.unique(flows.network[flows.label == BENIGN], return_counts=True)
    grounds = set(names[counts >= GROUND].tolist())
    threats = threat_tasks(flows)
    services, _ = service_tasks(flows, service_keys(flows))
    for count in range(min(sizes.networks, len(grounds)), 0, -1):
        if len(networks) - count >= _APART and _drawable(threats, grounds, count):
            shared = _drawable(services, grounds, count)
            return replace(sizes, networks=count, services=sizes.services if shared else 0.0)
    return None


def _drawable(tasks: Sequence[Task], grounds: set[str], count: int) -> bool:
    """Whether, whichever `count` of the grounds are taken, some task has three flows elsewhere."""
    rich: set[str] = set()
    for task in tasks:
        rows = {network: sum(map(len, parts)) for network, parts in task.places.items()}
        taken = sorted((rows[network] for network in rows.keys() & grounds), reverse=True)
        if sum(rows.values()) - sum(taken[:count]) > 2:
            return True
        rich |= {network for network, flows in rows.items() if flows > 2}
    return bool(rich - grounds) or len(rich) > count
