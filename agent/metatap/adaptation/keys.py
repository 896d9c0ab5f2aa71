"""Flows → 64-bit hashes of who speaks and of the alert it would be."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.flow import FlowBatch

KeyArray = npt.NDArray[np.uint64]

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9))
_HIGH, _LOW = np.uint64(32), np.uint64(29)


def host_keys(batch: FlowBatch, rows: npt.NDArray[np.intp], seed: int) -> KeyArray:
    """The originators of some flows.

    Args:
        batch: The flows.
        rows: intp [m], which of them.
        seed: Makes collisions unpredictable.

    Returns:
        uint64 [m]; all flows without an originator have the same.
    """
    return _address(batch, "id.orig_h", rows, np.full(len(rows), seed, np.uint64))


def alert_keys(
    batch: FlowBatch, rows: npt.NDArray[np.intp], hosts: KeyArray, window: npt.NDArray[np.int64]
) -> KeyArray:
    """The alerts that flows would be part of, but for the pack: host pair and window.

    Args:
        batch: The flows.
        rows: intp [m], which of them.
        hosts: uint64 [m], their `host_keys`.
        window: int64 [m], number of the window they are in.
    """
    return mix(_address(batch, "id.resp_h", rows, hosts) ^ window.astype(np.uint64))


def mix(value: KeyArray) -> KeyArray:
    """A bijection that spreads every bit over all (multiply, xor-shift; after MurmurHash3)."""
    value = value * _ODD[0]
    value = (value ^ (value >> _HIGH)) * _ODD[1]
    return value ^ (value >> _LOW)


def _address(batch: FlowBatch, name: str, rows: npt.NDArray[np.intp], start: KeyArray) -> KeyArray:
    column = batch.numeric(name)
    if column is None:
        return mix(start)
    halves = np.ascontiguousarray(column.values[rows]).view("<u8").reshape(len(rows), 2)
    keys = mix(mix(start ^ halves[:, 0]) ^ halves[:, 1])
    if column.valid is not None:
        keys = np.where(column.valid[rows], keys, mix(start))
    return keys
