"""Where context is kept: fixed arrays of slots, four to a set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.context.layout import FLOWS, HALF_LIVES

WAYS = 4
"""Slots a key can be in: those of its set."""

NEVER = np.iinfo(np.int64).min
"""Time of a slot whose key has no flow yet."""

ENTRIES = 1 << 18
"""Slots with statistics, if nothing else is asked for; as many again hold a time only."""

ENTRIES_MIN, ENTRIES_MAX = 1 << 10, 1 << 26

HALF_LIFE_NS = int(HALF_LIVES[-1] * 1e9)

SlotArray = npt.NDArray[np.intp]

_TAG = np.uint64(0xFFFF_FFFF_0000_0000)
"""The part of a key that a slot's tag keeps."""


LINE = 64
"""Bytes of a cache line."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Slots of one kind, addressed by set × `WAYS` + way.

    All but the statistics of the four slots of a set share one cache line, and the statistics of
    each slot are one: a key that is looked for costs two reads from memory.

    Attributes:
        tags: uint32 [sets, WAYS], upper half of the key that has the slot; 0: nobody.
        time: int64 [sets, WAYS], ns, latest start of its flows.
        stats: float32 [sets × WAYS, WIDTH], see `layout`; [0, WIDTH] where only times are kept.
        marks: uint16 [sets, WAYS], for the compiled twin: the batch that last had the slot.
        doublings: int8 [sets, WAYS], likewise: how often its decayed count of flows has doubled.
        batch: uint16 [1], likewise: number of the batch it is at.
    """

    tags: npt.NDArray[np.uint32]
    time: npt.NDArray[np.int64]
    stats: npt.NDArray[np.float32]
    marks: npt.NDArray[np.uint16]
    doublings: npt.NDArray[np.int8]
    batch: npt.NDArray[np.uint16]

    @classmethod
    def empty(cls, entries: int, *, with_stats: bool) -> Slots:
        """Free slots; `entries` is a power of two."""
        lines = _lines(entries // WAYS)
        stats = _lines(entries if with_stats else 0)
        slots = cls(
            tags=lines[:, :16].view(np.uint32),
            time=lines[:, 16:48].view(np.int64),
            stats=stats.view(np.float32),
            marks=lines[:, 48:56].view(np.uint16),
            doublings=lines[:, 56:60].view(np.int8),
            batch=np.zeros(1, np.uint16),
        )
        slots.clear()
        return slots

    @property
    def nbytes(self) -> int:
        """Memory they take; it never grows."""
        return len(self.tags) * LINE + self.stats.nbytes

    def clear(self) -> None:
        """Forget everything; statistics are cleared when a slot gets a new key."""
        self.tags.fill(0)
        self.time.fill(NEVER)

    def next_batch(self) -> None:
        """Count another batch; where the numbers end, they start anew and no slot has a mark."""
        if self.batch[0] == np.iinfo(self.batch.dtype).max:
            self.batch[0] = 0
            self.marks.fill(0)
        self.batch[0] += 1


def _lines(count: int) -> npt.NDArray[np.uint8]:
    """uint8 [count, LINE] of zeros, each row a cache line."""
    memory = np.zeros((count + 1) * LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + count * LINE].reshape(count, LINE)


def at_slot(slot: SlotArray) -> tuple[SlotArray, SlotArray]:
    """Set and way of slots."""
    return slot // WAYS, slot % WAYS


@dataclass(slots=True)
class Evictions:
    """Keys that found no place of their own.

    Attributes:
        replaced: Slots taken from a key that had one: its history is forgotten.
        unplaced: Flows whose set was full of keys of their own batch: each counts as its key's
            first, and is forgotten.
    """

    replaced: int = 0
    unplaced: int = 0


def locate(
    slots: Slots,
    keys: npt.NDArray[np.uint64],
    ended: npt.NDArray[np.int64],
    set_back: int,
    evictions: Evictions,
) -> SlotArray:
    """Find each key's slot, give new keys one.

    A key that the batch brings back keeps its slot. A new one takes the free or least worthy slot
    of its set: a slot is worth its time, plus one half-life for each doubling of its decayed count
    of flows, so that a host of long standing outlives thousands that were seen once.

    Args:
        slots: Changed in place: slots of new keys are cleared and carry their tags.
        keys: uint64 [k · m], keys of m flows, kind after kind.
        ended: int64 [m], ns, end of the flow.
        set_back: A slot whose time is later than its first flow's end by more than this (ns) is
            cleared.
        evictions: Counts are added.

    Returns:
        intp [k · m], slot of each key, −1 where there was no place.
    """
    in_set = np.uint64(len(slots.tags) - 1)
    keys = keys & (_TAG | in_set)
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    sets = (unique & in_set).astype(np.intp)
    tags = (unique >> np.uint64(32)).astype(np.uint32)
    same = slots.tags[sets] == tags[:, None]
    found = same.any(1)
    where = np.where(found, sets * WAYS + same.argmax(1), -1)
    held = where[found]
    _clear(slots, held[slots.time[at_slot(held)] > ended[first[found] % len(ended)] + set_back])
    new = np.flatnonzero(~found)
    if len(new):
        new = new[np.argsort(first[new])]
        where[new] = _place(slots, sets[new], held, evictions)
        placed = new[where[new] >= 0]
        _clear(slots, where[placed])
        slots.tags[at_slot(where[placed])] = tags[placed]
    slot: SlotArray = where[inverse]
    evictions.unplaced += int((slot < 0).sum())
    return slot


def _clear(slots: Slots, at: SlotArray) -> None:
    slots.time[at_slot(at)] = NEVER
    if len(slots.stats):
        slots.stats[at] = 0


def _place(slots: Slots, sets: SlotArray, held: SlotArray, evictions: Evictions) -> SlotArray:
    """Slots [u] for new keys [u], which come in order; −1 where a set has none to give."""
    touched, at = np.unique(sets, return_inverse=True)
    ways = touched[:, None] * WAYS + np.arange(WAYS)
    worth = np.where(np.isin(ways, held), _MOST, _worth(slots, ways))
    order = np.argsort(worth, axis=1, kind="stable")
    by_set = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[by_set], np.arange(len(touched)))
    rank = np.empty(len(sets), np.intp)
    rank[by_set] = np.arange(len(sets)) - starts[at[by_set]]
    way = order[at, np.minimum(rank, WAYS - 1)]
    chosen = ways[at, way]
    free = (rank < WAYS) & (worth[at, way] != _MOST)
    evictions.replaced += int((slots.tags[at_slot(chosen[free])] != 0).sum())
    return np.where(free, chosen, -1)


_MOST = np.iinfo(np.int64).max
"""Worth of a slot that is not to be taken."""


def _worth(slots: Slots, ways: SlotArray) -> npt.NDArray[np.int64]:
    time = slots.time[at_slot(ways)]
    if not len(slots.stats):
        return time
    doublings = np.frexp(slots.stats[ways, FLOWS + len(HALF_LIVES) - 1])[1].astype(np.int64)
    return np.where(time == NEVER, NEVER, time + doublings * HALF_LIFE_NS)


def bounded_entries(entries: int) -> int:
    """The power of two at or above `entries`, within the bounds."""
    return 1 << (min(max(entries, ENTRIES_MIN), ENTRIES_MAX) - 1).bit_length()
