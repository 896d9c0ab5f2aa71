"""What the detector hands on: a batch, its scores and which of them are over a threshold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from metatap.flow import FlowBatch

if TYPE_CHECKING:
    from metatap.detector.rules import RuleSet

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detections:
    """Scores of one batch.

    Attributes:
        batch: The n flows.
        rules: The model, packs, heads and thresholds that scored them.
        features: float32 [n, F], the agent's full feature matrix.
        scores: float32 [n, P'], P' ≥ number of packs (padding at the end).
        rows: intp [h], rows of the hits: pairs of flow and pack whose score reaches the pack's
            threshold, in flow order.
        packs: intp [h], pack index of each hit.
        embedding: float32 [n, d], where the flows stand in the model's space; of a classifier the
            probabilities [n, C]; [0, 0] where nobody kept it.
    """

    batch: FlowBatch
    rules: RuleSet
    features: FloatArray
    scores: FloatArray
    rows: npt.NDArray[np.intp]
    packs: npt.NDArray[np.intp]
    embedding: FloatArray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
