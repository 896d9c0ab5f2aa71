"""The stated rule by which flows are dropped before any task is drawn.

1. `duplicate`: of flows with the same features of their own (their context left aside) in one
   capture under one label and family, `DUPLICATES_KEPT` stay, spread evenly over them, so that
   every stage of a flood or scan is there (these hold thousands of equal flows).
2. `like_benign`: a malicious flow whose label was given to the whole capture (scope `capture`)
   is taken for benign chatter, and dropped, when its own features equal those of a benign one of
   any network, or when at least `BENIGN_NEIGHBOURS` of its `NEIGHBOURS` nearest flows (Euclidean,
   on normalised features of their own, among the benign and the same family's flows of its own
   network) are benign.

Flows of unknown label are never negatives of a task and never in a background; they serve only
tasks that ask for a service, where the label plays no part. Flood and scan families are further
held down by drawing captures first and flows second (see `episodes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestNeighbors

from metatap.features import NAMES
from metatap_training.datasets.flows import BENIGN, MALICIOUS, Flows
from metatap_training.preprocess.columns import is_context
from metatap_training.preprocess.scaling import fit_scaling

DUPLICATES_KEPT = 8
NEIGHBOURS = 5
BENIGN_NEIGHBOURS = 4

BoolArray = npt.NDArray[np.bool_]

OWN = np.array([not is_context(name) for name in NAMES])
"""bool [F], features of the flow itself: equal flows are equal whatever their hosts did before."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Flows that stayed, and how many did not, by reason."""

    flows: Flows
    dropped: dict[str, int]


def clean(flows: Flows) -> Cleaned:
    """Apply the rule of this module to published flows."""
    duplicate = _duplicates(flows)
    kept = flows.take(~duplicate)
    noise = _like_benign(kept)
    dropped = {"duplicate": int(duplicate.sum()), "like_benign": int(noise.sum())}
    return Cleaned(kept.take(~noise), dropped)


def row_ids(flows: Flows) -> npt.NDArray[np.uint64]:
    """uint64 [n], equal for flows with the same features of their own (a hash of their bits)."""
    bits = np.ascontiguousarray(flows.features[:, OWN]).view(np.uint32).astype(np.uint64)
    odd = np.random.default_rng(1).integers(1, 2**63, bits.shape[1], np.uint64) * np.uint64(2)
    mixed = (bits + np.uint64(0x9E3779B9)) * (odd + np.uint64(1))
    mixed ^= mixed >> np.uint64(29)
    return np.asarray((mixed * np.uint64(0xBF58476D1CE4E5B9)).sum(1, dtype=np.uint64))


def _duplicates(flows: Flows) -> BoolArray:
    """bool [n], flows of more than `DUPLICATES_KEPT` equal ones that are not to stay."""
    captures = np.unique(flows.capture, return_inverse=True)[1].astype(np.uint64)
    families = np.unique(flows.family, return_inverse=True)[1].astype(np.uint64)
    keys = np.stack([row_ids(flows), flows.label.astype(np.uint64), captures, families])
    order = np.lexsort(keys)
    sorted_keys = keys[:, order]
    starts = np.r_[True, (sorted_keys[:, 1:] != sorted_keys[:, :-1]).any(0)]
    position = np.arange(len(order))
    rank = position - np.maximum.accumulate(np.where(starts, position, 0))
    run = np.cumsum(starts) - 1
    size = np.bincount(run)[run]
    stays = (rank + 1) * DUPLICATES_KEPT // size > rank * DUPLICATES_KEPT // size
    duplicate = np.zeros(len(flows), np.bool_)
    duplicate[order] = (size > DUPLICATES_KEPT) & ~stays
    return duplicate


def _like_benign(flows: Flows) -> BoolArray:
    """bool [n], malicious flows of a weak label that look benign."""
    benign = flows.label == BENIGN
    weak = (flows.label == MALICIOUS) & (flows.scope == "capture")
    ids = row_ids(flows)
    noise: BoolArray = weak & np.isin(ids, ids[benign])
    scaled = fit_scaling(flows).apply(flows.features)[:, OWN]
    for network in np.unique(flows.network[weak]):
        here = flows.network == network
        ordinary = np.flatnonzero(here & benign)
        if len(ordinary) < NEIGHBOURS:
            continue
        for family in np.unique(flows.family[here & weak]):
            asked = np.flatnonzero(here & weak & (flows.family == family))
            pool = np.r_[ordinary, asked]
            near = NearestNeighbors(n_neighbors=min(NEIGHBOURS + 1, len(pool))).fit(scaled[pool])
            found = near.kneighbors(scaled[asked], return_distance=False)
            others = (found < len(ordinary)) & (pool[found] != asked[:, None])
            noise[asked[others.sum(1) >= BENIGN_NEIGHBOURS]] = True
    return noise
