"""One pack made ready: its head, its threshold, and how its own flows score when held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector.judge import least_distance, weakness
from metatap.detector.model import Model
from metatap.detector.threshold import pack_threshold
from metatap.detector.trim import local_background
from metatap.errors import ModelError
from metatap.features import encode
from metatap.packs import Fault, Pack

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
        fault: What keeps the pack from being in force, None if nothing does.
        reason: The same in words, "" likewise.
    """

    pack: Pack
    head: FloatArray
    threshold: float
    examples: FloatArray
    support: FloatArray
    held_out: FloatArray
    others: FloatArray
    fault: Fault | None = None
    reason: str = ""

    @property
    def recognised(self) -> int:
        """Support flows that reach the threshold when held out."""
        return int((self.held_out >= self.threshold).sum())

    @property
    def is_useful(self) -> bool:
        """Whether the pack is fit to be in force, see `judge.weakness`."""
        return self.fault is None

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.head, self.examples, self.support, self.held_out, self.others)
        return sum(array.nbytes for array in arrays)


def make_ready(
    model: Model,
    pack: Pack,
    rate: float,
    background: FloatArray | None = None,
    local: FloatArray | None = None,
) -> Ready:
    """Adapt a head to a pack, hold its flows out, and set its threshold.

    Args:
        model: The model.
        pack: The pack.
        rate: Target share of the background over the threshold.
        background: float32 [m, d], embeddings of benign flows, m ≥ 1; None: the reference
            background in the model file.
        local: float32 [l, d], embeddings of the network's own flows, an attack among them perhaps;
            they join the background, see `trim`.

    Raises:
        ModelError: a head or a score of the support is not finite.
    """
    if background is None:
        background = model.meta.background.embedding
    examples = model.select(encode(pack.flows, pack.context))
    label = np.ones(len(examples), np.float32)
    counter = np.zeros((0, model.width), np.float32)
    if pack.not_like is not None:
        counter = model.select(encode(pack.not_like, pack.not_like_context))
    against = np.zeros(len(counter), np.float32)
    known, labels = np.concatenate([examples, counter]), np.concatenate([label, against])
    if local is not None:
        background = local_background(model, known, labels, background, local)
    head = model.adapt(known, labels, background)
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
    against_embedding = model.embed(counter)
    ground, counters = _scores(background, head), _scores(against_embedding, head)
    threshold = pack_threshold(ground, counters, held_out, rate)
    if not (np.isfinite(threshold) and np.isfinite(held_out).all()):
        raise ModelError(f"{model.path}: its own flows have no finite score")
    found = weakness(
        threshold=threshold,
        held_out=held_out,
        own=_scores(support, head),
        counter=counters,
        ground=ground,
        apart=least_distance(support, against_embedding, background),
        rate=rate,
    )
    fault, reason = (None, "") if found is None else found
    return Ready(pack, head, threshold, examples, support, held_out, others, fault, reason)


def _scores(embedding: FloatArray, head: FloatArray) -> FloatArray:
    scores: FloatArray = embedding @ head[:-1] + head[-1]
    return scores
