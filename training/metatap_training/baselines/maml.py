"""MAML and ANIL: a network whose first weights are learned so that a few steps adapt it.

The outer gradient goes through the inner steps (second order): with first-order gradients nothing
tells the trunk that few steps must do. ANIL adapts the last layer alone.

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
        inner: Inner steps in training.
        after: Inner steps to adapt to a support once trained.
        inner_rate: Their learning rate.
        rate: Learning rate of the outer steps (Adam).
    """

    last: bool = False
    hidden: int = 64
    steps: int = 400
    inner: int = 5
    after: int = 20
    inner_rate: float = 0.5
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
    """Weights of a trained network after `after` inner steps.

    Args:
        weights: First weights; they stay as they are.
        near: float32 [k, F], support.
        far: float32 [m, F], background; both classes weigh alike.
        recipe: Which layers move, how often and how far.
    """
    first = [part.detach().requires_grad_() for part in weights]
    return [part.detach() for part in _inner(first, near, far, recipe, recipe.after, keep=False)]


def _inner(
    weights: Weights, near: Tensor, far: Tensor, recipe: MamlRecipe, steps: int, *, keep: bool
) -> Weights:
    """Weights after inner steps; if `keep`, differentiable by the first ones."""
    fixed = len(weights) - 2 if recipe.last else 0
    fast = list(weights)
    for _ in range(steps):
        loss = _loss(fast, near, far)
        slopes = torch.autograd.grad(loss, fast[fixed:], create_graph=keep)
        moved = [p - recipe.inner_rate * s for p, s in zip(fast[fixed:], slopes, strict=True)]
        if not keep:
            moved = [part.detach().requires_grad_() for part in moved]
        fast = [*fast[:fixed], *moved]
    return fast


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
    """Add up the gradients of an episode's tasks."""
    far = _masked(rows, torch.from_numpy(episode.background[:BACKGROUND]), episode)
    wrong = _masked(rows, torch.from_numpy(episode.negatives), episode)
    for task, support in enumerate(episode.support):
        near = _masked(rows, torch.from_numpy(support[episode.positive[task]]), episode)
        asked = torch.from_numpy(episode.queries[task][episode.asked[task]])
        if not len(near) or not len(asked):
            continue
        fast = _inner(weights, near, far, recipe, recipe.inner, keep=True)
        loss = _loss(fast, _masked(rows, asked, episode), wrong) / len(episode.support)
        loss.backward()  # type: ignore[no-untyped-call]


def _masked(rows: Tensor, at: Tensor, episode: Episode) -> Tensor:
    chosen = rows[at]
    chosen[:, torch.from_numpy(episode.mask.columns)] = torch.from_numpy(episode.mask.values)
    return chosen


def _loss(weights: Weights, near: Tensor, far: Tensor) -> Tensor:
    right = functional.softplus(-forward(weights, near)).mean()
    return right + functional.softplus(forward(weights, far)).mean()
