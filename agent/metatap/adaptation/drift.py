"""Drift: the network's flows, or packs' scores of them, are not what they were.

Every five minutes of traffic give a row of means (`blocks`), each of which is watched for a change
of level (`cusum`). `docs/adaptation.md` says how often that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metatap.adaptation.blocks import LEAST_SPREAD, Blocks
from metatap.adaptation.cusum import Change, Cusum
from metatap.adaptation.frame import Frame
from metatap.features import NAMES, WIDTH

FloatArray = npt.NDArray[np.float32]

LEAST_SCORE = 0.05
"""Least spread of a pack's mean score."""


class Drift:
    """Watches F features and the scores of P packs."""

    def __init__(self, packs: Sequence[str] = (), seed: int | None = None) -> None:
        """Start to learn.

        Args:
            packs: Ids of the packs, in the order of their scores.
            seed: Of the sample of flows; None: unpredictable.
        """
        self._blocks = Blocks(seed)
        self._features = Cusum(LEAST_SPREAD)
        self._packs: tuple[str, ...] = ()
        self.score(packs)

    @property
    def is_learning(self) -> bool:
        """Whether what is usual is not yet known."""
        return self._features.is_learning

    def score(self, packs: Sequence[str]) -> None:
        """Watch the scores of other packs, or of other heads of these, from the next flows on."""
        self._packs = tuple(packs)
        self._scores = Cusum(np.full(len(self._packs), LEAST_SCORE, np.float32))
        self._blocks.restart()

    def frame(self) -> Frame:
        """What is usual of the features, as it is kept over a restart."""
        return self._features.frame()

    def restore(self, frame: Frame) -> None:
        """Go on with what was kept.

        Raises:
            StateError: it is of other features.
        """
        self._features.restore(frame)

    def add(
        self, features: FloatArray, scores: FloatArray, now: int
    ) -> tuple[Change, tuple[str, ...]] | None:
        """Take in n flows.

        Args:
            features: float32 [n, F].
            scores: float32 [n, P'], P' ≥ P; further columns are not looked at.
            now: Traffic time, ns.

        Returns:
            A change, and the names of what moved in its order, if one is found.
        """
        block = self._blocks.add(features, scores[:, : len(self._packs)], now)
        if block is None:
            return None
        moved = self._features.add(block.features, block.start, block.end)
        scored = self._scores.add(block.scores, block.start, block.end)
        if moved is None and scored is None:
            return None
        self._features.restart()
        self._scores.restart()
        return _joined(moved, scored, self._packs)


def _joined(
    moved: Change | None, scored: Change | None, packs: tuple[str, ...]
) -> tuple[Change, tuple[str, ...]]:
    """One change of features and scores."""
    found = [change for change in (moved, scored) if change is not None]
    series = np.concatenate(
        [change.series + (WIDTH if change is scored else 0) for change in found]
    )
    names = (*NAMES, *(f"score.{pack}" for pack in packs))
    change = Change(
        series,
        np.concatenate([change.distance for change in found]),
        max(change.statistic for change in found),
        min(change.since for change in found),
    )
    return change, tuple(names[at] for at in series.tolist())
