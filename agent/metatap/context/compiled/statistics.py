"""The statistics of keys: the loop of `reference.update`."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from metatap.compiling import entry
from metatap.context.compiled.types import (
    BITS,
    DOUBLINGS,
    READ_BOOL,
    READ_F64,
    READ_I64,
    SLOT,
    SLOTS,
    TABLE,
    TIMES,
    inner,
)
from metatap.context.layout import (
    FAILED,
    FIRST,
    FLOWS,
    GAP,
    GAP_SPREAD,
    HALF_LIVES,
    KEYS,
    RATIO,
    REMEMBERED,
    SECOND,
    SIZE,
    SIZE_SPREAD,
    SPREAD_MAX,
    WIDTH,
    Key,
)
from metatap.context.slots import NEVER, WAYS

BLOCK = 256
"""Flows at a time, so that what is in between stays in the nearest cache."""

_HOST, _PAIR, _SERVICE, _PEER_SERVICE = (int(key) for key in Key)
_LN_2, _SQRT_2 = math.log(2.0), math.sqrt(2.0)
_SCALES = len(HALF_LIVES)
_SQUARINGS = RATIO.bit_length() - 1
_HOURS = FLOWS + _SCALES - 1
MAGNITUDES_AT = (0, 10, 17)
SHARES_AT = (24, 29, 34)
"""First column of the magnitudes and of the shares of each key; a test holds them to the layout."""


@inner
def _since(clock: Any, at: Any, time: Any, left: Any) -> None:
    """Seconds since each flow's slot was seen, −1 if never, into `left`; the slots' times move."""
    for row in range(len(time)):
        slot, now = at[row], time[row]
        gap = -1.0
        if slot >= 0:
            place, way = slot // WAYS, slot % WAYS
            last = clock[place, way]
            if last == NEVER:
                clock[place, way] = now
            elif now > last:
                clock[place, way] = now
                gap = (now - last) / 1e9
            else:
                gap = 0.0
        left[row] = gap


@inner
def _fade(gaps: Any, left: Any, bits: Any) -> None:
    """`reference.fade` of gaps [m] into left [scales, m], 0 where negative.

    Without a call, so that it is compiled to vector instructions: 2^x is 2^⌊x⌋, put together from
    bits (int64 [m]), times e^((x − ⌊x⌋ − ½) ln 2) √2 by its series, to 2e−13.
    """
    whole = bits.view(np.float64)
    hours = left[_SCALES - 1]
    for row in range(len(gaps)):
        power = max(-gaps[row] * (1.0 / HALF_LIVES[-1]), -1022.0)
        floor = math.floor(power)
        bits[row] = (np.int64(floor) + 1023) << 52
        x = (power - floor - 0.5) * _LN_2
        series = 1.0
        for order in range(10, 0, -1):
            series = 1.0 + x * (1.0 / order) * series
        hours[row] = _SQRT_2 * series
    for row in range(len(gaps)):
        hours[row] = hours[row] * whole[row] if gaps[row] >= 0.0 else 0.0
    for scale in range(_SCALES - 2, -1, -1):
        for row in range(len(gaps)):
            power = left[scale + 1, row]
            for _ in range(_SQUARINGS):
                power *= power
            left[scale, row] = power


@inner
def _count(
    stats: Any, slot: Any, key: Any, left: Any, failed: Any, gap: Any, size: Any, out: Any, row: Any
) -> None:
    """One flow into the statistics of one key, and what is then known into the flow's row."""
    before = left[key, _SCALES - 1, row] * stats[slot, FLOWS + _SCALES - 1]
    things = _PAIR if key == _HOST else _PEER_SERVICE
    at, share = MAGNITUDES_AT[key], SHARES_AT[key]
    for scale in range(_SCALES):
        fade = left[key, scale, row]
        flows = fade * stats[slot, FLOWS + scale] + 1.0
        failures = fade * stats[slot, FAILED + scale] + failed
        first = fade * stats[slot, FIRST + scale] + (1.0 - left[things, scale, row])
        stats[slot, FLOWS + scale] = flows
        stats[slot, FAILED + scale] = failures
        stats[slot, FIRST + scale] = first
        out[row, at + scale] = flows
        out[row, at + _SCALES + scale] = first
        out[row, share + scale] = failures / flows if failures > 0.0 else 0.0
    at += 2 * _SCALES
    if key == _HOST:
        for scale in range(_SCALES):
            second = left[key, scale, row] * stats[slot, SECOND + scale]
            second += 1.0 - left[_SERVICE, scale, row]
            stats[slot, SECOND + scale] = second
            out[row, at + scale] = second
        at += _SCALES
    share += _SCALES
    mean, spread, pause = np.float64(stats[slot, GAP]), np.float64(stats[slot, GAP_SPREAD]), np.nan
    new = _new(before)
    if before > 0.0:
        if before > 1.0:
            spread += _new(before - 1.0) * (abs(gap - mean) - spread)
        mean += new * (gap - mean)
        stats[slot, GAP], stats[slot, GAP_SPREAD] = mean, spread
        pause = mean * 1e3
    out[row, at] = pause
    out[row, share] = _ratio(spread, mean, before >= 1.5)
    mean, spread = np.float64(stats[slot, SIZE]), np.float64(stats[slot, SIZE_SPREAD])
    if before > 0.0:
        spread += new * (abs(size - mean) - spread)
    mean += _new(before + 1.0) * (size - mean)
    stats[slot, SIZE], stats[slot, SIZE_SPREAD] = mean, spread
    out[row, share + 1] = _ratio(spread, mean, before >= 0.5)


