"""The statistics of a batch in NumPy: what the compiled twin (`kernel`) is held to.

Each key's flows form a run, in the order of the batch. What a flow adds to a decayed count is
carried along its run by a scan of doubling steps (Hillis & Steele, "Data parallel algorithms",
CACM 1986), so that no flow is handled by itself. Sums are made in float64 and kept as float32.

A decayed count of different things is exact: with last(e) the last time of thing e, it is
Σₑ 2^−((now − last(e)) / half-life); a thing that comes back after dt adds 1 − 2^−(dt / half-life).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.context.given import Given
from metatap.context.layout import (
    CONTEXT_WIDTH,
    DISTINCT,
    FAILED,
    FIRST,
    FLOWS,
    GAP,
    HALF_LIVES,
    KEYS,
    RATIO,
    REMEMBERED,
    SIZE,
    SPREAD_MAX,
    WIDTH,
)
from metatap.context.slots import NEVER, Slots, at_slot

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SlotArray = npt.NDArray[np.intp]

_SCALES = len(HALF_LIVES)
_SQUARINGS = RATIO.bit_length() - 1
NS = 1e9

_LONG = 0xFFFF
"""Runs are sorted by length up to this one; 16-bit numbers are sorted without comparing them."""

LEAST_POWER = -1022.0
"""Half-lives after which nothing fades further: what is left is a normal number above 0."""


def update(
    slots: Slots, times: Slots, at: SlotArray, at_times: SlotArray, given: Given
) -> npt.NDArray[np.float32]:
    """Take flows into the statistics of their keys.

    Args:
        slots: Of host, pair and service; changed in place.
        times: Of peer and service; changed in place.
        at: intp [3 · m], slots of the hosts, the pairs, the services; −1 for none.
        at_times: intp [m].
        given: The m flows.

    Returns:
        float32 [m, C], columns as `layout.CONTEXT_FEATURES`: what is known once each flow is
        counted, NaN where nothing is.
    """
    count = len(given.time)
    if count == 0:
        return np.zeros((0, CONTEXT_WIDTH), np.float32)
    keys = _runs(at, np.tile(given.time, KEYS), slots)
    known = _runs(at_times, given.time, times)
    times.time[at_slot(known.slot)] = known.latest
    # Sorted, then back in the order of the batch, where the things of a flow meet, then sorted.
    fresh = np.empty((_SCALES, (KEYS + 1) * count))
    fresh[:, keys.order] = 1.0 - keys.faded
    fresh[:, KEYS * count + known.order] = 1.0 - known.faded
    by_key = fresh.reshape(_SCALES, KEYS + 1, count)
    met = np.zeros((2, _SCALES, KEYS, count))
    for key, things in DISTINCT.items():
        for place, (_, _, thing) in enumerate(things):
            met[place, :, key] = by_key[:, thing]
    added = np.empty((4, _SCALES, KEYS * count))
    added[0] = 1.0
    added[1] = np.tile(given.failed, KEYS)[keys.order]
    added[2:] = np.take(met.reshape(2, _SCALES, -1), keys.order, axis=2)
    counts, before = _decayed(keys, added)
    gap, gap_spread = _means(keys, GAP, keys.gap, before, before - 1.0)
    size = np.tile(given.size, KEYS)[keys.order]
    size, size_spread = _means(keys, SIZE, size, before + 1.0, before)
    means = (gap, gap_spread, size, size_spread)
    _keep(slots, keys, counts, means)
    return _features(keys, counts, before, means)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Flows sorted: those of a slot are a run, in the order of the batch; short runs come first.

    Attributes:
        order: intp [m], where each sorted flow stands in the batch.
        starts: intp [r], first flow of each run; a flow without a slot is a run of its own.
        steps: Of a scan: 1, 2, 4 …, and where the runs begin that are longer.
        stats: float64 [r, WIDTH], of each run's slot before the batch, 0 for none.
        last: intp [s], the last flow of each run that has a slot.
        slot: intp [s], its slot.
        latest: int64 [s], latest start of the run or of its slot before.
        gap: float64 [m], seconds since the key's latest start before, 0 if never or later.
        faded: float64 [scales, m], what is left since then, 0 if never.
    """

    order: SlotArray
    starts: SlotArray
    steps: list[tuple[int, int]]
    stats: FloatArray
    last: SlotArray
    slot: SlotArray
    latest: IntArray
    gap: FloatArray
    faded: FloatArray


