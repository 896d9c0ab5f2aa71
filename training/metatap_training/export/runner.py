"""Runs an exported graph in ONNX Runtime, as the agent does."""

from __future__ import annotations

import numpy as np
import onnx

from metatap.detector.contract import INPUTS, OUTPUTS
from metatap.features import WIDTH
from metatap_training.datasets.flows import FloatArray
from metatap_training.export.speed import session_of

LEAST_HEADS = 8
"""P of a run that asks for no score."""


class Runner:
    """An exported graph on one thread."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self.session = session_of(proto.SerializeToString())
        depth = {item.name: item.shape[-1:] for item in self.session.get_inputs()}["background"][0]
        self._no_heads = np.zeros((depth + 1, LEAST_HEADS), np.float32)
        self._no_rows = np.zeros((0, WIDTH), np.float32)
        self._no_ground = np.zeros((0, depth), np.float32)

    def embed(self, features: FloatArray) -> FloatArray:
        """Embeddings [n, d] of raw features [n, F]."""
        return self._run(features, self._no_heads)[1]

    def adapt(self, support: FloatArray, background: FloatArray) -> FloatArray:
        """Head [d + 1] of examples, raw features [k, F], and background embeddings [m, d]."""
        label = np.ones(len(support), np.float32)
        return self._run(self._no_rows, self._no_heads, support, label, background)[2]

    def score(self, features: FloatArray, head: FloatArray) -> FloatArray:
        """Scores [n] of raw features [n, F] under one head [d + 1]."""
        return self._run(features, head[:, None])[0][:, 0]

    def _run(
        self,
        features: FloatArray,
        heads: FloatArray,
        support: FloatArray | None = None,
        label: FloatArray | None = None,
        background: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        feed = (
            features,
            heads,
            self._no_rows if support is None else support,
            np.zeros(0, np.float32) if label is None else label,
            self._no_ground if background is None else background,
        )
        score, embedding, head = self.session.run(OUTPUTS, dict(zip(INPUTS, feed, strict=True)))
        return score, embedding, head
