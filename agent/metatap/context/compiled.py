"""The loops of the compiled twin: numba compiles them when this is imported, in seconds.

They are cached where the package lies if that can be written to, else in the user's cache, else not
at all. Each entry is compiled for one signature only, so a live stream never waits for it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from metatap.compiling import OPTIONS, entry
from metatap.context.given import FAILED_CODES, FAR
from metatap.context.keys import ODD
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
from metatap.context.slots import HALF_LIFE_NS, NEVER, WAYS

_HOST, _PAIR, _SERVICE, _PEER_SERVICE = (int(key) for key in Key)
_LN_2, _SQRT_2 = math.log(2.0), math.sqrt(2.0)
_SCALES = len(HALF_LIVES)
_SQUARINGS = RATIO.bit_length() - 1
_MOST = np.iinfo(np.int64).max
_MAGNITUDES = (0, 10, 17)
_SHARES = (24, 29, 34)
"""First column of the magnitudes and of the shares of each key; a test holds them to the layout."""


def _array(kind: Any, dimensions: int = 1, *, read: bool = False) -> Any:
    """C-contiguous and aligned; one that is only read may be read-only or not."""
    return numba.types.Array(kind, dimensions, "C", readonly=read)


_SLOT, _SLOTS = _array(numba.intp), _array(numba.intp, 2)
_I64, _F64, _BOOL = _array(numba.int64), _array(numba.float64), _array(numba.boolean)
_TAGS, _TIMES = _array(numba.uint32, 2), _array(numba.int64, 2)
_TABLE, _KEYS = _array(numba.float32, 2), _array(numba.uint64, 2)
_READ_U8, _READ_U16 = _array(numba.uint8, read=True), _array(numba.uint16, read=True)
_READ_I64, _READ_U64 = _array(numba.int64, read=True), _array(numba.uint64, read=True)
_READ_F64 = _array(numba.float64, read=True)
_READ_BOOL, _READ_PAIRS = _array(numba.boolean, read=True), _array(numba.uint64, 2, read=True)
_COUNTS = numba.types.UniTuple(numba.intp, 2)

_inner: Callable[[Callable[..., Any]], Any] = numba.njit(**OPTIONS)
"""Part of an entry; cached with it."""


@_inner
def _has(values: Any, mask: Any, row: Any) -> Any:
    return len(values) > 0 and (len(mask) == 0 or mask[row])


@_inner
def _mix(value: Any) -> Any:
    value = value * ODD[0]
    value = (value ^ (value >> np.uint64(32))) * ODD[1]
    return value ^ (value >> np.uint64(29))


@entry(
    numba.intp(
        numba.uint64, _READ_PAIRS, _READ_PAIRS, _READ_U8, _READ_U16,
        _READ_I64, _READ_BOOL, _READ_BOOL, _READ_BOOL, _READ_I64, _READ_BOOL,
        _READ_U8, _READ_BOOL, _READ_U64, _READ_BOOL,
        _READ_U64, _READ_BOOL, _READ_U64, _READ_BOOL,
        _SLOT, _KEYS, _I64, _I64, _BOOL, _F64,
    )
)  # fmt: skip
def given_rows(
    seed: Any, orig: Any, resp: Any, proto: Any, port: Any,
    ts: Any, ts_mask: Any, partial: Any, partial_mask: Any, duration: Any, duration_mask: Any,
    state: Any, state_mask: Any, pkts: Any, pkts_mask: Any,
    sent: Any, sent_mask: Any, answered: Any, answered_mask: Any,
    rows: Any, keys: Any, time: Any, ended: Any, failed: Any, size: Any,
) -> Any:  # fmt: skip
    """As `given.given`, into the last six arrays; how many flows there are."""
    tag = np.uint64(1) << np.uint64(32)
    at = 0
    for row in range(len(port)):
        if not _has(ts, ts_mask, row) or (_has(partial, partial_mask, row) and partial[row]):
            continue
        service = (np.uint64(proto[row]) << np.uint64(16)) | np.uint64(port[row])
        host = _mix(_mix(seed ^ orig[row, 0]) ^ orig[row, 1])
        pair = _mix(_mix(host ^ resp[row, 0] ^ ODD[1]) ^ resp[row, 1])
        keys[_HOST, at] = host | tag
        keys[_PAIR, at] = pair | tag
        keys[_SERVICE, at] = _mix(host ^ service ^ ODD[0]) | tag
        keys[_PEER_SERVICE, at] = _mix(pair ^ service ^ ODD[0]) | tag
        start = min(max(ts[row], -FAR), FAR)
        lasted = duration[row] if _has(duration, duration_mask, row) else 0
        rows[at] = row
        time[at] = start
        ended[at] = start + min(max(lasted, 0), FAR)
        if _has(state, state_mask, row) and state[row] < len(FAILED_CODES):
            failed[at] = FAILED_CODES[state[row]]
        else:
            failed[at] = _has(pkts, pkts_mask, row) and pkts[row] == 0
        size[at] = np.float64(sent[row]) if _has(sent, sent_mask, row) else 0.0
        if _has(answered, answered_mask, row):
            size[at] += np.float64(answered[row])
        at += 1
    return at


@entry(_COUNTS(_TAGS, _TIMES, _TABLE, _TAGS, numba.int64, _READ_U64, _READ_I64, numba.int64, _SLOT))
def locate_rows(
    tags: Any, time: Any, stats: Any, marks: Any, batch: Any,
    keys: Any, ended: Any, set_back: Any, at: Any,
) -> Any:  # fmt: skip
    """As `slots.locate`, into `at`; how many keys were replaced and unplaced."""
    mask = np.uint64(len(tags) - 1)
    has_stats = len(stats) > 0
    missing = replaced = unplaced = 0
    fetched = np.float32(0.0)
    for row in range(len(keys)):
        place = np.intp(keys[row] & mask)
        tag = np.uint32(keys[row] >> np.uint64(32))
        slot = -1
        for way in range(WAYS):
            if tags[place, way] == tag:
                slot = int(place) * WAYS + way
                if marks[place, way] != batch:
                    marks[place, way] = batch
                    if time[place, way] > ended[row] + set_back:
                        time[place, way] = NEVER
                        if has_stats:
                            stats[slot] = 0.0
                if has_stats:
                    # Statistics are fetched here, where many rows wait for memory at once.
                    fetched = max(fetched, stats[slot, 0])
                break
        at[row] = slot
        missing += slot < 0
    replaced += int(fetched < 0.0)  # never: it keeps the reads from being left out
    if missing == 0:
        return replaced, unplaced
    for row in range(len(keys)):
        if at[row] >= 0:
            continue
        place = np.intp(keys[row] & mask)
        tag = np.uint32(keys[row] >> np.uint64(32))
        found, best, least = -1, -1, _MOST
        for way in range(WAYS):
            if tags[place, way] == tag:
                found = way
                break
            if marks[place, way] == batch:
                continue
            worth = time[place, way]
            if has_stats and worth != NEVER:
                worth += math.frexp(stats[place * WAYS + way, _SCALES - 1])[1] * HALF_LIFE_NS
            if worth < least:
                best, least = way, worth
        if found < 0 and best >= 0:
            found = best
            replaced += tags[place, found] != 0
            tags[place, found] = tag
            marks[place, found] = batch
            time[place, found] = NEVER
            if has_stats:
                stats[place * WAYS + found] = 0.0
        if found < 0:
            unplaced += 1
        else:
            at[row] = place * WAYS + found
    return replaced, unplaced


@_inner
def _since(clock: Any, at: Any, time: Any, left: Any) -> None:
    """Seconds since each flow's slot was seen, −1 if never, into `left`; the slots' times move."""
    for row in range(len(time)):
        slot, now = at[row], time[row]
        gap = -1.0
        if slot >= 0:
            last = clock[slot]
            if last == NEVER:
                clock[slot] = now
            elif now > last:
                clock[slot] = now
                gap = (now - last) / 1e9
            else:
                gap = 0.0
        left[row] = gap


@_inner
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


@_inner
def _count(
    stats: Any, slot: Any, key: Any, left: Any, failed: Any, gap: Any, size: Any, out: Any, row: Any
) -> None:
    """One flow into the statistics of one key, and what is then known into the flow's row."""
    before = left[key, _SCALES - 1, row] * stats[slot, FLOWS + _SCALES - 1]
    things = _PAIR if key == _HOST else _PEER_SERVICE
    at, share = _MAGNITUDES[key], _SHARES[key]
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


