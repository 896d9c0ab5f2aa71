"""One learner of a committee in PyTorch: its trunk and its head.

Normalisation is not here: it is `preprocess.Scaling`, applied once before training and written into
the graph at export.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from metatap.features import WIDTH
from metatap_training.learners.ridge import RidgeHead
from metatap_training.learners.rounding import Units, in_steps, straight_through

STUMP_WIDTH = 0.3
"""Typical width of a stump's slope, in deviations."""

MIN_VARIATION = 0.05
"""A column that varies less is given no stump."""

SLOPE = 1.5
"""Typical slope of a dense unit."""

GENTLE = 0.35
"""Typical slope of a linear unit: few flows reach its ends."""

CAP = 2.0
"""Units are cut off here, so that no flow, however odd, lies far out in the embedding."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one learner.

    Attributes:
        dense: Units that start as random mixtures of all columns.
        stumps: Units that start as a soft threshold on one column.
        linear: Units that start as mixtures of all columns so gentle that they are linear for
            nearly all flows: what logistic regression could tell, the head can tell.
        steps: Conjugate-gradient steps of the head.
    """

    dense: int = 14
    stumps: int = 28
    linear: int = 14
    steps: int = 14

    @property
    def depth(self) -> int:
        """d, width of the embedding."""
        return self.dense + self.stumps + self.linear


class Embedder(nn.Module):
    """Trunk: one wide layer of units, each bounded on both sides.

    The dense units start as random features of a smooth kernel (Rahimi & Recht, "Random features
    for large-scale kernel machines", NIPS 2007), the stumps as the thresholds a random forest would
    try: together they keep what no training task asked for.

    Its weights count as they are rounded for the file, see `learners.rounding`.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.wide = nn.Linear(WIDTH, shape.depth)
        nn.init.normal_(self.wide.weight, std=SLOPE / math.sqrt(WIDTH))
        nn.init.normal_(self.wide.bias)
        with torch.no_grad():
            first = shape.dense + shape.stumps
            self.wide.weight[first:] *= GENTLE / SLOPE
            self.wide.bias[first:] = CAP / 2

    @torch.no_grad()
    def place_stumps(self, rows: Tensor) -> None:
        """Put the thresholds of the stumps where the rows (normalised, [n, F]) have values."""
        varied = torch.nonzero(rows.std(0) > MIN_VARIATION)[:, 0]
        for unit in range(self.shape.stumps):
            column = varied[torch.randint(len(varied), ())]
            values = rows[:, column]
            values = values[values != 0]
            middle = values[torch.randint(len(values), ())]
            slope = torch.sign(torch.randn(())) * torch.exp(torch.randn(()) * 0.7) / STUMP_WIDTH
            at = self.shape.dense + unit
            self.wide.weight[at] = torch.zeros(WIDTH)
            self.wide.weight[at, column] = slope * CAP
            self.wide.bias[at] = CAP / 2 - slope * CAP * middle

    def forward(self, scaled: Tensor) -> Tensor:
        """Embeddings float32 [n, d] of normalised features float32 [n, F]."""
        weight, bias = straight_through(self.wide.weight, self.wide.bias)
        return torch.clamp(functional.linear(scaled, weight, bias), 0, CAP)

    def units(self) -> Units:
        """The weights as the file holds them."""
        return in_steps(self.wide.weight, self.wide.bias)


class MetaRidge(nn.Module):
    """Trunk and head of one member; everything that it learns."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        self.trunk = Embedder(self.shape)
        self.head = RidgeHead(self.shape.depth, self.shape.steps)
        self.log_sharpness = nn.Parameter(torch.tensor(2.0))

    def adapt(self, support: Tensor, label: Tensor, background: Tensor) -> Tensor:
        """One head, as the agent makes it.

        Args:
            support: float32 [k, F], normalised features.
            label: float32 [k], 1 or 0.
            background: float32 [m, d], embeddings.

        Returns:
            float32 [D].
        """
        return self.head.solve(self.trunk(support), label, background)


def score(embedding: Tensor, heads: Tensor) -> Tensor:
    """Scores [..., n, P] of embeddings [..., n, d] under heads [..., D, P]."""
    return embedding @ heads[..., :-1, :] + heads[..., -1:, :]
