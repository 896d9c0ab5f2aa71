"""A bounded sample of a stream of flows, shared alike by its groups.

A group is (label, network, family). Each flow is given a random number when it is seen; a group's
sample are its flows with the smallest ones ("bottom-k": Cohen & Kaplan, "Summarizing data using
bottom-k sketches", PODC 2007), so it is a uniform sample of all its flows at any time, and the same
one however the stream is cut. k is the same for all groups: the largest with which the sample
fits its bound. It only falls as the stream goes on, so what was let go is never missed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap_training.datasets.flows import Flows, IntArray, concat
from metatap_training.datasets.sources import DataError

POOL_ROWS = 200_000
"""Flows of a sample, if nothing else is asked for: about 250 MB, and twice that while it changes.
An episode asks for some 2,000 flows and training takes 800 of these; more would hardly be seen."""

SLACK = 1.25
"""The sample is cut to its bound when it is so many times as large: cutting costs a copy."""

FloatArray = npt.NDArray[np.float64]
Group = tuple[int, str, str]


class Reservoir:
    """A sample of at most `rows` flows, the same for the same seed and flows.

    Attributes:
        seen: Flows added.
    """

    def __init__(self, rows: int = POOL_ROWS, seed: int = 0) -> None:
        """Start empty."""
        self.seen = 0
        self._rows = rows
        self._rng = np.random.default_rng(seed)
        self._numbers: dict[Group, int] = {}
        self._counts = np.zeros(0, np.intp)
        self._cut = np.zeros(0)
        self._held: list[tuple[Flows, IntArray, FloatArray]] = []
        self._size = 0

    def add(self, flows: Flows) -> None:
        """Take in n flows.

        Raises:
            DataError: there are more groups than the sample has rows.
        """
        self.seen += len(flows)
        group, key = self._grouped(flows), self._rng.random(len(flows))
        self._counts += np.bincount(group, minlength=len(self._counts))
        if len(self._numbers) > self._rows:
            raise DataError(
                f"more than {self._rows} different families and networks: too many for a pool "
                f"of {self._rows} flows"
            )
        enters = key < self._cut[group]
        if enters.any():
            self._held.append((flows.take(enters), group[enters], key[enters]))
            self._size += int(enters.sum())
        if self._size > SLACK * self._rows:
            self._trim()

    def flows(self) -> Flows:
        """The sample, in the order of the stream.

        Raises:
            DataError: nothing was added.
        """
        if not self._held:
            raise DataError("no flows")
        self._trim()
        return self._held[0][0]

    def _grouped(self, flows: Flows) -> IntArray:
        """intp [n], the number of each flow's group; new ones are taken in."""
        networks, network = np.unique(flows.network, return_inverse=True)
        families, family = np.unique(flows.family, return_inverse=True)
        joint = (flows.label.astype(np.intp) * len(networks) + network) * len(families) + family
        _, first, inverse = np.unique(joint, return_index=True, return_inverse=True)
        codes = [
            self._numbers.setdefault(
                (int(flows.label[row]), str(flows.network[row]), str(flows.family[row])),
                len(self._numbers),
            )
            for row in first.tolist()
        ]
        new = len(self._numbers) - len(self._cut)
        self._cut = np.concatenate([self._cut, np.full(new, np.inf)])
        self._counts = np.concatenate([self._counts, np.zeros(new, np.intp)])
        return np.asarray(np.array(codes, np.intp)[inverse])

    def _trim(self) -> None:
        """Have one part, of at most the bound."""
        parts = self._held
        group = np.concatenate([part[1] for part in parts])
        key = np.concatenate([part[2] for part in parts])
        flows = concat([part[0] for part in parts])
        share = even_share(self._counts, self._rows)
        if share < self._counts.max():
            held = np.bincount(group, minlength=len(self._numbers))
            order = np.lexsort((key, group))
            starts = np.cumsum(held) - held
            rank = np.arange(len(order)) - starts[group[order]]
            full = order[rank == share - 1]
            self._cut[group[full]] = key[full]
            kept = np.sort(order[rank < share])
            flows, group, key = flows.take(kept), group[kept], key[kept]
        self._held, self._size = [(flows, group, key)], len(group)


def even_share(counts: IntArray, total: int) -> int:
    """The largest k with Σ min(count, k) ≤ total, at least 1.

    Args:
        counts: [G], flows of each group.
        total: Flows in all, ≥ G.
    """
    ascending = np.sort(counts)
    if int(ascending.sum()) <= total:
        return max(int(ascending[-1]), 1) if len(ascending) else 1
    below = np.cumsum(ascending) - ascending
    left = len(ascending) - np.arange(len(ascending))
    shares = (total - below) // left
    at = int(np.argmax(shares < ascending))
    return max(int(shares[at]), 1)
