"""A change of level in any of many series: Page's test with a robust reference.

A reference of a day gives each series a middle and a spread: half the range its hourly medians went
through, so that the hours of a day are no change, and no less than what single blocks scatter. The
distance z of a block from the middle, in spreads, is cut off at `CLIP`, so that one wild block says
no more than that it is wild (Huber), and is summed up in both directions, less `ALLOWED` a block
(Page, "Continuous inspection schemes", Biometrika 1954). A sum of `LIMIT` is a change. A level that
stays within twice the range of the reference never adds up; one at `CLIP` does in 55 minutes.

Where many series move a little, none of them may get there: the mean of all distances is watched in
the same way, as one series more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.adaptation.blocks import LENGTH
from metatap.adaptation.clock import DAY
from metatap.adaptation.frame import Frame
from metatap.errors import StateError

FloatArray = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

CLIP = 4.0
ALLOWED = 2.0
LIMIT = 22.0
"""(CLIP − ALLOWED) · 11: eleven blocks of five minutes."""

NAMED_LEAST = 3
"""Series named in a change, at least, if so many are on their way."""

WEIGHT_MOST = 4.0
"""A block counts for its length, in blocks of five minutes, but no more than this."""

REFERENCE = DAY
"""ns of traffic time in a reference."""

REFERENCE_BLOCKS = 24
"""Blocks in a reference, at least."""

REFERENCE_MOST = 512
"""Blocks in a reference, at most: the latest."""

LEAST_MEAN = 0.1
"""Least spread of the mean of all distances."""

HOURLY = 12
"""Blocks of five minutes in an hour."""

_ROBUST = 1.4826
"""Median absolute deviation → standard deviation of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Change:
    """Series that moved.

    Attributes:
        series: int [c], which ones, the furthest first.
        distance: float64 [c], how far from the middle they are, in spreads, signed: the mean of the
            blocks since.
        statistic: The highest sum, in spreads.
        since: Traffic time at which the sum of the furthest began to grow, ns.
    """

    series: npt.NDArray[np.intp]
    distance: Float64
    statistic: float
    since: int


