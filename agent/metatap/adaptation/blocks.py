"""Flows → one row of means for each five minutes of traffic.

Single flows follow each other too closely for a test; means of blocks follow each other less, and
cost nothing between two blocks but a sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.adaptation.clock import HOUR, MINUTE
from metatap.features.table import FEATURES, Scale, scale_slice

FloatArray = npt.NDArray[np.float32]

LENGTH = 5 * MINUTE
"""ns of traffic time in a block, at least."""

LONGEST = HOUR
"""ns; a block with too few flows is closed after this time."""

FLOWS_LEAST = 30
"""Flows in a block, at least, before that time."""

SAMPLE = 256
"""Flows of a block that are looked at, at most: drawn evenly (bottom-k, as in `reservoir`)."""

KNOWN_LEAST = 10
"""Flows with a value, at least, for a feature's mean to be known."""

_LOG = scale_slice(Scale.LOG)

LEAST_SPREAD = np.array(
    [0.2 if feature.scale is Scale.LOG else 0.05 for feature in FEATURES], np.float32
)
"""float32 [F], the least spread of a feature's means: a fifth of a magnitude, 5 points of a share.
What never moved is not surprised by less."""


@dataclass(frozen=True, slots=True)
class Block:
    """Means over the flows of a block.

    Attributes:
        start: Traffic time, ns.
        end: Likewise.
        features: float32 [F], magnitudes as log(1 + x); NaN where not known.
        scores: float32 [P], of each pack; NaN likewise.
    """

    start: int
    end: int
    features: FloatArray
    scores: FloatArray


class Blocks:
    """Cuts the stream into blocks."""

    def __init__(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._start: int | None = None
        self._clear()

    def add(self, features: FloatArray, scores: FloatArray, now: int) -> Block | None:
        """Take in n flows.

        Args:
            features: float32 [n, F].
            scores: float32 [n, P].
            now: Traffic time, ns.

        Returns:
            The block that was closed, if one was; these flows are in the next one.
        """
        block = self._closed(now)
        if self._start is None:
            self._start = now
        self._count += len(features)
        drawn = self._rng.random(len(features))
        rows = np.flatnonzero(drawn < self._cut)
        if len(rows):
            self._parts.append((features[rows], scores[rows], drawn[rows]))
            self._held += len(rows)
            if self._held > 2 * SAMPLE:
                self._trim()
        return block

    def restart(self) -> None:
        """Drop the block that is open, e.g. when packs change."""
        self._start = None
        self._clear()

    def _closed(self, now: int) -> Block | None:
        if self._start is None:
            return None
        length = now - self._start
        if length < LENGTH or (self._count < FLOWS_LEAST and length < LONGEST):
            return None
        features, scores = self._trim()
        block = Block(self._start, now, _means(_scaled(features)), _means(scores))
        self._start = now
        self._clear()
        return block

    def _clear(self) -> None:
        self._parts: list[tuple[FloatArray, FloatArray, npt.NDArray[np.float64]]] = []
        self._held = self._count = 0
        self._cut = 1.0

    def _trim(self) -> tuple[FloatArray, FloatArray]:
        features, scores, drawn = (
            np.concatenate([part[at] for part in self._parts]) for at in range(3)
        )
        if len(drawn) > SAMPLE:
            keep = np.argpartition(drawn, SAMPLE)[:SAMPLE]
            features, scores, drawn = features[keep], scores[keep], drawn[keep]
            self._cut = float(drawn.max())
        self._parts, self._held = [(features, scores, drawn)], len(drawn)
        return features, scores


def _scaled(features: FloatArray) -> FloatArray:
    scaled = features.copy()
    with np.errstate(invalid="ignore"):
        scaled[:, _LOG] = np.log1p(np.maximum(scaled[:, _LOG], 0.0))
    return scaled


def _means(values: FloatArray) -> FloatArray:
    """float32 [D], means of what is finite in float32 [n, D]."""
    finite = np.isfinite(values)
    known = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0, dtype=np.float64)
    means = np.full(values.shape[1], np.nan)
    np.divide(total, known, out=means, where=known >= min(KNOWN_LEAST, max(len(values), 1)))
    return means.astype(np.float32)
