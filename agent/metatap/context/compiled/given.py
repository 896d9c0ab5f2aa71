"""What context needs to know of each flow: the loop of `given.given`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from metatap.compiling import entry
from metatap.context.compiled.types import (
    BOOL,
    F64,
    I64,
    KEY_TABLE,
    READ_BOOL,
    READ_I64,
    READ_PAIRS,
    READ_U8,
    READ_U16,
    READ_U64,
    SLOT,
    inner,
)
from metatap.context.given import FAILED_CODES, FAR
from metatap.context.keys import ODD
from metatap.context.layout import Key

_HOST, _PAIR, _SERVICE, _PEER_SERVICE = (int(key) for key in Key)


@inner
def _has(values: Any, mask: Any, row: Any) -> Any:
    return len(values) > 0 and (len(mask) == 0 or mask[row])


@inner
def _mix(value: Any) -> Any:
    value = value * ODD[0]
    value = (value ^ (value >> np.uint64(32))) * ODD[1]
    return value ^ (value >> np.uint64(29))


@entry(
    numba.intp(
        numba.uint64, READ_PAIRS, READ_PAIRS, READ_U8, READ_U16,
        READ_I64, READ_BOOL, READ_BOOL, READ_BOOL, READ_I64, READ_BOOL,
        READ_U8, READ_BOOL, READ_U64, READ_BOOL,
        READ_U64, READ_BOOL, READ_U64, READ_BOOL,
        SLOT, KEY_TABLE, I64, I64, BOOL, F64,
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