class Cusum:
    """Watches D series."""

    def __init__(self, least: FloatArray) -> None:
        """Start to learn.

        Args:
            least: float32 [D], least spread of each series.
        """
        self._least = np.append(least.astype(np.float64), LEAST_MEAN)
        self._blocks: list[FloatArray] = []
        self._begin: int | None = None
        self._middle: Float64 | None = None
        self._spread = self._least
        self._reset()

    @property
    def is_learning(self) -> bool:
        """Whether the reference is not complete."""
        return self._middle is None

    def add(self, block: FloatArray, start: int, end: int) -> Change | None:
        """Take in a block.

        Args:
            block: float32 [D], NaN: not known.
            start: Traffic time, ns.
            end: Likewise.

        Returns:
            A change if one is found; a new reference is learned from here on.
        """
        if self._middle is None:
            self._learn(block, start, end)
            return None
        block = self._with_mean(block)
        z = np.nan_to_num((block - self._middle) / self._spread, nan=0.0, posinf=0.0, neginf=0.0)
        step = np.clip(z, -CLIP, CLIP)
        known = np.isfinite(block) & np.isfinite(self._middle)
        weight = min((end - start) / LENGTH, WEIGHT_MOST)
        for side, sign in enumerate((1.0, -1.0)):
            sums = np.maximum(self._sums[side] + weight * (sign * step - ALLOWED), 0.0)
            sums = np.where(known, sums, self._sums[side])
            began = (self._sums[side] == 0.0) & (sums > 0.0)
            self._since[side] = np.where(began, start, self._since[side])
            self._total[side] = np.where(began, 0.0, self._total[side]) + z * known
            self._number[side] = np.where(began, 0, self._number[side]) + known
            self._sums[side] = sums
        if self._sums.max(initial=0.0) < LIMIT:
            return None
        change = self._change()
        self.restart()
        return change

    def restart(self) -> None:
        """Learn a new reference."""
        self._blocks, self._begin, self._middle = [], None, None
        self._reset()

    def frame(self) -> Frame:
        """What was learned, as it is kept over a restart; sums start at zero there."""
        width = len(self._least)
        blocks = np.zeros((0, width - 1), np.float32)
        if self._blocks:
            blocks = np.stack(self._blocks)
        learned = self._middle is not None
        middle = self._middle if self._middle is not None else np.zeros(width)
        return Frame(
            {"begin": self._begin, "learned": learned},
            {"blocks": blocks, "middle": middle, "spread": self._spread},
        )

    def restore(self, frame: Frame) -> None:
        """Go on with what was kept.

        Raises:
            StateError: it is not of as many series.
        """
        width = len(self._least)
        blocks = frame.array("blocks", "<f4", (None, width - 1))
        middle, spread = (frame.array(name, "<f8", (width,)) for name in ("middle", "spread"))
        begin, learned = frame.facts.get("begin"), frame.facts.get("learned")
        if type(begin) not in (int, type(None)) or type(learned) is not bool:
            raise StateError("adaptation: drift: no time, or not said whether it is learned")
        if not (spread >= self._least).all() or len(blocks) > REFERENCE_MOST:
            raise StateError("adaptation: drift: spreads or blocks out of range")
        self.restart()
        self._blocks, self._begin = [*blocks], begin
        self._middle, self._spread = (middle if learned else None), spread

    def _learn(self, block: FloatArray, start: int, end: int) -> None:
        if self._begin is None:
            self._begin = start
        self._blocks.append(block)
        del self._blocks[:-REFERENCE_MOST]
        if end - self._begin >= REFERENCE and len(self._blocks) >= REFERENCE_BLOCKS:
            self._settle(np.stack(self._blocks))
            self._blocks = []

    def _settle(self, blocks: FloatArray) -> None:
        """Take middles and spreads from float32 [b, D], and those of the mean of distances."""
        self._middle, self._spread = reference(blocks, self._least[:-1])
        means = self._with_mean(blocks)[:, -1:]
        middle, spread = reference(means, self._least[-1:])
        self._middle = np.append(self._middle, middle)
        self._spread = np.append(self._spread, spread)

    def _with_mean(self, blocks: FloatArray) -> FloatArray:
        """float32 [..., D + 1], blocks float32 [..., D] and the mean of their distances."""
        if self._middle is None:  # pragma: no cover - asked for once it is known
            return blocks
        width = len(self._least) - 1
        z = np.abs(blocks - self._middle[:width]) / self._spread[:width]
        known = np.isfinite(z)
        total = np.where(known, np.minimum(z, CLIP), 0.0).sum(axis=-1, keepdims=True)
        mean = total / np.maximum(known.sum(axis=-1, keepdims=True), 1)
        return np.concatenate([blocks, mean.astype(np.float32)], axis=-1)

    def _change(self) -> Change:
        side, best = np.unravel_index(int(self._sums.argmax()), self._sums.shape)
        highest = self._sums.max(axis=0)
        series = np.argsort(-highest[:-1], kind="stable")
        series = series[: max(int((highest[:-1] >= LIMIT / 2).sum()), NAMED_LEAST)]
        series = series[highest[series] > 0.0]
        sides = self._sums[:, series].argmax(axis=0)
        distance = self._total[sides, series] / np.maximum(self._number[sides, series], 1)
        return Change(series, distance, float(self._sums.max()), int(self._since[side, best]))

    def _reset(self) -> None:
        shape = (2, len(self._least))
        self._sums, self._total = np.zeros(shape), np.zeros(shape)
        self._since, self._number = np.zeros(shape, np.int64), np.zeros(shape, np.int64)


def reference(blocks: FloatArray, least: Float64) -> tuple[Float64, Float64]:
    """Middle and spread of each series.

    Args:
        blocks: float32 [b, D], NaN: not known; b ≥ 1.
        least: float64 [D], least spread.

    Returns:
        float64 [D] twice; the middle is NaN, so that nothing is said, where a series was known in
        less than half of the blocks.
    """
    known = np.isfinite(blocks)
    enough = known.mean(axis=0) >= 0.5
    values = np.where(enough, blocks, 0.0).astype(np.float64)
    hours = max(len(blocks) // HOURLY, 1)
    parts = np.array_split(values, hours)
    with np.errstate(all="ignore"):
        levels = np.stack([_median(part) for part in parts])
        low, high = np.nanmin(levels, axis=0), np.nanmax(levels, axis=0)
        scatter = _ROBUST * _median(np.abs(values - _median(values)))
    middle = np.where(enough, (low + high) / 2, np.nan)
    spread = np.maximum.reduce([np.nan_to_num((high - low) / 2), np.nan_to_num(scatter), least])
    return middle, spread


def _median(values: Float64) -> Float64:
    """float64 [D], medians of what is known in [b, D], NaN where nothing is."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    columns = np.arange(values.shape[1])
    low = ordered[np.maximum((count - 1) // 2, 0), columns]
    high = ordered[np.maximum(count // 2 - (count == 0), 0), columns]
    return np.where(count > 0, (low + high) / 2, np.nan)
