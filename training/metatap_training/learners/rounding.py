"""The trunk's weights in the steps of 8-bit integers that a shipped file computes in.

A weight is one of 129 steps of its unit's largest. Weights keep to ±64 and not ±127, so that a sum
of two products fits 16 bits: processors without VNNI would cut it off. A bias is carried by
`BIAS_COLUMNS` further inputs whose value is always `BIAS_STEPS` steps of a feature.

Training sees the rounded weights, with the gradient of what they were rounded from (straight
through): a model that was trained in float32 and rounded afterwards moves its scores by several
times as much.

Sources: Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference" (CVPR 2018); Bengio et al., "Estimating or propagating gradients
through stochastic neurons for conditional computation" (2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metatap_training.preprocess.scaling import CLIP

WEIGHT_STEPS = 64
FEATURE_STEP = CLIP / 127
BIAS_COLUMNS, BIAS_STEPS = 5, 25
"""Together nearly `CLIP`, the most that one column could hold, in steps a fifth as long."""

BIAS_STEP = BIAS_STEPS * FEATURE_STEP
SMALLEST = 1e-9
"""Keeps the step of a unit of zeros finite."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units in whole steps.

    Attributes:
        weight: float32 [d, F], whole numbers from −64 to 64.
        bias: float32 [d], whole numbers from −320 to 320, each `BIAS_STEP` steps of the unit.
        step: float32 [d].
    """

    weight: Tensor
    bias: Tensor
    step: Tensor

    def values(self) -> tuple[Tensor, Tensor]:
        """Weights [d, F] and biases [d] that the steps stand for."""
        return self.weight * self.step[:, None], self.bias * (self.step * BIAS_STEP)


@torch.no_grad()
def in_steps(weight: Tensor, bias: Tensor) -> Units:
    """Weights float32 [d, F] and biases float32 [d] of units, rounded."""
    share = bias.abs() / (BIAS_COLUMNS * BIAS_STEP)
    largest = torch.maximum(weight.abs().amax(1), share).clamp(min=SMALLEST)
    step = largest / WEIGHT_STEPS
    return Units(
        weight=torch.round(weight / step[:, None]),
        bias=torch.round(bias / (step * BIAS_STEP)),
        step=step,
    )


def straight_through(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The rounded weights and biases to the last bit, with the gradients of the given ones."""
    weights, biases = in_steps(weight, bias).values()
    return weights + (weight - weight.detach()), biases + (bias - bias.detach())