def _runs(at: SlotArray, time: IntArray, slots: Slots) -> _Runs:
    order = np.argsort(at, kind="stable")
    held = at[order]
    starts = np.flatnonzero(np.r_[True, (held[1:] != held[:-1])] | (held < 0))
    lengths = np.diff(starts, append=len(at))
    by_length = np.argsort(np.minimum(lengths, _LONG).astype(np.uint16), kind="stable")
    lengths, moved = lengths[by_length], starts[by_length]
    starts = np.cumsum(lengths) - lengths
    order = order[np.repeat(moved - starts, lengths) + np.arange(len(at))]
    time, slot = time[order], at[order[starts]]
    there = slot >= 0
    before = np.r_[NEVER, time[:-1]]
    before[starts] = np.where(there, slots.time[at_slot(slot)], NEVER)
    steps = _steps(starts, lengths)
    latest = _scan_max(before, np.repeat(starts, lengths), steps)
    seen = latest != NEVER
    gap = np.where(seen, np.maximum(time - np.where(seen, latest, 0), 0), 0) / NS
    last = (np.r_[starts[1:], len(at)] - 1)[there]
    stats = np.zeros((len(starts), WIDTH))
    if len(slots.stats):
        stats[there] = slots.stats[slot[there]]
    return _Runs(
        order=order,
        starts=starts,
        steps=steps,
        stats=stats,
        last=last,
        slot=slot[there],
        latest=np.maximum(latest[last], time[last]),
        gap=gap,
        faded=fade(gap) * seen,
    )


def fade(seconds: FloatArray) -> FloatArray:
    """What is left of a memory after a time, [scales, m], of seconds [m]; never 0."""
    left = np.empty((_SCALES, len(seconds)))
    power = left[-1]
    np.exp2(np.maximum(-seconds / HALF_LIVES[-1], LEAST_POWER), out=power)
    for scale in range(_SCALES - 2, -1, -1):
        power = left[scale] = power * power
        for _ in range(_SQUARINGS - 1):
            left[scale] *= left[scale]
        power = left[scale]
    return left


def _steps(starts: SlotArray, lengths: SlotArray) -> list[tuple[int, int]]:
    capped, longest = np.minimum(lengths, _LONG), int(lengths.max())
    found = []
    step = 1
    while step < longest:
        first = int(np.searchsorted(capped, min(step, _LONG - 1), side="right"))
        found.append((step, max(int(starts[first]), step)))
        step *= 2
    return found


def _scan_max(values: IntArray, runs_of: SlotArray, steps: list[tuple[int, int]]) -> IntArray:
    """Running maximum within each run; `runs_of`: intp [m], the run's first flow."""
    for step, first in steps:
        before = slice(first - step, len(values) - step)
        inside = np.arange(first - step, len(values) - step) >= runs_of[first:]
        shifted = np.where(inside, values[before], NEVER)
        values[first:] = np.maximum(values[first:], shifted)
    return values


def _scan_sum(kept: FloatArray, added: FloatArray, steps: list[tuple[int, int]]) -> FloatArray:
    """y[i] = kept[i] · y[i − 1] + added[i], in place; kept is 0 where a run starts.

    Args:
        kept: […, m], changed.
        added: [… …, m], changed.
        steps: As `_Runs.steps`.
    """
    for step, first in steps:
        factor, before = kept[..., first:], slice(first - step, added.shape[-1] - step)
        added[..., first:] += factor * added[..., before]
        kept[..., first:] = factor * kept[..., before]
    return added


