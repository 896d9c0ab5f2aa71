"""What can be asked of a learner: threats by family, and services by port.

A threat task is a family of malicious flows. There are too few of these to learn from alone, so
services multiply them: flows to one port that were (or were not) answered, of whatever label, from
every network they occur in. A port is no feature, and the service of an unanswered flow is not
either, so a learner has to find what makes these flows alike across networks.

Service tasks play the part that clusters play in Hsu et al., "Unsupervised Learning via
Meta-Learning" (CACTUs, ICLR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.features.table import INDEX
from metatap_training.datasets.flows import MALICIOUS, Flows, IntArray

MIN_ROWS = 6
"""A class with fewer flows makes no task."""

DYNAMIC_PORT = 10_000
"""Ports from here on are no service."""


@dataclass(frozen=True, slots=True)
class Task:
    """A class of flows that can be asked for.

    Attributes:
        name: Family, or service such as `tcp/22 answered`.
        threat: Whether it is a threat.
        places: Network → capture → rows (intp).
        key: Number of the service among `keys`, −1 for a threat; flows with the same number are no
            negatives of the task.
    """

    name: str
    threat: bool
    places: dict[str, list[IntArray]]
    key: int = -1

    @property
    def rows(self) -> int:
        """Number of flows."""
        return sum(len(part) for parts in self.places.values() for part in parts)


def threat_tasks(flows: Flows) -> list[Task]:
    """A task for each family of malicious flows with at least `MIN_ROWS` rows, by name."""
    malicious = flows.label == MALICIOUS
    tasks = []
    for family in np.unique(flows.family[malicious]):
        rows = np.flatnonzero(malicious & (flows.family == family))
        task = Task(str(family), threat=True, places=_places(flows, rows))
        if task.rows >= MIN_ROWS:
            tasks.append(task)
    return tasks


def service_keys(flows: Flows) -> npt.NDArray[np.str_]:
    """str [n], the service each flow was for and whether it was answered, "" for none."""
    answered = np.nan_to_num(flows.features[:, INDEX["resp_pkts"]]) > 0
    port = np.array([int(service.partition("/")[2]) for service in flows.service], np.int64)
    keys = np.char.add(flows.service, np.where(answered, " answered", " unanswered"))
    return np.where(port < DYNAMIC_PORT, keys, "")


def service_tasks(flows: Flows, keys: npt.NDArray[np.str_]) -> tuple[list[Task], IntArray]:
    """A task for each service found in at least two networks, by name.

    Args:
        flows: n flows.
        keys: str [n] from `service_keys`.

    Returns:
        The tasks, and intp [n]: the number of each flow's service, −1 for none.
    """
    names, codes = np.unique(keys, return_inverse=True)
    codes = np.where(keys == "", -1, codes).astype(np.intp)
    tasks = []
    order = np.argsort(codes, kind="stable")
    for code, rows in _runs(codes[order], order):
        task = Task(str(names[code]), threat=False, places=_places(flows, rows), key=code)
        if code >= 0 and task.rows >= MIN_ROWS and len(task.places) > 1:
            tasks.append(task)
    return tasks, codes


def _runs(sorted_codes: IntArray, order: IntArray) -> list[tuple[int, IntArray]]:
    codes, starts = np.unique(sorted_codes, return_index=True)
    parts = np.split(order, starts[1:])
    return [(int(code), np.sort(part)) for code, part in zip(codes, parts, strict=True)]


def _places(flows: Flows, rows: IntArray) -> dict[str, list[IntArray]]:
    places: dict[str, list[IntArray]] = {}
    for network in np.unique(flows.network[rows]):
        here = rows[flows.network[rows] == network]
        captures = flows.capture[here]
        places[str(network)] = [here[captures == capture] for capture in np.unique(captures)]
    return places
