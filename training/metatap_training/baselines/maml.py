"""MAML and ANIL: a network whose first weights are learned so that a few steps adapt it.

First-order MAML: the outer gradient is taken where the inner steps end. ANIL adapts the last layer
alone.

Sources: Finn et al., "Model-agnostic meta-learning for fast adaptation of deep networks" (ICML
2017); Raghu et al., "Rapid learning or feature reuse?" (ANIL, ICLR 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from metatap_training.episodes import Episode
from metatap_training.learners.train import Draws

Weights = list[Tensor]
"""Weight and bias of each layer in turn."""

BACKGROUND = 256
"""Background flows of a task in training."""


@dataclass(frozen=True, slots=True)
class MamlRecipe:
    """How MAML is trained and adapts.

    Attributes:
        last: Adapt the last layer alone (ANIL).
        hidden: Units of each of two layers.
        steps: Episodes, one an outer step.
        inner: Inner steps, in training and after.
        inner_rate: Their learning rate.
        rate: Learning rate of the outer steps (Adam).
    """

    last: bool = False
    hidden: int = 64
    steps: int = 400
    inner: int = 5
    inner_rate: float = 0.1
    rate: float = 1e-3


def start(width: int, recipe: MamlRecipe) -> Weights:
    """Random first weights of a network of `width` inputs."""
    sizes = (width, recipe.hidden, recipe.hidden, 1)
    weights: Weights = []
    for fan_in, fan_out in pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out)
        weights += [layer.weight.detach(), layer.bias.detach()]
    return [part.requires_grad_() for part in weights]


def forward(weights: Weights, rows: Tensor) -> Tensor:
    """Log-odds [n] of rows [n, F]."""
    hidden = rows
    for at in range(0, len(weights) - 2, 2):
        hidden = functional.relu(functional.linear(hidden, weights[at], weights[at + 1]))
    return functional.linear(hidden, weights[-2], weights[-1])[:, 0]


def adapt(weights: Weights, near: Tensor, far: Tensor, recipe: MamlRecipe) -> Weights:
    """Weights after the inner steps on support [k, F] and background [m, F], classes balanced."""
    fixed = len(weights) - 2 if recipe.last else 0
    fast = [part.detach().requires_grad_(at >= fixed) for at, part in enumerate(weights)]
    for _ in range(recipe.inner):
        slopes = torch.autograd.grad(_loss(fast, near, far), fast[fixed:])
        moved = [
            (part - recipe.inner_rate * slope).detach().requires_grad_()
            for part, slope in zip(fast[fixed:], slopes, strict=True)
        ]
        fast = [*fast[:fixed], *moved]
    return [part.detach().requires_grad_() for part in fast]


def train_maml(sampler: Draws, recipe: MamlRecipe, seed: int) -> Weights:
    """First weights, meta-trained on the episodes of a sampler; the same for the same arguments."""
    torch.manual_seed(seed)
    rows = torch.from_numpy(sampler.scaled)
    weights = start(rows.shape[1], recipe)
    optimiser = torch.optim.Adam(weights, lr=recipe.rate)
    for _ in range(recipe.steps):
        optimiser.zero_grad()
        _outer(weights, rows, sampler.draw(), recipe)
        optimiser.step()
    return [part.detach() for part in weights]


def _outer(weights: Weights, rows: Tensor, episode: Episode, recipe: MamlRecipe) -> None:
    """Add up the first-order gradients of an episode's tasks."""
    far = _masked(rows, torch.from_numpy(episode.background[:BACKGROUND]), episode)
    wrong = _masked(rows, torch.from_numpy(episode.negatives), episode)
    for task, support in enumerate(episode.support):
        near = _masked(rows, torch.from_numpy(support[episode.positive[task]]), episode)
        asked = torch.from_numpy(episode.queries[task][episode.asked[task]])
        if not len(near) or not len(asked):
            continue
        fast = adapt(weights, near, far, recipe)
        loss = _loss(fast, _masked(rows, asked, episode), wrong)
        for part, slope in zip(weights, torch.autograd.grad(loss, fast), strict=True):
            share = slope / len(episode.support)
            part.grad = share if part.grad is None else part.grad + share


def _masked(rows: Tensor, at: Tensor, episode: Episode) -> Tensor:
    chosen = rows[at]
    chosen[:, torch.from_numpy(episode.mask.columns)] = torch.from_numpy(episode.mask.values)
    return chosen


def _loss(weights: Weights, near: Tensor, far: Tensor) -> Tensor:
    right = functional.softplus(-forward(weights, near)).mean()
    return right + functional.softplus(forward(weights, far)).mean()
