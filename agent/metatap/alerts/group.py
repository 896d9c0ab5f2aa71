"""Hits of one batch → pairs of hosts, and from there to the groups of an aggregate, by columns.

In two steps: which distinct (pack, originator, responder, window) there are is found first; once it
is settled which aggregate each of them belongs to, the hits are gathered by aggregate, in flow
order. Python runs once a distinct pair, not once a hit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metatap.detector.detections import Detections
from metatap.flow import FlowBatch

Int64 = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]

ADDRESS = 16
"""Bytes of an address."""

_PAIR = 2 * ADDRESS
_KEY = _PAIR + 8


class Pair(NamedTuple):
    """What tells the hits of one batch apart.

    Attributes:
        pack: Index of the pack in the rules.
        hosts: Originator's and responder's address, 16 bytes each, zeros where absent.
        window: Number of the window since the epoch.
    """

    pack: int
    hosts: bytes
    window: int


@dataclass(frozen=True, slots=True)
class Group:
    """The hits of one batch that go into one aggregate.

    Attributes:
        target: Which aggregate: the number it was given.
        pack: Index of the pack in the rules.
        timed: Whether the first flow has a `ts`; else the window is one of the agent's clock.
        rows: intp [m], rows of the hits in flow order.
        best: The row with the highest score, the first of equals.
        score: That score.
        first: Earliest start, ns since the epoch.
        last: Latest end, ns since the epoch.
    """

    target: int
    pack: int
    timed: bool
    rows: Index
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


def pair_hits(detections: Detections, times: Times, window: int) -> tuple[list[Pair], Index]:
    """The distinct pairs of a batch's hits.

    Args:
        detections: The scored batch with h ≥ 1 hits.
        times: Times of its flows.
        window: Length of a window, ns.

    Returns:
        The pairs in the order of their first hit, and intp [h], the pair of each hit.
    """
    rows, packs = detections.rows, detections.packs
    number = times.start[rows] // window
    key = np.zeros((len(rows), _KEY + 8), np.uint8)
    key[:, :ADDRESS] = _address(detections.batch, "id.orig_h", rows)
    key[:, ADDRESS:_PAIR] = _address(detections.batch, "id.resp_h", rows)
    key[:, _PAIR:_KEY] = _bytes(number)
    key[:, _KEY:] = _bytes(packs.astype(np.int64))
    packed = key.view(np.dtype((np.void, key.shape[1])))[:, 0]
    _, first, inverse = np.unique(packed, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    hits = first[order]
    hosts = np.ascontiguousarray(key[hits, :_PAIR]).tobytes()
    pairs = [
        Pair(pack, hosts[at * _PAIR : (at + 1) * _PAIR], start)
        for at, (pack, start) in enumerate(
            zip(packs[hits].tolist(), number[hits].tolist(), strict=True)
        )
    ]
    return pairs, place[inverse]


def group_hits(
    detections: Detections, times: Times, index: Index, targets: Sequence[int]
) -> list[Group]:
    """The groups of a batch's hits, in the order of their first hit.

    Args:
        detections: The scored batch.
        times: Times of its flows.
        index: The pair of each hit, see `pair_hits`.
        targets: Number of the aggregate that each pair goes into.
    """
    rows, packs = detections.rows, detections.packs
    target = np.asarray(targets, np.intp)[index]
    order = np.argsort(target, kind="stable")
    begins = np.flatnonzero(np.diff(target[order], prepend=-1))
    ends = np.append(begins[1:], len(order))
    score = detections.scores[rows, packs]
    first = np.minimum.reduceat(times.start[rows][order], begins)
    last = np.maximum.reduceat(times.end[rows][order], begins)
    groups = []
    for at in np.argsort(order[begins], kind="stable"):
        hits = order[begins[at] : ends[at]]
        best = hits[score[hits].argmax()]
        groups.append(
            Group(
                target=int(target[hits[0]]),
                pack=int(packs[hits[0]]),
                timed=bool(times.timed[rows[hits[0]]]),
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


def _address(batch: FlowBatch, name: str, rows: Index) -> npt.NDArray[np.generic] | int:
    column = batch.numeric(name)
    if column is None:
        return 0
    values = column.values[rows]
    if column.valid is not None:
        values = np.where(column.valid[rows, None], values, 0)
    return values
