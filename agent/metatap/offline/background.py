"""A background of the user's own: a sample of the flows of a source, as the model sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from metatap.detector import Model
from metatap.detector.contract import MAX_BACKGROUND
from metatap.errors import MetatapError
from metatap.features import encode
from metatap.flow import FlowBatch

FloatArray = npt.NDArray[np.float32]

BACKGROUND_ROWS = MAX_BACKGROUND
"""Flows of a background at most: a threshold for a rate of 1e-4 rests on three of them, and heads
of all packs adapt to them in seconds."""


def sample_background(
    flows: Iterable[tuple[FlowBatch, FloatArray]],
    model: Model,
    rows: int = BACKGROUND_ROWS,
    seed: int = 0,
    on_batch: Callable[[int], None] | None = None,
) -> FloatArray:
    """Embeddings of a uniform sample of flows, without replacement, in their order.

    Each flow draws a random number, and those with the lowest are kept (bottom-k sampling). The
    same flows and seed give the same sample.

    Args:
        flows: Batches with the context of their flows, float32 [n, C].
        model: Gives the embeddings.
        rows: Size of the sample, if there are so many flows.
        seed: Of the random numbers.
        on_batch: Told the number of flows of each batch.

    Returns:
        float32 [min(rows, flows), d].

    Raises:
        MetatapError: there is no flow.
    """
    rng = np.random.default_rng(seed)
    kept = _Lowest(rows, model.depth)
    for batch, context in flows:
        draws = rng.random(batch.rows)
        at = np.flatnonzero(draws < kept.limit)
        if len(at):
            features = model.select(encode(batch, context)[at])
            kept.add(draws[at], model.embed(features))
        if on_batch is not None:
            on_batch(batch.rows)
    found = kept.take()
    if not len(found):
        raise MetatapError("the background has no flow")
    return found


class _Lowest:
    """The rows that drew the lowest numbers; holds twice as many at most, and one batch.

    Attributes:
        limit: Rows with higher draws can't be among them any more.
    """

    def __init__(self, rows: int, depth: int) -> None:
        self.limit = np.inf
        self._rows = rows
        self._draws = [np.zeros(0)]
        self._embedding = [np.zeros((0, depth), np.float32)]
        self._held = 0

    def add(self, draws: npt.NDArray[np.float64], embedding: FloatArray) -> None:
        self._draws.append(draws)
        self._embedding.append(embedding)
        self._held += len(draws)
        if self._held >= 2 * self._rows:
            self._shrink()

    def take(self) -> FloatArray:
        self._shrink()
        return self._embedding[0]

    def _shrink(self) -> None:
        draws, embedding = np.concatenate(self._draws), np.concatenate(self._embedding)
        if len(draws) > self._rows:
            at = np.sort(np.argpartition(draws, self._rows - 1)[: self._rows])
            draws, embedding = draws[at], embedding[at]
            self.limit = float(draws.max())
        self._draws, self._embedding, self._held = [draws], [embedding], len(draws)
