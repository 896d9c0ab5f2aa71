"""The scoring stage: FlowBatch → Detections."""

from __future__ import annotations

import numpy as np

from metatap.context import Context
from metatap.counters import Counters
from metatap.detector.detections import Detections
from metatap.detector.rules import RuleSet
from metatap.features import encode
from metatap.flow import FlowBatch


class Detector:
    """Scores batches with the rules in force.

    Attributes:
        flows: Flows received and passed on; scoring drops none.
        context: What is remembered of hosts; None: flows are scored without their past.
    """

    def __init__(self, rules: RuleSet, context: Context | None = None) -> None:
        self.flows = Counters()
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
            Scores of all flows and the (flow, pack) pairs at or over the pack's threshold.
        """
        rules = self._rules
        known = None if self.context is None else self.context.update(batch)
        features = encode(batch, known)
        scores, _ = rules.model.score(rules.model.select(features), rules.heads)
        rows, packs = np.nonzero(scores >= rules.thresholds)
        self.flows.passes(batch.rows)
        return Detections(batch, rules, features, scores, rows, packs)
