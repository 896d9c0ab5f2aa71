"""Flows of stored sources, scored as the sensor would have scored them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.context import Context
from metatap.detector import Detector, RuleSet
from metatap.flow import FlowBatch
from metatap.offline.stream import closing_all, read
from metatap.sources import Source

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """Scores of one batch of n flows by P packs.

    Attributes:
        source: Where it is from.
        batch: The flows.
        scores: float32 [n, P], NaN for a flow that the model gave no scores for.
        alerts: bool [n, P], the score reaches the pack's threshold.
    """

    source: Source
    batch: FlowBatch
    scores: FloatArray
    alerts: BoolArray

    @property
    def is_scored(self) -> BoolArray:
        """bool [n], flows that the model gave scores for."""
        return np.asarray(~np.isnan(self.scores).any(axis=1))

    def scored(self) -> ScoredBatch:
        """Those flows alone."""
        known = self.is_scored
        if known.all():
            return self
        rows = np.flatnonzero(known)
        return ScoredBatch(self.source, self.batch.take(rows), self.scores[rows], self.alerts[rows])


def score_batches(
    sources: Sequence[Source], rules: RuleSet, context: Context, batch_rows: int
) -> Iterator[ScoredBatch]:
    """Every flow of the sources, in order; context starts anew with each source and capture.

    Sources are closed when the stream ends, however it ends.

    Args:
        sources: Open sources.
        rules: P packs in force.
        context: What is remembered of hosts; it is forgotten first.
        batch_rows: Flows scored at once, at most.

    Raises:
        SourceError: a source itself failed.
        ModelError: the model can't score a batch.
    """
    detector = Detector(rules, context)
    width = len(rules.packs)
    with closing_all(sources):
        for source in sources:
            context.reset()
            for batch in read(source):
                parts = [detector.detect(chunk).scores for chunk in batch.chunks(batch_rows)]
                scores = np.concatenate(parts)[:, :width]
                yield ScoredBatch(source, batch, scores, scores >= rules.thresholds[:width])
