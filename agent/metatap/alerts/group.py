"""Hits of one batch → groups of (pack, originator, responder, window), by columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector.detections import Detections
from metatap.flow import FlowBatch

Int64 = npt.NDArray[np.int64]

_PAIR = 32
_KEY = _PAIR + 8


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one batch that belong together.

    Attributes:
        pack: Index of the pack in the rules.
        pair: Originator's and responder's address, 16 bytes each, zeros where absent.
        window: Number of the window since the epoch.
        timed: Whether the flows have a `ts`; else the window is one of the agent's clock.
        rows: intp [m], rows of the hits in flow order.
        best: The row with the highest score, the first of equals.
        score: That score.
        first: Earliest start, ns since the epoch.
        last: Latest end, ns since the epoch.
    """

    pack: int
    pair: bytes
    window: int
    timed: bool
    rows: npt.NDArray[np.intp]
    best: int
    score: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Times:
    """When flows were, ns since the epoch.

    Attributes:
        start: int64 [n], `ts`, or `now` where absent.
        end: int64 [n], start + duration, absent and negative durations count as 0.
        timed: bool [n], whether the flow has a `ts`.
    """

    start: Int64
    end: Int64
    timed: npt.NDArray[np.bool_]


def flow_times(batch: FlowBatch, now: int) -> Times:
    """Times of the n flows of a batch; `now` (ns) stands in where a flow has no `ts`."""
    ts, duration = batch.numeric("ts"), batch.numeric("duration")
    timed = np.zeros(batch.rows, np.bool_) if ts is None else ts.mask()
    start = np.full(batch.rows, now, np.int64)
    if ts is not None:
        start = np.where(timed, ts.values, start).astype(np.int64)
    end = start
    if duration is not None:
        length = np.where(duration.mask(), duration.values, 0).astype(np.int64)
        end = np.where(timed, start + np.maximum(length, 0), start)
    return Times(start, end, timed)


def group_hits(detections: Detections, times: Times, window: int) -> list[Group]:
    """The groups of a batch's hits, in the order of their first hit.

    Args:
        detections: The scored batch with h ≥ 1 hits.
        times: Times of its flows.
        window: Length of a window, ns.
    """
    rows, packs = detections.rows, detections.packs
    number = times.start[rows] // window
    timed = times.timed[rows]
    key = np.zeros((len(rows), _KEY + 9), np.uint8)
    key[:, :16] = _address(detections.batch, "id.orig_h", rows)
    key[:, 16:_PAIR] = _address(detections.batch, "id.resp_h", rows)
    key[:, _PAIR:_KEY] = _bytes(number)
    key[:, _KEY:-1] = _bytes(packs.astype(np.int64))
    key[:, -1] = timed
    packed = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1])))[:, 0]
    _, inverse = np.unique(packed, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    begins = np.flatnonzero(np.diff(inverse[order], prepend=-1))
    ends = np.append(begins[1:], len(order))
    score = detections.scores[rows, packs]
    first = np.minimum.reduceat(times.start[rows][order], begins)
    last = np.maximum.reduceat(times.end[rows][order], begins)
    groups = []
    for at in np.argsort(order[begins], kind="stable"):
        hits = order[begins[at] : ends[at]]
        hit = hits[0]
        best = hits[score[hits].argmax()]
        groups.append(
            Group(
                pack=int(packs[hit]),
                pair=key[hit, :_PAIR].tobytes(),
                window=int(number[hit]),
                timed=bool(timed[hit]),
                rows=rows[hits],
                best=int(rows[best]),
                score=float(score[best]),
                first=int(first[at]),
                last=int(last[at]),
            )
        )
    return groups


def _bytes(values: Int64) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), 8)


def _address(
    batch: FlowBatch, name: str, rows: npt.NDArray[np.intp]
) -> npt.NDArray[np.generic] | int:
    column = batch.numeric(name)
    if column is None:
        return 0
    values = column.values[rows]
    if column.valid is not None:
        values = np.where(column.valid[rows, None], values, 0)
    return values
