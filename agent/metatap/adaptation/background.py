"""The network's own background, in the space of one model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector import Model, Scorer

FloatArray = npt.NDArray[np.float32]

CHUNK = 1024
"""Flows embedded at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """A sample of the network's own flows.

    Attributes:
        embeddings: float32 [m, d].
        id: Names this sample in the space of this model.
        rows: m.
        since: Traffic time of its oldest flow, ns.
    """

    embeddings: FloatArray
    id: str
    rows: int
    since: int


def embedded(model: Scorer, features: FloatArray) -> FloatArray:
    """float32 [m, d], embeddings of flows float32 [m, F]; [0, 0] where the model has none.

    Raises:
        ModelError: the model fails.
    """
    if not isinstance(model, Model):
        return np.zeros((0, 0), np.float32)
    chunks = (features[at : at + CHUNK] for at in range(0, len(features), CHUNK))
    parts = [model.embed(model.select(chunk)) for chunk in chunks]
    return np.concatenate([np.zeros((0, model.depth), np.float32), *parts])


def background_of(
    model: Scorer, features: FloatArray, serials: npt.NDArray[np.int64], since: int
) -> Background:
    """The background of a sample.

    Args:
        model: The model.
        features: float32 [m, F], the sample.
        serials: int64 [m], numbers of its flows.
        since: Traffic time of its oldest flow, ns.

    Raises:
        ModelError: the model fails.
    """
    name = hashlib.sha256(model.sha256.encode() + serials.tobytes()).hexdigest()[:32]
    return Background(embedded(model, features), name, len(features), since)
