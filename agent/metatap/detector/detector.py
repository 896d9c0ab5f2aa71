"""The scoring stage: FlowBatch → Detections."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import structlog

from metatap.context import Context
from metatap.counters import Counters
from metatap.detector.classifier import Classifier
from metatap.detector.detections import Detections
from metatap.detector.rules import RuleSet
from metatap.features import encoder
from metatap.flow import FlowBatch

FloatArray = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]

IMPOSSIBLE = "impossible_output"
"""Reason for flows that the model gave something else than scores for; others are scored."""

log = structlog.get_logger(__name__)


class Detector:
    """Scores batches with the rules in force.

    Attributes:
        flows: Flows received, scored, and dropped as `IMPOSSIBLE`.
        encode: Flows and context → features, see `features.encoder`.
        context: What is remembered of hosts; None: flows are scored without their past.
    """

    def __init__(
        self, rules: RuleSet, context: Context | None = None, *, compiled: bool | None = None
    ) -> None:
        """A detector with rules in force.

        Args:
            rules: What the first batch is scored with.
            context: See the attribute.
            compiled: Whether features are encoded by the compiled twin, see `features.encoder`.

        Raises:
            ImportError: `compiled` is asked for and the twin is not there or does it wrong.
        """
        self.flows = Counters()
        self.encode = encoder(compiled=compiled)
        self.context = context
        self._rules = rules

    @property
    def rules(self) -> RuleSet:
        """The rules the next batch is scored with."""
        return self._rules

    def swap(self, rules: RuleSet) -> None:
        """Take other rules from the next batch on; a batch is scored with one set only."""
        self._rules = rules

    def detect(self, batch: FlowBatch) -> Detections:
        """Score a batch against every pack and find the hits.

        Args:
            batch: n flows; taken into the context, so each is given once.

        Returns:
            Scores of all flows and the (flow, pack) pairs at or over the pack's threshold. A flow
            the model gave no scores for has NaN, is no hit, and is counted.
        """
        rules = self._rules
        known = None if self.context is None else self.context.update(batch)
        features = self.encode(batch, known)
        scores, embedding = rules.model.score(rules.model.select(features), rules.heads)
        return self.judge(batch, features, scores, embedding)

    def judge(
        self, batch: FlowBatch, features: FloatArray, scores: FloatArray, embedding: FloatArray
    ) -> Detections:
        """The detections of a scored batch, see `Detections`; counts its flows."""
        rules = self._rules
        rows, packs = reached(scores, rules.thresholds)
        unscored = 0
        if scores.size and np.isnan(scores.min()):
            unscored = int(np.isnan(scores).any(axis=1).sum())
            self.flows.drop(IMPOSSIBLE, unscored)
            model = rules.model
            why = model.why_unscored(embedding) if isinstance(model, Classifier) else {}
            log.error("flows_unscored", flows=unscored, reason=IMPOSSIBLE, detail=why)
        self.flows.passes(batch.rows - unscored)
        return Detections(batch, rules, features, scores, rows, packs, embedding)


def reached(scores: FloatArray, thresholds: FloatArray) -> tuple[Index, Index]:
    """Where scores reach their threshold; NaN reaches none.

    Args:
        scores: float32 [n, P].
        thresholds: float32 [P].

    Returns:
        Rows and columns, intp [h] each, by row, then by column: as `np.nonzero` gives them, which
        takes several times as long for a matrix as for a vector with few hits.
    """
    at = np.flatnonzero((scores >= thresholds).reshape(-1))
    rows, packs = np.divmod(at, len(thresholds))
    return rows, packs
