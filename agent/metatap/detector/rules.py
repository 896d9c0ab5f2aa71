"""Model and packs made ready: one head and one threshold a pack, stacked for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from metatap.detector.model import Model
from metatap.detector.threshold import pack_threshold
from metatap.errors import ModelError
from metatap.features import encode
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]

REFERENCE = "reference"
"""`threshold_source` of thresholds from the background inside the model file."""

FOLDS = 8
"""Parts the support is held out in, at most; up to 8 flows each is held out alone."""

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

        A pack whose head is not finite, or that does not recognise half of its own support flows
        when they are held out, is refused: logged, listed in `refused`, the others unaffected.

        Args:
            model: The model.
            packs: The packs, ids unique.
            rate: Target share of flows over each pack's threshold.
        """
        kept: list[_Ready] = []
        refused: dict[str, str] = {}
        for pack in packs:
            try:
                ready = _make_ready(model, pack, rate)
            except ModelError as error:
                refused[pack.id] = str(error)
                continue
            if 2 * ready.recognised < len(ready.support):
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
        )


@dataclass(frozen=True, slots=True)
class _Ready:
    """A pack with its head float32 [d + 1], threshold and support embeddings float32 [k, d]."""

    pack: Pack
    head: FloatArray
    threshold: float
    support: FloatArray
    recognised: int


def _make_ready(model: Model, pack: Pack, rate: float) -> _Ready:
    examples = model.select(encode(pack.flows))
    label = np.ones(len(examples), np.float32)
    counter = np.zeros((0, model.width), np.float32)
    if pack.not_like is not None:
        counter = model.select(encode(pack.not_like))
    against = np.zeros(len(counter), np.float32)
    head = model.adapt(np.concatenate([examples, counter]), np.concatenate([label, against]))
    support = model.embed(examples)
    held_out = np.empty(len(examples), np.float32)
    folds = min(len(examples), FOLDS)
    for fold in range(folds):
        out = np.arange(len(examples)) % folds == fold
        rest = ~out if folds > 1 else out
        other = model.adapt(
            np.concatenate([examples[rest], counter]), np.concatenate([label[rest], against])
        )
        held_out[out] = _scores(support[out], other)
    threshold = pack_threshold(
        _scores(model.meta.background.embedding, head),
        _scores(model.embed(counter), head),
        held_out,
        rate,
    )
    return _Ready(pack, head, threshold, support, int((held_out >= threshold).sum()))


def _scores(embedding: FloatArray, head: FloatArray) -> FloatArray:
    scores: FloatArray = embedding @ head[:-1] + head[-1]
    return scores
