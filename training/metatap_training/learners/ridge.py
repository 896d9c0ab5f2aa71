"""The head: class-balanced ridge regression with a learned prior, in closed form, solved twice.

Given embeddings z of the support (label 1 or 0) and of the background (label 0), the head is

    w, b = argmin  Σᵢ ωᵢ (zᵢ·w + b − yᵢ)² + (w − w₀)ᵀ Λ (w − w₀)

with targets y = ±1, masses ω shared out by class, prior w₀ and Λ learned across tasks. The bias is
free, so with z̄ and ȳ the weighted means it is b = ȳ − w·z̄, and w solves the normal equations
(Σ ωzzᵀ − Ω z̄z̄ᵀ + Λ) w = Σ ωyz − Ω ȳz̄ + Λw₀, Ω = Σ ω.

The background weighs alike in the first solution. In the second, a learned share of its mass goes
to its `HARD` flows with the highest scores under the first, by a softmax of learned sharpness: a
false alarm costs what it costs, whatever the many flows that no head would confuse look like.

Training solves the equations directly. The model file solves them by a fixed number of
conjugate-gradient steps with Jacobi preconditioning, started at w₀ and at the first solution, which
needs only standard ONNX operators. `solve` is that algorithm in PyTorch: in float64, where the
order of sums does not show, but for sums over a background that is given in float32.

Sources: Bertinetto et al., "Meta-learning with differentiable closed-form solvers" (R2D2, ICLR
2019); Lee et al., "Meta-Learning with Differentiable Convex Optimization" (MetaOptNet, CVPR 2019);
Hestenes & Stiefel, "Methods of conjugate gradients" (1952); reweighting after Holland & Welsch,
"Robust regression using iteratively reweighted least-squares" (1977), the weights turned round.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


def conjugate_gradient(matrix: Tensor, right: Tensor, start: Tensor, steps: int) -> Tensor:
    """Solve A x = right for symmetric positive definite A, for T systems.

    A is scaled to a diagonal of ones, which is Jacobi preconditioning. A direction p is kept over
    the squared residual ρ it began with: then p' = p + r'/ρ', r' = r − Ap/(p·Ap), and the solution
    is the sum of all p/(p·Ap), the fewest operations a step. Once a residual is exactly zero these
    quotients are NaN, and steps that are NaN are left out of the sum.

    Args:
        matrix: [T, d, d].
        right: [T, d].
        start: [T, d], first guess.
        steps: Fixed number of steps.

    Returns:
        [T, d].
    """
    scale = torch.rsqrt(torch.diagonal(matrix, dim1=-2, dim2=-1))
    scaled = matrix * scale.unsqueeze(-1) * scale.unsqueeze(-2)
    residual = (right - _product(matrix, start)) * scale
    direction = torch.zeros_like(residual)
    found = torch.zeros_like(residual)
    for _ in range(steps):
        direction = direction + residual / (residual**2).sum(-1, keepdim=True)
        image = _product(scaled, direction)
        curve = (direction * image).sum(-1, keepdim=True)
        residual = residual - image / curve
        step = direction / curve
        found = found + step.masked_fill(step.isnan(), 0)
    return start + found * scale


def _product(matrix: Tensor, x: Tensor) -> Tensor:
    return (matrix @ x.unsqueeze(-1)).squeeze(-1)


ROUNDS = 1
"""Solutions after the first."""

HARD = 256
"""Background flows that may weigh more in the second solution."""


@dataclass(frozen=True, slots=True)
class Equations:
    """Normal equations of T tasks, and what the bias is made from.

    Attributes:
        matrix: [T, d, d].
        right: [T, d].
        mean: [T, d], z̄.
        level: [T, 1], ȳ.
    """

    matrix: Tensor
    right: Tensor
    mean: Tensor
    level: Tensor

    def heads(self, weights: Tensor) -> Tensor:
        """Heads [T, d + 1], weights, then bias, of weights [T, d]."""
        return torch.cat([weights, self.level - (weights * self.mean).sum(1, keepdim=True)], 1)


@dataclass(frozen=True, slots=True)
class Examples:
    """Support of T tasks and their common background, relative to the background's mean.

    Attributes:
        near: [T, k, d], support, padded.
        pull: [T, k], ωy of the support.
        weight: [T, k], ω of the support.
        far: [m, d], background, in float32.
        middle: [d], mean of the background.
        spread: [d, d], covariance of the background.
    """

    near: Tensor
    pull: Tensor
    weight: Tensor
    far: Tensor
    middle: Tensor
    spread: Tensor


class RidgeHead(nn.Module):
    """The learned parts of the head and its closed form.

    Attributes:
        steps: Conjugate-gradient steps of each solution.
        prior: float32 [d], w₀.
        log_penalty: float32 [d], logarithm of the diagonal of Λ.
        log_mass: float32 [2], see `masses`.
        log_hard: float32 [2], see `hardness`.
    """

    def __init__(self, depth: int, steps: int = 16) -> None:
        super().__init__()
        self.steps = steps
        self.rounds = ROUNDS
        self.prior = nn.Parameter(torch.zeros(depth))
        self.log_penalty = nn.Parameter(torch.full((depth,), -3.5))
        self.log_mass = nn.Parameter(torch.zeros(2))
        self.log_hard = nn.Parameter(torch.tensor([-0.4, 0.7]))

    def masses(self) -> tuple[Tensor, Tensor]:
        """Mass of the positives together, and of one counter-example as a share of a positive's."""
        return torch.sigmoid(self.log_mass[0]), torch.exp(self.log_mass[1])

    def hardness(self) -> tuple[Tensor, Tensor]:
        """Share of the background's mass that goes to its hard flows, and the sharpness."""
        return torch.sigmoid(self.log_hard[0]), torch.exp(self.log_hard[1])

    def forward(
        self, support: Tensor, positive: Tensor, counter: Tensor, background: Tensor
    ) -> Tensor:
        """Heads of T tasks that share a background, solved directly.

        Args:
            support: float32 [T, k, d], embeddings, padded.
            positive: float32 [T, k], 1 where the row is an example of the threat.
            counter: float32 [T, k], 1 where it is a counter-example.
            background: float32 [m, d], embeddings.

        Returns:
            float32 [T, d + 1], weights, then bias.
        """
        given = self._examples(support, positive, counter, background)
        system = self._equations(given)
        weights = torch.linalg.solve(system.matrix, system.right)
        for _ in range(self.rounds):
            system = self._equations(given, self._hard(given, weights))
            weights = torch.linalg.solve(system.matrix, system.right)
        return system.heads(weights)

    def solve(self, support: Tensor, label: Tensor, background: Tensor) -> Tensor:
        """One head float32 [d + 1], as the model file makes it.

        Args:
            support: float32 [k, d], embeddings.
            label: float32 [k], 1 = the threat, 0 = a counter-example.
            background: float32 [m, d], embeddings.
        """
        positive = (label > 0.5).double()[None]
        given = self._examples(support.double()[None], positive, 1 - positive, background)
        system = self._equations(given)
        start = self.prior.double().expand_as(system.right)
        weights = conjugate_gradient(system.matrix, system.right, start, self.steps)
        for _ in range(self.rounds):
            system = self._equations(given, self._hard(given, weights))
            weights = conjugate_gradient(system.matrix, system.right, weights, self.steps)
        return system.heads(weights)[0].float()

    def _examples(
        self, support: Tensor, positive: Tensor, counter: Tensor, background: Tensor
    ) -> Examples:
        mass, ratio = self.masses()
        share = mass / positive.sum(1, keepdim=True).clamp(min=1)
        middle = background.mean(0)
        far = background - middle
        dtype = support.dtype
        return Examples(
            near=support - middle,
            pull=share * (positive - ratio * counter),
            weight=share * (positive + ratio * counter),
            far=far,
            middle=middle.to(dtype),
            spread=(far.T @ far).to(dtype) / len(far),
        )

    def _hard(self, given: Examples, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Rows [T, h, d] and weights [T, h] of the background flows a first solution confuses."""
        scores = weights.to(given.far.dtype) @ given.far.T
        top, rows = torch.topk(scores, min(HARD, len(given.far)), dim=1)
        share = torch.softmax(self.hardness()[1] * top.to(weights.dtype), 1)
        return given.far[rows], share

    def _equations(self, given: Examples, hard: tuple[Tensor, Tensor] | None = None) -> Equations:
        """Normal equations; without `hard` the whole background weighs alike."""
        rest = 1 - self.masses()[0]
        share = self.hardness()[0] if hard else torch.zeros_like(rest)
        near, pull, weight = given.near, given.pull.unsqueeze(1), given.weight.unsqueeze(-1)
        penalty = torch.exp(self.log_penalty).to(near.dtype)
        matrix = near.mT @ (weight * near) + rest * (1 - share) * given.spread
        matrix = matrix + torch.diag(penalty)
        lean = (weight * near).sum(1)
        right = (pull @ near).squeeze(1) + penalty * self.prior
        if hard:
            weighted = (rest * share * hard[1]).unsqueeze(-1).to(hard[0].dtype) * hard[0]
            matrix = matrix + (hard[0].mT @ weighted).to(near.dtype)
            drawn = weighted.sum(1).to(near.dtype)
            lean, right = lean + drawn, right - drawn
        total = weight.sum(1) + rest
        level = (pull.sum(2) - rest) / total
        mean = lean / total
        matrix = matrix - lean.unsqueeze(2) * mean.unsqueeze(1)
        return Equations(matrix, right - level * lean, mean + given.middle, level)
