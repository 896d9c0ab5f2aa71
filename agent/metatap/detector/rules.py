"""Model and packs made ready: one head and one threshold a pack, stacked for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from metatap.detector.model import Model
from metatap.detector.threshold import tail_threshold
from metatap.errors import ModelError
from metatap.features import encode
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]

REFERENCE = "reference"
"""`threshold_source` of thresholds from the background inside the model file."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything one batch is scored with; replaced as a whole, never changed.

    Attributes:
        model: The model.
        packs: The P packs in force.
        heads: float32 [d + 1, P'], P' = P padded to a multiple of 8.
        thresholds: float32 [P'], +inf for padding: a score at or above it is a hit.
        support: For each pack, embeddings float32 [k, d] of its support flows.
        refused: Pack id → why it is not in force.
        threshold_source: Where the thresholds come from: `reference`.
    """

    model: Model
    packs: tuple[Pack, ...]
    heads: FloatArray
    thresholds: FloatArray
    support: tuple[FloatArray, ...]
    refused: dict[str, str]
    threshold_source: str = REFERENCE

    @classmethod
    def build(cls, model: Model, packs: Sequence[Pack], rate: float) -> RuleSet:
        """Adapt a head to each pack and set its threshold on the model's reference background.

        A pack whose head is not finite, or that does not recognise most of its own support flows
        at its threshold, is refused: logged, listed in `refused`, and the others are unaffected.

        Args:
            model: The model.
            packs: The packs, ids unique.
            rate: Target share of flows over each pack's threshold.
        """
        ground = model.meta.background.embedding
        kept: list[tuple[Pack, FloatArray, float, FloatArray]] = []
        refused: dict[str, str] = {}
        for pack in packs:
            try:
                head, support = _adapt(model, pack)
            except ModelError as error:
                refused[pack.id] = str(error)
                continue
            threshold = tail_threshold(ground @ head[:-1] + head[-1], rate)
            seen = int((support @ head[:-1] + head[-1] >= threshold).sum())
            if 2 * seen < len(support):
                refused[pack.id] = (
                    f"recognises {seen} of its own {len(support)} flows at threshold "
                    f"{threshold:.2f} (rate {rate:g})"
                )
                continue
            kept.append((pack, head, threshold, support))
        for name, why in refused.items():
            log.warning("pack_refused", pack=name, reason=why)
        heads = model.stack([head for _, head, _, _ in kept])
        thresholds = np.full(heads.shape[1], np.inf, np.float32)
        thresholds[: len(kept)] = [threshold for _, _, threshold, _ in kept]
        return cls(
            model,
            tuple(pack for pack, _, _, _ in kept),
            heads,
            thresholds,
            tuple(support for _, _, _, support in kept),
            refused,
        )


def _adapt(model: Model, pack: Pack) -> tuple[FloatArray, FloatArray]:
    support = model.select(encode(pack.flows))
    label = np.ones(len(support), np.float32)
    examples = support
    if pack.not_like is not None:
        counter = model.select(encode(pack.not_like))
        examples = np.concatenate([support, counter])
        label = np.concatenate([label, np.zeros(len(counter), np.float32)])
    return model.adapt(examples, label), model.embed(support)
