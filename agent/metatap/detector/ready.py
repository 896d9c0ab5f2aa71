"""One pack made ready: its head, its threshold, and how its own flows score when held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector.model import Model
from metatap.detector.threshold import pack_threshold
from metatap.features import encode
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]

FOLDS = 8
"""Parts the support is held out in, at most; up to 8 flows each is held out alone."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A pack ready for scoring.

    Attributes:
        pack: The pack, of k support flows.
        head: float32 [d + 1].
        threshold: A score at or above it is a hit.
        examples: float32 [k, F], features of the support flows.
        support: float32 [k, d], their embeddings.
        held_out: float32 [k], score of each by the head of the others; of one flow, by its own.
        others: float32 [k, d + 1], that head.
    """

    pack: Pack
    head: FloatArray
    threshold: float
    examples: FloatArray
    support: FloatArray
    held_out: FloatArray
    others: FloatArray

    @property
    def recognised(self) -> int:
        """Support flows that reach the threshold when held out."""
        return int((self.held_out >= self.threshold).sum())

    @property
    def is_useful(self) -> bool:
        """Whether the pack recognises half of its own flows; one that does not is refused."""
        return 2 * self.recognised >= len(self.support)


def make_ready(
    model: Model, pack: Pack, rate: float, background: FloatArray | None = None
) -> Ready:
    """Adapt a head to a pack, hold its flows out, and set its threshold.

    Args:
        model: The model.
        pack: The pack.
        rate: Target share of the background over the threshold.
        background: float32 [m, d], embeddings of benign flows, m ≥ 1; None: the reference
            background in the model file.

    Raises:
        ModelError: a head is not finite.
    """
    if background is None:
        background = model.meta.background.embedding
    examples = model.select(encode(pack.flows, pack.context))
    label = np.ones(len(examples), np.float32)
    counter = np.zeros((0, model.width), np.float32)
    if pack.not_like is not None:
        counter = model.select(encode(pack.not_like, pack.not_like_context))
    against = np.zeros(len(counter), np.float32)
    head = model.adapt(
        np.concatenate([examples, counter]), np.concatenate([label, against]), background
    )
    support = model.embed(examples)
    held_out = np.empty(len(examples), np.float32)
    others = np.empty((len(examples), len(head)), np.float32)
    folds = min(len(examples), FOLDS)
    for fold in range(folds):
        out = np.arange(len(examples)) % folds == fold
        rest = ~out if folds > 1 else out
        other = model.adapt(
            np.concatenate([examples[rest], counter]),
            np.concatenate([label[rest], against]),
            background,
        )
        held_out[out] = _scores(support[out], other)
        others[out] = other
    threshold = pack_threshold(
        _scores(background, head), _scores(model.embed(counter), head), held_out, rate
    )
    return Ready(pack, head, threshold, examples, support, held_out, others)


def _scores(embedding: FloatArray, head: FloatArray) -> FloatArray:
    scores: FloatArray = embedding @ head[:-1] + head[-1]
    return scores
