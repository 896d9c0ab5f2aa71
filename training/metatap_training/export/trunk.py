"""Normalisation and trunk as ONNX nodes, in float32 or in small integers.

The affine part of the normalisation is one BatchNormalization, half the time of Mul and Add.

In integers a normalised feature is one of 256 steps of `CLIP` / 127 deviations (rounding to them
clips it too), weights are what they were in training (`learners.rounding`), a unit is one of 256
steps of `CAP` / 255. The sums are exact, whatever the processor or the batch.

Source: Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference" (CVPR 2018).
"""

from __future__ import annotations

import numpy as np
import torch

from metatap.features import WIDTH, Scale, scale_slice
from metatap_training.export.nodes import Nodes
from metatap_training.learners import Committee
from metatap_training.learners.model import CAP
from metatap_training.learners.rounding import BIAS_COLUMNS, BIAS_STEPS, FEATURE_STEP, Units
from metatap_training.preprocess import CLIP, Scaling

LOWEST = -3.0e38
"""ThresholdedRelu is x where x > alpha, else 0: with the lowest alpha it turns NaN, and nothing
else, into 0. (IsNaN and Where do the same in twenty times the time.)"""

UNIT_STEP = CAP / 255
_UNIT = np.ones(WIDTH), np.zeros(WIDTH)
"""Scale and offset of a BatchNormalization that adds none of its own."""


class FloatTrunk:
    """The trunk in float32; its constants live in the main graph, both branches share them."""

    def __init__(self, model: Committee, scaling: Scaling, main: Nodes) -> None:
        self._known = _Known(scaling, main)
        self._ends = main.constant(-CLIP), main.constant(CLIP)
        self._units = main.constant(0.0), main.constant(CAP)
        weight, bias = _units(model).values()
        self._wide = main.constant(weight.numpy().T), main.constant(bias.numpy())

    def embed(self, nodes: Nodes, features: str, output: str | None = None) -> str:
        """Nodes from raw features [n, F] to embeddings [n, d]."""
        known = nodes.op("Concat", *self._known.write(nodes, features), axis=1)
        known = nodes.op("Clip", known, *self._ends)
        units = nodes.op("Gemm", known, *self._wide)
        return nodes.op("Clip", units, *self._units, output=output)


class IntegerTrunk:
    """The trunk in integers; further columns of a constant value carry the bias."""

    def __init__(self, model: Committee, scaling: Scaling, main: Nodes) -> None:
        self._known = _Known(scaling, main)
        units = _units(model)
        columns = [
            torch.floor((units.bias + at) / BIAS_COLUMNS)[:, None] for at in range(BIAS_COLUMNS)
        ]
        log = scale_slice(Scale.LOG).stop
        parts = [units.weight[:, :log], *columns, units.weight[:, log:]]
        steps, step = torch.cat(parts, 1).numpy().T, units.step.numpy()
        ends = main.constant([0, 0, 0, BIAS_COLUMNS], np.int64)
        self._pad = ends, main.constant(128 + BIAS_STEPS, np.uint8)
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
        blocks = self._known.write(nodes, features)
        small = [nodes.op("QuantizeLinear", block, *self._feature) for block in blocks]
        # Bytes are joined and padded faster than floats, and the narrower block faster still.
        small[0] = nodes.op("Pad", small[0], *self._pad)
        joined = nodes.op("Concat", *small, axis=1)
        return nodes.op("QLinearMatMul", joined, *self._feature, *self._weight, *self._unit)


class _Known:
    """Raw features [n, F] → normalised ones in two blocks, what is absent at the mean."""

    def __init__(self, scaling: Scaling, main: Nodes) -> None:
        self._log = scale_slice(Scale.LOG)
        variance = scaling.std.astype(np.float64) ** 2
        self._affine = [
            [main.constant(part[block]) for part in (*_UNIT, scaling.mean, variance)]
            for block in (self._log, slice(self._log.stop, WIDTH))
        ]
        self._one = main.constant(1.0)

    def write(self, nodes: Nodes, features: str) -> tuple[str, str]:
        """Nodes to the magnitudes, which are taken as logarithms, and to the other features."""
        block = nodes.slice_columns(features, 0, self._log.stop)
        rest = nodes.slice_columns(features, self._log.stop, WIDTH)
        log = nodes.op("Log", nodes.op("Add", nodes.op("Abs", block), self._one))
        return self._scaled(nodes, log, 0), self._scaled(nodes, rest, 1)

    def _scaled(self, nodes: Nodes, values: str, block: int) -> str:
        scaled = nodes.op("BatchNormalization", values, *self._affine[block], epsilon=0.0)
        return nodes.op("ThresholdedRelu", scaled, alpha=LOWEST)


def _units(model: Committee) -> Units:
    """The units of all members, one below the other."""
    parts = [member.trunk.units() for member in model.members]
    return Units(
        weight=torch.cat([part.weight for part in parts]),
        bias=torch.cat([part.bias for part in parts]),
        step=torch.cat([part.step for part in parts]),
    )
