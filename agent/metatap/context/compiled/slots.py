"""Where keys are kept: the loop of `slots.locate`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from metatap.compiling import entry
from metatap.context.compiled.types import (
    COUNTS,
    DOUBLINGS,
    MARKS,
    READ_I64,
    READ_U64,
    SLOT,
    TABLE,
    TAGS,
    TIMES,
)
from metatap.context.slots import HALF_LIFE_NS, NEVER, WAYS

_MOST = np.iinfo(np.int64).max


@entry(
    COUNTS(
        TAGS, TIMES, MARKS, DOUBLINGS, TABLE, numba.uint16, READ_U64, READ_I64, numba.int64,
        SLOT,
    )
)  # fmt: skip
def locate_rows(
    tags: Any, time: Any, marks: Any, doublings: Any, stats: Any, batch: Any,
    keys: Any, ended: Any, set_back: Any, at: Any,
) -> Any:  # fmt: skip
    """As `slots.locate`, into `at`; how many keys were replaced and unplaced."""
    mask = np.uint64(len(tags) - 1)
    has_stats = len(stats) > 0
    flows = len(ended)
    missing = replaced = unplaced = 0
    # Without a branch, so that the reads of many keys wait for memory at once.
    for row in range(len(keys)):
        place, tag = np.intp(keys[row] & mask), np.uint32(keys[row] >> np.uint64(32))
        slot: Any = -1
        for way in range(WAYS):
            slot = place * WAYS + way if tags[place, way] == tag else slot
        at[row] = slot
    for first in range(0, len(keys), max(flows, 1)):
        for flow in range(flows):
            slot = at[first + flow]
            if slot < 0:
                missing += 1
                continue
            place, way = slot // WAYS, slot % WAYS
            if marks[place, way] != batch:
                marks[place, way] = batch
                if time[place, way] > ended[flow] + set_back:
                    time[place, way] = NEVER
                    doublings[place, way] = 0
                    if has_stats:
                        stats[slot] = 0.0
    if missing == 0:
        return replaced, unplaced
    for row in range(len(keys)):
        if at[row] >= 0:
            continue
        place, tag = np.intp(keys[row] & mask), np.uint32(keys[row] >> np.uint64(32))
        found, best, least = -1, -1, _MOST
        for way in range(WAYS):
            if tags[place, way] == tag:
                found = way
                break
            if marks[place, way] == batch:
                continue
            worth = time[place, way]
            if worth != NEVER:
                worth += np.int64(doublings[place, way]) * HALF_LIFE_NS
            if worth < least:
                best, least = way, worth
        if found < 0 and best >= 0:
            found = best
            replaced += tags[place, found] != 0
            tags[place, found] = tag
            marks[place, found] = batch
            time[place, found] = NEVER
            doublings[place, found] = 0
            if has_stats:
                stats[place * WAYS + found] = 0.0
        if found < 0:
            unplaced += 1
        else:
            at[row] = place * WAYS + found
    return replaced, unplaced
