"""MAML and ANIL behind `methods.Method`, trained on the own learner's episodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from metatap_training.baselines.maml import MamlRecipe, Weights, adapt, forward, train_maml
from metatap_training.bench.learner import episodes
from metatap_training.bench.problem import Answer, Problem
from metatap_training.datasets import Flows
from metatap_training.learners import Recipe
from metatap_training.preprocess import Scaling


@dataclass(frozen=True, slots=True)
class FittedMaml:
    """First weights and their normalisation."""

    weights: Weights
    scaling: Scaling
    recipe: MamlRecipe

    def answer(self, problem: Problem) -> Answer:
        """Adapt by gradient steps on support and background, score the queries."""
        support, background, queries = map(torch.from_numpy, problem.scaled(self.scaling))
        fast = adapt(self.weights, support, background, self.recipe)
        with torch.no_grad():
            found = forward(fast, queries).numpy().astype(np.float64)
        return Answer(found, expit(found))

    def save(self, path: Path) -> None:
        """Write weights and normalisation; the file holds tensors, no code."""
        scaling = [torch.from_numpy(self.scaling.mean), torch.from_numpy(self.scaling.std)]
        torch.save({"weights": self.weights, "scaling": scaling}, path)


@dataclass(frozen=True, slots=True)
class Maml:
    """MAML or ANIL under its name.

    Attributes:
        name: As in the results.
        recipe: How it is trained and adapts.
        episodes: The own learner's recipe, which the episodes are of.
    """

    name: str
    recipe: MamlRecipe
    episodes: Recipe

    @property
    def training(self) -> tuple[MamlRecipe, Recipe]:
        """All that the trained weights depend on."""
        return self.recipe, self.episodes

    def fit(self, flows: Flows, seed: int) -> FittedMaml:
        """Meta-train on the flows."""
        sampler, scaling = episodes(flows, self.episodes, seed)
        return FittedMaml(train_maml(sampler, self.recipe, seed), scaling, self.recipe)

    def read(self, path: Path) -> FittedMaml:
        """A file of `FittedMaml.save`."""
        kept = torch.load(path, weights_only=True)
        mean, std = kept["scaling"]
        return FittedMaml(kept["weights"], Scaling(mean.numpy(), std.numpy()), self.recipe)
