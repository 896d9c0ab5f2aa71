"""Meta-training: episodes through the closed form, by gradient descent.

The loss asks for the ranking an alert budget asks for: each positive query against all negatives of
its task at once (a softmax over them, dominated by the highest), plus a weak term that keeps the
scores near ±1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from metatap.features import NAMES, Scale, scale_slice
from metatap_training.datasets.flows import FloatArray, IntArray
from metatap_training.episodes import Episode, Sizes
from metatap_training.learners.model import MetaRidge, Shape
from metatap_training.preprocess import is_context

_CONTEXT = torch.tensor([is_context(name) for name in NAMES])


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes:
        shape: Sizes of the trunk.
        sizes: Rows of an episode and the mixture of tasks.
        members: Learners trained one after the other, see `Committee`.
        steps: Episodes of each member, one a step.
        rate: Highest learning rate (one cycle: warm-up, cosine to zero).
        decay: Weight decay.
        jitter: Deviation of the noise added to magnitudes, in normalised units.
        margin: Weight of the term that keeps scores near ±1.
        drop: Chance of each column to be taken away for one episode, on both sides.
    """

    shape: Shape = field(default_factory=Shape)
    sizes: Sizes = field(default_factory=Sizes)
    members: int = 4
    steps: int = 800
    rate: float = 2e-3
    decay: float = 1e-2
    jitter: float = 0.1
    margin: float = 0.1
    drop: float = 0.25


class Draws(Protocol):
    """What draws episodes: a `Sampler`, or several in turn.

    Attributes:
        scaled: float32 [n, F], normalised features of all flows.
    """

    scaled: FloatArray

    def spread(self, per_network: int) -> IntArray:
        """Rows of all networks, at most `per_network` of each."""
        ...

    def draw(self) -> Episode:
        """The next episode."""
        ...


def train(
    sampler: Draws,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, float], None] | None = None,
    *,
    episodes: int = 1,
    on_gradients: Callable[[MetaRidge], None] | None = None,
) -> MetaRidge:
    """Meta-train a model.

    Args:
        sampler: Draws the episodes.
        recipe: See `Recipe`.
        seed: Seed of weights and noise; with the sampler's seed it fixes the result.
        on_step: Called with step and loss after each step.
        episodes: Episodes of a step; their gradients are averaged.
        on_gradients: Called with the model once a step's gradients are there; may change them.
    """
    torch.manual_seed(seed)
    model = MetaRidge(recipe.shape)
    rows = torch.from_numpy(sampler.scaled)
    model.trunk.place_stumps(rows[torch.from_numpy(sampler.spread(500))])
    optimiser = torch.optim.AdamW(
        [
            {"params": model.trunk.parameters(), "weight_decay": recipe.decay},
            {"params": [*model.head.parameters(), model.log_sharpness], "weight_decay": 0.0},
        ],
        lr=recipe.rate,
    )
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _cycle(step / recipe.steps)
        optimiser.zero_grad()
        total = 0.0
        for _ in range(episodes):
            loss = _loss(model, rows, sampler.draw(), recipe) / episodes
            torch.autograd.backward(loss)
            total += float(loss.detach())
        if on_gradients is not None:
            on_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if on_step is not None:
            on_step(step, total)
    return model.eval()


def _cycle(progress: float) -> float:
    warm = 0.05
    if progress < warm:
        return progress / warm
    return 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))


def _loss(model: MetaRidge, rows: Tensor, episode: Episode, recipe: Recipe) -> Tensor:
    parts = (
        episode.background,
        episode.negatives,
        episode.support.ravel(),
        episode.queries.ravel(),
        episode.own.ravel(),
    )
    inputs = rows[torch.from_numpy(np.concatenate(parts))]
    block = inputs[:, scale_slice(Scale.LOG)]
    block += torch.randn_like(block) * recipe.jitter * (block != 0)
    inputs[:, torch.rand(inputs.shape[1]) < recipe.drop] = 0
    mask = episode.mask
    inputs[:, torch.from_numpy(mask.columns)] = torch.from_numpy(mask.values)
    if episode.bare:
        first = len(episode.background) + len(episode.negatives)
        inputs[first : first + episode.support.size, _CONTEXT] = 0
    embedded = torch.split(model.trunk(inputs), [len(part) for part in parts])
    background, negatives, support, queries, own = embedded
    tasks = len(episode.support)
    heads = model.head(
        support.view(tasks, -1, support.shape[-1]),
        torch.from_numpy(episode.positive).float(),
        torch.from_numpy(episode.counter).float(),
        background,
    )
    weights, bias = heads[:, :-1], heads[:, -1:]
    against = weights @ negatives.T + bias
    asked = _each(queries, weights, tasks) + bias
    near = _each(own, weights, tasks) + bias
    wrong = torch.cat([against, near], 1)
    there = torch.cat(
        [torch.ones_like(against, dtype=torch.bool), torch.from_numpy(episode.own_there)], 1
    )
    there_asked = torch.from_numpy(episode.asked).float()
    sharp = model.log_sharpness.exp()
    ranked = _ranking(sharp * asked, there_asked, sharp * wrong, there)
    return ranked + recipe.margin * _spread(asked, there_asked, wrong, there)


def _each(rows: Tensor, weights: Tensor, tasks: int) -> Tensor:
    return (rows.view(tasks, -1, rows.shape[-1]) @ weights.unsqueeze(-1)).squeeze(-1)


def _ranking(asked: Tensor, there_asked: Tensor, wrong: Tensor, there: Tensor) -> Tensor:
    """Mean over T tasks of softplus(log Σ exp negatives − positive).

    Args:
        asked: [T, q], sharpened scores of positives.
        there_asked: [T, q], 1 where there is one.
        wrong: [T, M], sharpened scores of negatives.
        there: bool [T, M].
    """
    worst = torch.logsumexp(wrong.masked_fill(~there, -1e9), 1, keepdim=True)
    ranked = functional.softplus(worst - asked) * there_asked
    return (ranked.sum(1) / there_asked.sum(1).clamp(min=1)).mean()


def _spread(asked: Tensor, there_asked: Tensor, wrong: Tensor, there: Tensor) -> Tensor:
    """How far positives are below 1 and negatives above −1, squared; arguments as `_ranking`."""
    near = (functional.relu(1 - asked) ** 2 * there_asked).sum(1)
    far = (functional.relu(1 + wrong) ** 2 * there).sum(1)
    return (near / there_asked.sum(1).clamp(min=1) + far / there.sum(1).clamp(min=1)).mean()
