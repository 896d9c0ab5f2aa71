"""The compiled twin of `given.given`, `slots.locate` and `reference.update`. Extra `fast`.

Same arguments, same results but for the order of sums; the loops are in `compiled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.context.compiled import given_rows, locate_rows, update_rows
from metatap.context.given import Given
from metatap.context.layout import CONTEXT_WIDTH, KEYS, Key
from metatap.context.slots import Evictions, SlotArray, Slots
from metatap.errors import FlowError
from metatap.flow import FlowBatch
from metatap.flow.schema import BY_NAME, DTYPES

_NO_MASK = np.zeros(0, np.bool_)
_NOTHING = {kind: np.zeros(0, dtype) for kind, dtype in DTYPES.items()}


def _plain(values: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The values as the entries take them: native, contiguous, aligned; copied only if need be."""
    values = np.ascontiguousarray(values, dtype)
    return values if values.flags.aligned else values.copy()


def _column(batch: FlowBatch, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Values and mask of a column; no values where there is none, no mask where all have one."""
    column, kind = batch.numeric(name), BY_NAME[name].kind
    if column is None:
        return _NOTHING[kind], _NO_MASK
    mask = _NO_MASK if column.valid is None else _plain(column.valid, np.bool_)
    return _plain(column.values, DTYPES[kind]), mask


def _address(batch: FlowBatch, name: str) -> npt.NDArray[Any]:
    """uint64 [n, 2], halves of an address."""
    return _plain(_column(batch, name)[0].view("<u8"), np.uint64)


def recompile() -> None:
    """Compile anew, whatever is cached."""
    for entry in (given_rows, locate_rows, update_rows):
        entry.recompile()


def given(batch: FlowBatch, seed: int) -> Given:
    """As `given.given`."""
    for name in ("id.orig_h", "id.resp_h", "id.resp_p", "proto"):
        if batch.numeric(name) is None:
            raise FlowError(f"{name}: absent, but every flow has it")
    rows = np.empty(batch.rows, np.intp)
    keys = np.empty((len(Key), batch.rows), np.uint64)
    time, ended = np.empty((2, batch.rows), np.int64)
    failed = np.empty(batch.rows, np.bool_)
    size = np.empty(batch.rows)
    count = given_rows(
        np.uint64(seed), _address(batch, "id.orig_h"), _address(batch, "id.resp_h"),
        _column(batch, "proto")[0], _column(batch, "id.resp_p")[0],
        *_column(batch, "ts"), *_column(batch, "partial"), *_column(batch, "duration"),
        *_column(batch, "conn_state"), *_column(batch, "resp_pkts"),
        *_column(batch, "orig_ip_bytes"), *_column(batch, "resp_ip_bytes"),
        rows, keys, time, ended, failed, size,
    )  # fmt: skip
    if count == batch.rows:
        return Given(rows, keys, time, ended, failed, size)
    cut = np.ascontiguousarray(keys[:, :count])
    return Given(rows[:count], cut, time[:count], ended[:count], failed[:count], size[:count])


def locate(
    slots: Slots,
    keys: npt.NDArray[np.uint64],
    ended: npt.NDArray[np.int64],
    set_back: int,
    evictions: Evictions,
) -> SlotArray:
    """As `slots.locate`."""
    slots.next_batch()
    at = np.empty(len(keys), np.intp)
    replaced, unplaced = locate_rows(
        slots.tags, slots.time, slots.marks, slots.doublings, slots.stats, slots.batch[0],
        keys, ended, set_back, at,
    )  # fmt: skip
    evictions.replaced += replaced
    evictions.unplaced += unplaced
    return at


def update(
    slots: Slots, times: Slots, at: SlotArray, at_times: SlotArray, given: Given
) -> npt.NDArray[np.float32]:
    """As `reference.update`."""
    out = np.empty((len(given.time), CONTEXT_WIDTH), np.float32)
    update_rows(
        slots.time, slots.doublings, slots.stats, slots.stats.view(np.int32), times.time,
        at.reshape(KEYS, -1), at_times, given.time, given.failed, given.size, out,
    )  # fmt: skip
    return out
