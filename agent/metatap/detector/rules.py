"""Model and packs made ready: one head and one threshold a pack, stacked for scoring.

A classifier's classes are rules of the same form, without flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from metatap.detector.classifier import Classifier
from metatap.detector.load import Scorer
from metatap.detector.model import Model
from metatap.detector.ready import Ready, make_ready
from metatap.errors import ModelError
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]

REFERENCE = "reference"
"""`threshold_source` of thresholds from the background inside the model file."""

LOCAL = "local"
"""`threshold_source` of thresholds from a background of the user's own."""

IN_MODEL = "model"
"""`threshold_source` of thresholds that a classifier's description states."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything one batch is scored with; replaced as a whole, never changed.

    Attributes:
        model: The model.
        packs: The P packs in force.
        heads: float32 [D, P'], from the model's `stack`; P' ≥ P, padded.
        thresholds: float32 [P'], +inf for padding: a score at or above it is a hit.
        support: For each pack, embeddings float32 [k, d] of its support flows; k = 0 for a class.
        refused: Pack id → why it is not in force.
        threshold_source: Where the thresholds come from: `reference`, `local` or `model`.
    """

    model: Scorer
    packs: tuple[Pack, ...]
    heads: FloatArray
    thresholds: FloatArray
    support: tuple[FloatArray, ...]
    refused: dict[str, str]
    threshold_source: str = REFERENCE

    @classmethod
    def of_classes(cls, model: Classifier) -> RuleSet:
        """The rules of a classifier: its classes, with the thresholds of its description."""
        rules = model.meta.rules
        return cls(
            model,
            tuple(rule.pack for rule in rules),
            model.stack([rule.column for rule in rules]),
            np.array([rule.threshold for rule in rules], np.float32),
            tuple(np.zeros((0, len(model.meta.classes)), np.float32) for _ in rules),
            {},
            IN_MODEL,
        )

    @classmethod
    def build(
        cls,
        model: Model,
        packs: Sequence[Pack],
        rate: float,
        background: FloatArray | None = None,
    ) -> RuleSet:
        """Adapt a head to each pack and set its threshold on a background of benign flows.

        A pack whose head is not finite, or that does not recognise half of its own support flows
        when they are held out, is refused: logged, listed in `refused`, the others unaffected.

        Args:
            model: The model.
            packs: The packs, ids unique.
            rate: Target share of flows over each pack's threshold.
            background: float32 [m, d], embeddings of benign flows, m ≥ 1; None: the reference
                background in the model file.
        """
        source = REFERENCE if background is None else LOCAL
        if background is None:
            background = model.meta.background.embedding
        kept: list[Ready] = []
        refused: dict[str, str] = {}
        for pack in packs:
            try:
                ready = make_ready(model, pack, rate, background)
            except ModelError as error:
                refused[pack.id] = str(error)
                continue
            if not ready.is_useful:
                refused[pack.id] = (
                    f"recognises {ready.recognised} of its own {len(ready.support)} flows, held "
                    f"out, at threshold {ready.threshold:.2f} (rate {rate:g})"
                )
                continue
            kept.append(ready)
        for name, why in refused.items():
            log.warning("pack_refused", pack=name, reason=why)
        heads = model.stack([ready.head for ready in kept])
        thresholds = np.full(heads.shape[1], np.inf, np.float32)
        thresholds[: len(kept)] = [ready.threshold for ready in kept]
        return cls(
            model,
            tuple(ready.pack for ready in kept),
            heads,
            thresholds,
            tuple(ready.support for ready in kept),
            refused,
            source,
        )
