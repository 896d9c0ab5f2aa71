"""Flows → 64-bit keys of what they are remembered by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.errors import FlowError
from metatap.flow import FlowBatch, Numeric

KeyArray = npt.NDArray[np.uint64]

ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))
_SHIFT = np.uint64(32)


def flow_keys(batch: FlowBatch, rows: npt.NDArray[np.intp], seed: int) -> KeyArray:
    """The keys of some flows.

    Args:
        batch: The flows.
        rows: intp [m], which of them.
        seed: Makes collisions unpredictable: who doesn't know it can't choose addresses that meet.

    Returns:
        uint64 [4, m], a row a `layout.Key`; the upper half, a slot's tag, is never 0.

    Raises:
        FlowError: the batch lacks a column that every flow has.
    """
    orig, resp = _address(batch, "id.orig_h", rows), _address(batch, "id.resp_h", rows)
    service = (_codes(batch, "proto", rows) << np.uint64(16)) | _codes(batch, "id.resp_p", rows)
    start = np.uint64(seed)
    host = _mix(_mix(start ^ orig[0]) ^ orig[1])
    pair = _mix(_mix(host ^ resp[0] ^ ODD[1]) ^ resp[1])
    keys = np.stack(
        [
            host,
            pair,
            _mix(host ^ service ^ ODD[0]),
            _mix(pair ^ service ^ ODD[0]),
        ]
    )
    return keys | (np.uint64(1) << _SHIFT)


def _mix(value: KeyArray) -> KeyArray:
    """A bijection that spreads every bit over all (multiply, xor-shift; after MurmurHash3)."""
    value = value * ODD[0]
    value = (value ^ (value >> _SHIFT)) * ODD[1]
    return value ^ (value >> np.uint64(29))


def _column(batch: FlowBatch, name: str) -> Numeric:
    column = batch.numeric(name)
    if column is None:
        raise FlowError(f"{name}: absent, but every flow has it")
    return column


def _address(batch: FlowBatch, name: str, rows: npt.NDArray[np.intp]) -> tuple[KeyArray, KeyArray]:
    halves = np.ascontiguousarray(_column(batch, name).values[rows]).view("<u8")
    return halves[:, 0], halves[:, 1]


def _codes(batch: FlowBatch, name: str, rows: npt.NDArray[np.intp]) -> KeyArray:
    codes: KeyArray = _column(batch, name).values[rows].astype(np.uint64)
    return codes
