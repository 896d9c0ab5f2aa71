"""Does the file compute what PyTorch computes? Run on real rows before a file is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import torch

from metatap.detector.contract import INPUTS, OUTPUTS
from metatap.features import WIDTH
from metatap_training.datasets.flows import FloatArray
from metatap_training.datasets.sources import DataError
from metatap_training.export.runner import Runner
from metatap_training.learners import Committee
from metatap_training.preprocess import Scaling

TOLERANCE = 1e-4
SUPPORTS = (1, 5, 10, 64)


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute differences between ONNX Runtime and PyTorch."""

    score: float
    embedding: float
    head: float

    def require(self) -> Parity:
        """This, if all are within `TOLERANCE`.

        Raises:
            DataError: one is not.
        """
        if not max(self.score, self.embedding, self.head) <= TOLERANCE:
            raise DataError(f"the ONNX file differs from PyTorch: {self}")
        return self


def hard_rows(features: FloatArray, seed: int = 0) -> FloatArray:
    """Rows to try: the given ones, the same with most values absent, and huge values."""
    rng = np.random.default_rng(seed)
    sparse = np.where(rng.random(features.shape) < 0.8, np.nan, features).astype(np.float32)
    huge = features[:16] * np.float32(1e15)
    edge = np.stack([np.full(WIDTH, value, np.float32) for value in (np.nan, 0, 1e19)])
    return np.concatenate([features, sparse, huge, edge])


def check_parity(
    session: ort.InferenceSession,
    model: Committee,
    scaling: Scaling,
    features: FloatArray,
    background: FloatArray,
) -> Parity:
    """Compare scores, embeddings and heads for several K, counter-examples among them.

    Args:
        session: The exported graph.
        model: What it was exported from.
        scaling: Its normalisation.
        features: float32 [n, F], raw rows to score and to take supports from.
        background: float32 [m, d].
    """
    rng = np.random.default_rng(0)
    rows = hard_rows(features)
    worst = np.zeros(3)
    ground = torch.from_numpy(background).double()
    for k in SUPPORTS:
        support = rows[rng.integers(0, len(rows), k)]
        label = np.ones(k, np.float32)
        label[1::3] = 0
        with torch.no_grad():
            embedding = model.trunk(torch.from_numpy(scaling.apply(rows)))
            scaled = torch.from_numpy(scaling.apply(support))
            head = model.adapt(scaled, torch.from_numpy(label), ground)
            score = embedding @ head[:-1] + head[-1]
        feed = (rows, head.numpy()[:, None], support, label, background)
        got = session.run(OUTPUTS, dict(zip(INPUTS, feed, strict=True)))
        expected = (score[:, None].numpy(), embedding.numpy(), head.numpy())
        gaps = [np.abs(a - b).max() for a, b in zip(got, expected, strict=True)]
        worst = np.maximum(worst, gaps)
    return Parity(*(float(gap) for gap in worst))


def rounding(
    exact: Runner,
    shipped: Runner,
    features: FloatArray,
    support: FloatArray,
    background: FloatArray,
) -> float:
    """Median absolute difference of scores in float32 and in integers, each with its own head.

    Args:
        exact: The graph in float32.
        shipped: The graph in integers.
        features: float32 [n, F], raw rows to score.
        support: float32 [k, F], raw examples.
        background: float32 [m, d], embeddings.
    """
    scores = [one.score(features, one.adapt(support, background)) for one in (exact, shipped)]
    return float(np.median(np.abs(scores[0] - scores[1])))
