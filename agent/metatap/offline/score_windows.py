"""Windows: consecutive flows of one pair of hosts, cut out of a stream in which pairs mix.

A window is due when it is full, when the stream ends, or when `held` flows of the stream came after
its first one: what waits is bounded, and a flow waits in one window only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.flow import FlowBatch

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.int64]
PairArray = npt.NDArray[np.uint64]

HELD = 65_536
"""Flows of the stream that a window waits for, at most."""

STEP = 16_384
"""Flows that come in before the pairs are sorted anew."""

AT_ONCE, CELLS = 1024, 2**20
"""Windows and values laid out at once, at most: 4 MB."""


@dataclass(frozen=True, slots=True)
class Due:
    """M windows of L flows that are due.

    Attributes:
        sequences: float32 [M, L, F]; padding, after the flows, is 0.
        mask: float32 [M, L], 1 = a flow, 0 = padding.
        number: int64 [m], places in the stream of the m flows in them.
        window: int64 [m], index of each flow's window.
    """

    sequences: FloatArray
    mask: FloatArray
    number: IndexArray
    window: IndexArray


class Windows:
    """Flows that wait for their window.

    Attributes:
        held: Flows of the stream that a window waits for, at most.
    """

    def __init__(self, length: int, width: int, *, held: int = HELD, step: int = STEP) -> None:
        """Nothing waits yet.

        Args:
            length: L, flows of a window.
            width: F, features of a flow.
            held: See `HELD`.
            step: See `STEP`.
        """
        self.held = held
        self._length, self._width, self._step = length, width, step
        self._next = 0
        self._pair: list[PairArray] = [np.zeros((0, 4), np.uint64)]
        self._number: list[IndexArray] = [np.zeros(0, np.int64)]
        self._features: list[FloatArray] = [np.zeros((0, width), np.float32)]
        self._new = 0

    def add(self, pair: PairArray, features: FloatArray) -> Iterator[Due]:
        """Take n flows, uint64 [n, 4] from `pair_keys` and float32 [n, F]; the windows now due."""
        numbers = np.arange(self._next, self._next + len(pair))
        self._next += len(pair)
        self._new += len(pair)
        self._pair.append(pair)
        self._number.append(numbers)
        self._features.append(features)
        if self._new >= self._step:
            yield from self._take(self._next - self.held)

    def end(self) -> Iterator[Due]:
        """All windows that are left, padded: the stream ended."""
        yield from self._take(self._next)

    def _take(self, before: int) -> Iterator[Due]:
        """The windows that are full or whose first flow stands before a place in the stream."""
        pair, number = np.concatenate(self._pair), np.concatenate(self._number)
        features = np.concatenate(self._features)
        order = np.lexsort(tuple(pair.T))
        slot = _places(pair[order]) % self._length
        first = np.flatnonzero(slot == 0)
        sizes = np.diff(np.r_[first, len(order)])
        is_due = (sizes == self._length) | (number[order[first]] < before)
        rest = np.sort(order[np.repeat(~is_due, sizes)])
        self._pair, self._number = [pair[rest]], [number[rest]]
        self._features, self._new = [features[rest]], 0
        first, sizes = first[is_due], sizes[is_due]
        most = min(AT_ONCE, max(1, CELLS // (self._length * self._width)))
        for at in range(0, len(first), most):
            part = slice(at, at + most)
            yield self._lay_out(order, first[part], sizes[part], number, features)

    def _lay_out(
        self,
        order: npt.NDArray[np.intp],
        first: npt.NDArray[np.intp],
        sizes: npt.NDArray[np.intp],
        number: IndexArray,
        features: FloatArray,
    ) -> Due:
        window = np.repeat(np.arange(len(first)), sizes)
        starts = np.cumsum(sizes) - sizes
        slot = np.arange(len(window)) - np.repeat(starts, sizes)
        rows = order[np.repeat(first, sizes) + slot]
        sequences = np.zeros((len(first), self._length, self._width), np.float32)
        sequences[window, slot] = features[rows]
        mask = np.zeros((len(first), self._length), np.float32)
        mask[window, slot] = 1.0
        return Due(sequences, mask, number[rows], window)


def pair_keys(batch: FlowBatch) -> PairArray:
    """uint64 [n, 4], the addresses of originator and responder; one without is all zero."""
    keys = np.zeros((batch.rows, 32), np.uint8)
    for at, name in ((0, "id.orig_h"), (16, "id.resp_h")):
        column = batch.numeric(name)
        if column is not None:
            keys[:, at : at + 16] = np.where(column.mask()[:, None], column.values, 0)
    return keys.view(np.uint64)


def _places(pair: PairArray) -> npt.NDArray[np.intp]:
    """intp [n], the how manieth flow of its pair each is; equal pairs stand together."""
    if not len(pair):
        return np.zeros(0, np.intp)
    starts = np.flatnonzero(np.r_[True, (pair[1:] != pair[:-1]).any(1)])
    sizes = np.diff(np.r_[starts, len(pair)])
    places: npt.NDArray[np.intp] = np.arange(len(pair)) - np.repeat(starts, sizes)
    return places