@_inner
def _new(number: Any) -> Any:
    """What a new value counts for in the mean of so many."""
    if number >= REMEMBERED:
        return 1.0 / REMEMBERED
    return 1.0 / number if number > 1.0 else 1.0


@_inner
def _ratio(part: Any, whole: Any, known: Any) -> Any:
    if not known:
        return np.nan
    if part >= whole * SPREAD_MAX:
        return SPREAD_MAX if whole > 0.0 else 0.0
    return part / whole


@entry(numba.void(_I64, _TABLE, _I64, _SLOTS, _SLOT, _READ_I64, _READ_BOOL, _READ_F64, _TABLE))
def update_rows(
    clock: Any, stats: Any, clock_things: Any, at: Any, at_things: Any,
    time: Any, failed: Any, size: Any, out: Any,
) -> None:  # fmt: skip
    """As `reference.update`, into `out`."""
    count = len(time)
    gaps = np.empty((KEYS + 1, count))
    left = np.empty((KEYS + 1, _SCALES, count))
    bits = np.empty(count, np.int64)
    _since(clock_things, at_things, time, gaps[_PEER_SERVICE])
    for key in range(KEYS):
        _since(clock, at[key], time, gaps[key])
    for key in range(KEYS + 1):
        _fade(gaps[key], left[key], bits)
    nobody = np.zeros((1, WIDTH), np.float32)
    for row in range(count):
        fails = 1.0 if failed[row] else 0.0
        for key in range(KEYS):
            slot = at[key, row]
            if slot < 0:
                nobody[:] = 0.0
                _count(nobody, 0, key, left, fails, gaps[key, row], size[row], out, row)
            else:
                _count(stats, slot, key, left, fails, gaps[key, row], size[row], out, row)
