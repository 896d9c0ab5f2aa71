"""Which families are told apart, and which sequences of theirs train and which test.

The families are all those of at least 100 flows and 30 sequences in two or more captures of sources
that may train a model, and the largest one of a single capture, which is split within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from metatap_training.datasets.sources import DataError
from metatap_training.founding.sequences import IntArray, Sequences

FAMILIES: tuple[str, ...] = (
    "apt29-emulation",
    "cryptominer-getblocktemplate",
    "cryptominer-stratum",
    "empire",
    "http-beacon",
    "internet-attack-noise",
    "mirai-ddos",
    "portscan",
    "roguerobin-powershell",
    "symbiote",
)

TEST_SHARE = 0.4
"""Share of a family's sequences that its test captures hold, at most (one capture at least)."""

TEST_LEAST = 0.2
"""Share that whole pairs of hosts hold at least; where they do not, the split is by time."""

PER_CAPTURE = 200
"""Sequences of a family and capture, at most: a flood holds thousands of nearly equal ones."""


class SplitBy(StrEnum):
    """By what a family is split."""

    CAPTURE = "capture"
    """Whole captures are on one side."""

    PAIR = "pair of hosts"
    """One capture: whole pairs of hosts are on one side, the later ones in the test."""

    TIME = "time"
    """One capture, nearly all of one pair of hosts: the later sequences are in the test."""


@dataclass(frozen=True, slots=True)
class Split:
    """Training and test part.

    Attributes:
        train: The training part.
        test: The test part.
        by: Family → by what it was split.
    """

    train: Sequences
    test: Sequences
    by: dict[str, SplitBy]


def thin(sequences: Sequences, limit: int = PER_CAPTURE) -> Sequences:
    """At most `limit` sequences of each family and capture, evenly over its time."""
    kept = []
    for family in np.unique(sequences.family):
        for capture in np.unique(sequences.capture[sequences.family == family]):
            rows = np.flatnonzero((sequences.family == family) & (sequences.capture == capture))
            rows = rows[np.argsort(sequences.place[rows], kind="stable")]
            if len(rows) > limit:
                rows = rows[np.arange(limit) * len(rows) // limit]
            kept.append(rows)
    return sequences.take(np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.intp))


def split(sequences: Sequences, families: tuple[str, ...], seed: int = 0) -> Split:
    """Split each family by capture, or within its only one.

    Args:
        sequences: Of the families.
        families: Each must have two sequences at least.
        seed: Of the order in which captures are drawn for the test.

    Raises:
        DataError: a family has fewer sequences; names it.
    """
    rng = np.random.default_rng(seed)
    in_test = np.zeros(len(sequences), np.bool_)
    by: dict[str, SplitBy] = {}
    for family in families:
        rows = np.flatnonzero(sequences.family == family)
        if len(rows) < 2:
            raise DataError(f"{family}: {len(rows)} sequences, two at least are needed")
        captures = sequences.capture[rows]
        if len(np.unique(captures)) > 1:
            by[family], chosen = SplitBy.CAPTURE, _captures(captures, rng)
        else:
            by[family], chosen = _within(sequences.pair[rows], sequences.place[rows])
        in_test[rows[chosen]] = True
    asked = np.isin(sequences.family, np.array(families))
    return Split(sequences.take(asked & ~in_test), sequences.take(asked & in_test), by)


def _captures(captures: npt.NDArray[np.str_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Captures in random order as long as they fit; the smallest one where none does."""
    names, sizes = np.unique(captures, return_counts=True)
    chosen: list[int] = []
    for at in rng.permutation(len(names)).tolist():
        if sizes[[*chosen, at]].sum() <= TEST_SHARE * len(captures):
            chosen.append(at)
    found: npt.NDArray[np.bool_] = np.isin(captures, names[chosen or [int(sizes.argmin())]])
    return found


def _within(
    pair: npt.NDArray[np.uint64], place: npt.NDArray[np.int64]
) -> tuple[SplitBy, npt.NDArray[np.bool_]]:
    """The pairs of hosts that come last, as long as they fit; by time where they are too few."""
    number = np.unique(pair, axis=0, return_inverse=True)[1].ravel()
    first = np.array([place[number == at].min() for at in range(int(number.max()) + 1)])
    chosen: list[int] = []
    for at in np.argsort(-first).tolist():
        if np.isin(number, [*chosen, at]).sum() <= TEST_SHARE * len(number):
            chosen.append(at)
    if np.isin(number, chosen).sum() >= TEST_LEAST * len(number):
        return SplitBy.PAIR, np.isin(number, chosen)
    late: IntArray = np.argsort(place, kind="stable")[-max(int(TEST_SHARE * len(place)), 1) :]
    found = np.zeros(len(place), np.bool_)
    found[late] = True
    return SplitBy.TIME, found
