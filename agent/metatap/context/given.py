"""What context needs to know of each flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from metatap.context.keys import KeyArray, flow_keys
from metatap.context.layout import FAILED_STATES
from metatap.flow import FlowBatch, Numeric
from metatap.flow.schema import CONN_STATES

_Number = TypeVar("_Number", np.int64, np.float64)
BoolArray = npt.NDArray[np.bool_]
RowArray = npt.NDArray[np.intp]
TimeArray = npt.NDArray[np.int64]

FAILED_CODES = np.array([state in FAILED_STATES for state in CONN_STATES])
"""bool, by the code of `conn_state`."""

FAR = 2**61
"""Times (ns) are cut off here: no sum or difference of two overflows."""


@dataclass(frozen=True, slots=True)
class Given:
    """The m flows of a batch that have a context.

    Attributes:
        rows: intp [m], which flows of the batch.
        keys: uint64 [4, m], see `keys.flow_keys`.
        time: int64 [m], ns, start.
        ended: int64 [m], ns, end.
        failed: bool [m], see `layout.FAILED_STATES`.
        size: float64 [m], IP bytes of both sides; what is not known counts as 0.
    """

    rows: RowArray
    keys: KeyArray
    time: TimeArray
    ended: TimeArray
    failed: BoolArray
    size: npt.NDArray[np.float64]


def given(batch: FlowBatch, seed: int) -> Given:
    """Flows with `ts` that are no partial records.

    Args:
        batch: n flows.
        seed: Of the keys.

    Raises:
        FlowError: the batch lacks a column that every flow has.
    """
    rows = np.flatnonzero(_usable(batch))
    start = np.clip(_values(batch, "ts", rows, np.int64), -FAR, FAR)
    lasted = np.clip(_values(batch, "duration", rows, np.int64), 0, FAR)
    size = _values(batch, "orig_ip_bytes", rows, np.float64)
    return Given(
        rows=rows,
        keys=flow_keys(batch, rows, seed),
        time=start,
        ended=start + lasted,
        failed=_failed(batch, rows),
        size=size + _values(batch, "resp_ip_bytes", rows, np.float64),
    )


def _usable(batch: FlowBatch) -> BoolArray:
    start = batch.numeric("ts")
    if start is None:
        return np.zeros(batch.rows, np.bool_)
    return start.mask() & ~batch.partial_rows()


def _values(
    batch: FlowBatch, name: str, rows: RowArray, dtype: type[_Number]
) -> npt.NDArray[_Number]:
    """A numeric column's values at some rows, 0 where absent."""
    column = batch.numeric(name)
    if column is None:
        return np.zeros(len(rows), dtype)
    values = column.values[rows].astype(dtype)
    if column.valid is not None:
        values[~column.valid[rows]] = 0
    return values


def _failed(batch: FlowBatch, rows: RowArray) -> BoolArray:
    state = batch.numeric("conn_state")
    silent = _silent(batch.numeric("resp_pkts"), rows)
    if state is None:
        return silent
    codes = state.values[rows].astype(np.intp)
    known = state.mask()[rows] & (codes < len(FAILED_CODES))
    codes[~known] = 0
    return np.where(known, FAILED_CODES[codes], silent)


def _silent(pkts: Numeric | None, rows: RowArray) -> BoolArray:
    if pkts is None:
        return np.zeros(len(rows), np.bool_)
    return np.asarray((pkts.values[rows] == 0) & pkts.mask()[rows])
