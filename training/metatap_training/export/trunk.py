"""Normalisation and trunk as ONNX nodes, in float32 or in small integers.

The affine part of the normalisation is one BatchNormalization, half the time of Mul and Add.

In integers a normalised feature is one of 256 steps of `CLIP` / 127 deviations (rounding to them
clips it too), a weight one of 129 steps of its unit's largest, a unit one of 256 steps of `CAP` /
255. Weights keep to ±64 and not ±127, so that a sum of two products fits 16 bits: processors
without VNNI would cut it off. The sums themselves are exact, whatever the processor or the batch.

Source: Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference" (CVPR 2018).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.features import WIDTH, Scale, scale_slice
from metatap_training.export.nodes import Nodes
from metatap_training.learners import Committee
from metatap_training.learners.model import CAP
from metatap_training.preprocess import CLIP, Scaling

FloatArray = npt.NDArray[np.float32]

LOWEST = -3.0e38
"""ThresholdedRelu is x where x > alpha, else 0: with the lowest alpha it turns NaN, and nothing
else, into 0. (IsNaN and Where do the same in twenty times the time.)"""

WEIGHT_STEPS = 64
FEATURE_STEP = CLIP / 127
UNIT_STEP = CAP / 255


class FloatTrunk:
    """The trunk in float32; its constants live in the main graph, both branches share them."""

    def __init__(self, model: Committee, scaling: Scaling, main: Nodes) -> None:
        self._known = _Known(scaling, main)
        self._ends = main.constant(-CLIP), main.constant(CLIP)
        self._units = main.constant(0.0), main.constant(CAP)
        weight, bias = _weights(model)
        self._wide = main.constant(weight), main.constant(bias)

    def embed(self, nodes: Nodes, features: str, output: str | None = None) -> str:
        """Nodes from raw features [n, F] to embeddings [n, d]."""
        known = nodes.op("Clip", self._known.write(nodes, features), *self._ends)
        units = nodes.op("Gemm", known, *self._wide)
        return nodes.op("Clip", units, *self._units, output=output)


class IntegerTrunk:
    """The trunk in integers; the bias is the weight of one more feature, which is always `CLIP`."""

    def __init__(self, model: Committee, scaling: Scaling, main: Nodes) -> None:
        self._known = _Known(scaling, main)
        weight, bias = _weights(model)
        whole = np.concatenate([weight, bias[None] / CLIP])
        step = np.abs(whole).max(0).clip(min=1e-9) / WEIGHT_STEPS
        steps = np.round(whole / step).astype(np.int8)
        self._pad = main.constant([0, 0, 0, 1], np.int64), main.constant(255, np.uint8)
        self._feature = main.constant(FEATURE_STEP), main.constant(128, np.uint8)
        self._weight = (
            main.constant(steps, np.int8),
            main.constant(step),
            main.constant(np.zeros(len(step)), np.int8),
        )
        self._unit = main.constant(UNIT_STEP), main.constant(0, np.uint8)

    def embed(self, nodes: Nodes, features: str, output: str | None = None) -> str:
        """Nodes from raw features [n, F] to embeddings [n, d] in float32."""
        return self.values(nodes, self.steps(nodes, features), output)

    def values(self, nodes: Nodes, steps: str, output: str | None = None) -> str:
        """Embeddings in steps as float32."""
        return nodes.op("DequantizeLinear", steps, *self._unit, output=output)

    def steps(self, nodes: Nodes, features: str) -> str:
        """Nodes from raw features [n, F] to embeddings uint8 [n, d], in steps."""
        small = nodes.op("QuantizeLinear", self._known.write(nodes, features), *self._feature)
        padded = nodes.op("Pad", small, *self._pad)
        return nodes.op("QLinearMatMul", padded, *self._feature, *self._weight, *self._unit)


class _Known:
    """Raw features [n, F] → normalised ones, what is absent at the mean."""

    def __init__(self, scaling: Scaling, main: Nodes) -> None:
        self._log = scale_slice(Scale.LOG)
        one, zero = np.ones(WIDTH), np.zeros(WIDTH)
        variance = scaling.std.astype(np.float64) ** 2
        self._affine = [main.constant(part) for part in (one, zero, scaling.mean, variance)]
        self._one = main.constant(1.0)

    def write(self, nodes: Nodes, features: str) -> str:
        block = nodes.slice_columns(features, 0, self._log.stop)
        rest = nodes.slice_columns(features, self._log.stop, WIDTH)
        log = nodes.op("Log", nodes.op("Add", nodes.op("Abs", block), self._one))
        joined = nodes.op("Concat", log, rest, axis=1)
        scaled = nodes.op("BatchNormalization", joined, *self._affine, epsilon=0.0)
        return nodes.op("ThresholdedRelu", scaled, alpha=LOWEST)


def _weights(model: Committee) -> tuple[FloatArray, FloatArray]:
    """Weights float32 [F, d] and biases float32 [d] of all members side by side."""
    units = [member.trunk.wide for member in model.members]
    weight = np.concatenate([unit.weight.detach().numpy().T for unit in units], 1)
    return weight, np.concatenate([unit.bias.detach().numpy() for unit in units])