def _decayed(runs: _Runs, added: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Decayed counts, all sorted.

    Args:
        runs: The runs.
        added: float64 [4, scales, m], what each flow adds; changed.

    Returns:
        float64 [4, scales, m], counts once each flow is added, and float64 [m], flows before it
        over the longest scale.
    """
    starts, faded = runs.starts, runs.faded
    kept_before = runs.stats[:, FLOWS:GAP].T.reshape(4, _SCALES, -1)
    added[:, :, starts] += faded[:, starts] * kept_before
    kept = faded.copy()
    kept[:, starts] = 0.0
    total = _scan_sum(kept, added, runs.steps)
    before = np.r_[0.0, total[0, -1, :-1]]
    before[starts] = kept_before[0, -1]
    return total, before * faded[-1]


def _means(
    runs: _Runs, column: int, values: FloatArray, number: FloatArray, number_spread: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Running mean of values and mean deviation from it, float64 [m] each, all sorted.

    Args:
        runs: The runs.
        column: Of the mean in a slot, see `layout`; the deviation is in the next.
        values: float64 [m].
        number: float64 [m], values so far, this one included; 0 or less: this is none.
        number_spread: The same of the deviations.
    """
    mean_before, spread_before = runs.stats[:, column], runs.stats[:, column + 1]
    mean = _running(runs, values, _share(number), mean_before)
    old = np.r_[0.0, mean[:-1]]
    old[runs.starts] = mean_before
    return mean, _running(runs, np.abs(values - old), _share(number_spread), spread_before)


def _running(runs: _Runs, values: FloatArray, share: FloatArray, before: FloatArray) -> FloatArray:
    """y[i] = share[i] · values[i] + (1 − share[i]) · y[i − 1], from [r] before each run."""
    added, kept = share * values, 1.0 - share
    added[runs.starts] += kept[runs.starts] * before
    kept[runs.starts] = 0.0
    return _scan_sum(kept, added, runs.steps)


def _share(number: FloatArray) -> FloatArray:
    """What a new value counts for in the mean: 1/n at first, then 1/8; 0 where there is none."""
    return np.where(number > 0, 1.0 / np.clip(number, 1.0, REMEMBERED), 0.0)


def _keep(slots: Slots, runs: _Runs, counts: FloatArray, means: tuple[FloatArray, ...]) -> None:
    kept = np.empty((len(runs.slot), WIDTH), np.float32)
    kept[:, FLOWS:GAP] = counts[:, :, runs.last].reshape(GAP, -1).T
    for column, mean in enumerate(means, GAP):
        kept[:, column] = mean[runs.last]
    slots.stats[runs.slot] = kept
    slots.time[at_slot(runs.slot)] = runs.latest


def _features(
    runs: _Runs, counts: FloatArray, before: FloatArray, means: tuple[FloatArray, ...]
) -> npt.NDArray[np.float32]:
    gap, gap_spread, size, size_spread = means
    read = np.empty((_READ, len(before)), np.float32)
    read[: 4 * _SCALES] = counts.reshape(4 * _SCALES, -1)
    read[_SHARE] = counts[1] / counts[0]
    read[_PAUSE] = np.where(before > 0, gap * 1e3, np.nan)
    read[_PAUSE + 1] = _ratio(gap_spread, gap, before >= 1.5)
    read[_PAUSE + 2] = _ratio(size_spread, size, before >= 0.5)
    by_flow = np.empty_like(read)
    by_flow[:, runs.order] = read
    by_key = by_flow.reshape(_READ, KEYS, -1)
    magnitudes, shares = [], []
    for key, things in DISTINCT.items():
        told = slice(FIRST, FIRST + len(things) * _SCALES)
        parts = (slice(FLOWS, FAILED), told, slice(_PAUSE, _PAUSE + 1))
        magnitudes += [by_key[part, key] for part in parts]
        shares += [by_key[part, key] for part in (_SHARE, slice(_PAUSE + 1, _READ))]
    return np.ascontiguousarray(np.concatenate(magnitudes + shares).T)


_SHARE = slice(4 * _SCALES, 5 * _SCALES)
_PAUSE = 5 * _SCALES
_READ = _PAUSE + 3
"""What is read of a key: decayed counts, failed shares, gap, two spreads."""


def _ratio(part: FloatArray, whole: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(whole > 0, part / whole, 0.0)
    return np.where(known, np.minimum(ratio, SPREAD_MAX), np.nan)
