"""Which flows came first: support and background are earlier, queries later.

- A family: inside each of its captures, by time, the first half is early.
- A network made of at least `CAPTURES` captures: whole captures, in the order they began in, so
  that a campaign or a device is on one side only; where no cut leaves each side `LEAST` of the
  flows, and in networks of fewer captures, inside each capture by time.
- Without times, by a hash of the uid.

Flows whose own features are equal go to one side (an even or odd hash says which) where they would
be on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap_training.datasets.flows import Flows, IntArray

CAPTURES = 4
LEAST = 0.3
TIME, HASH = "time", "hash"

Ids = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Sides:
    """Rows (intp) of both sides.

    Attributes:
        early: [a].
        late: [b].
        split: `time` or `hash`.
    """

    early: IntArray
    late: IntArray
    split: str


def family_sides(flows: Flows, rows: IntArray) -> Sides:
    """Both sides of a family's flows, each capture on both.

    Args:
        flows: All flows.
        rows: intp [n], the family's.
    """
    timed = bool(np.isfinite(flows.ts[rows]).all())
    key = flows.ts[rows] if timed else flows.uid_hash[rows]
    early = _first_halves(flows.capture[rows], key, flows.uid_hash[rows])
    return Sides(rows[early], rows[~early], TIME if timed else HASH)


def network_sides(flows: Flows, rows: IntArray, ids: Ids) -> Sides:
    """Both sides of a network's benign flows, none of whose features is on both.

    Args:
        flows: All flows.
        rows: intp [n], the network's.
        ids: uint64 [all], equal for flows with the same features of their own.
    """
    timed = bool(np.isfinite(flows.ts[rows]).all())
    early = _whole_captures(flows.capture[rows], flows.ts[rows]) if timed else None
    if early is None:
        key = flows.ts[rows] if timed else flows.uid_hash[rows]
        early = _first_halves(flows.capture[rows], key, flows.uid_hash[rows])
    own = ids[rows]
    both = np.isin(own, np.intersect1d(own[early], own[~early]))
    side = (own >> np.uint64(17)) & np.uint64(1) == 0
    stays = ~both | (early == side)
    return Sides(rows[early & stays], rows[~early & stays], TIME if timed else HASH)


def _first_halves(
    captures: npt.NDArray[np.str_], key: npt.NDArray[np.generic], tie: Ids
) -> npt.NDArray[np.bool_]:
    """bool [n], the first half of each capture by a key; of a lone flow a hash decides."""
    order = np.lexsort((tie, key, captures))
    ordered = captures[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    size = np.diff(np.r_[starts, len(order)])
    place = (np.arange(len(order)) - np.repeat(starts, size) + 0.5) / np.repeat(size, size)
    alone = np.repeat(size == 1, size)
    place = np.where(alone, (tie[order] % np.uint64(1000)) / 1000, place)
    early = np.zeros(len(order), np.bool_)
    early[order] = place < 0.5
    return early


def _whole_captures(
    captures: npt.NDArray[np.str_], ts: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_] | None:
    """bool [n], the captures that began first, about half of the flows; None where that fails."""
    names, place = np.unique(captures, return_inverse=True)
    if len(names) < CAPTURES:
        return None
    began = np.full(len(names), np.inf)
    np.minimum.at(began, place, ts)
    order = np.argsort(began, kind="stable")
    upto = np.cumsum(np.bincount(place)[order]) / len(ts)
    cut = int(np.argmin(np.abs(upto - 0.5)))
    if not LEAST <= upto[cut] <= 1 - LEAST:
        return None
    return np.isin(place, order[: cut + 1])