@inner
def _new(number: Any) -> Any:
    """What a new value counts for in the mean of so many."""
    if number >= REMEMBERED:
        return 1.0 / REMEMBERED
    return 1.0 / number if number > 1.0 else 1.0


@inner
def _ratio(part: Any, whole: Any, known: Any) -> Any:
    if not known:
        return np.nan
    if part >= whole * SPREAD_MAX:
        return SPREAD_MAX if whole > 0.0 else 0.0
    return part / whole


@inner
def _fetch(stats: Any, at: Any, rows: Any) -> Any:
    """Read a word of the statistics of all keys of some flows, one after the other.

    None depends on another, so that many wait for memory at once.
    """
    seen = np.float32(0.0)
    for key in range(KEYS):
        for row in range(rows):
            seen = max(seen, stats[max(at[key, row], 0), FLOWS])
    return seen


@entry(
    numba.float32(
        TIMES, DOUBLINGS, TABLE, BITS, TIMES, SLOTS, SLOT, READ_I64, READ_BOOL, READ_F64,
        TABLE,
    )
)  # fmt: skip
def update_rows(
    clock: Any, doublings: Any, stats: Any, bits: Any, clock_things: Any, at: Any, at_things: Any,
    time: Any, failed: Any, size: Any, out: Any,
) -> Any:  # fmt: skip
    """As `reference.update`, into `out`.

    Args:
        clock: `Slots.time`.
        doublings: `Slots.doublings`.
        stats: `Slots.stats`.
        bits: The same memory as int32.
        clock_things: `Slots.time` of peer and service.
        at: intp [3, m], slots of the hosts, the pairs, the services.
        at_things: intp [m].
        time: int64 [m].
        failed: bool [m].
        size: float64 [m].
        out: float32 [m, C], filled.

    Returns:
        Nothing of use: it keeps the compiler from leaving reads out.
    """
    gaps = np.empty((KEYS + 1, BLOCK))
    left = np.empty((KEYS + 1, _SCALES, BLOCK))
    powers = np.empty(BLOCK, np.int64)
    nobody = np.zeros((1, WIDTH), np.float32)
    seen = np.float32(0.0)
    for start in range(0, len(time), BLOCK):
        rows = min(BLOCK, len(time) - start)
        part = slice(start, start + rows)
        _since(clock_things, at_things[part], time[part], gaps[_PEER_SERVICE])
        for key in range(KEYS):
            _since(clock, at[key, part], time[part], gaps[key])
        seen = max(seen, _fetch(stats, at[:, part], rows))
        for key in range(KEYS + 1):
            _fade(gaps[key, :rows], left[key], powers)
        known = out[part]
        fails, sizes = failed[part], size[part]
        for key in range(KEYS):
            slots, pauses = at[key, part], gaps[key]
            for row in range(rows):
                slot = slots[row]
                fail = 1.0 if fails[row] else 0.0
                if slot < 0:
                    nobody[:] = 0.0
                    _count(nobody, 0, key, left, fail, pauses[row], sizes[row], known, row)
                    continue
                _count(stats, slot, key, left, fail, pauses[row], sizes[row], known, row)
                # Of a normal number ≥ 1; as `math.frexp` tells it.
                doublings[slot // WAYS, slot % WAYS] = (bits[slot, _HOURS] >> 23) - 126
    return seen
