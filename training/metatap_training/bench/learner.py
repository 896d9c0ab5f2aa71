"""The own learner behind `methods.Method`; all that the benchmark knows of it is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from metatap_training.baselines.logistic import logistic
from metatap_training.bench.problem import Answer, Problem
from metatap_training.datasets import Flows
from metatap_training.datasets.flows import FloatArray
from metatap_training.evaluate.scorers import Cut, meta_scores
from metatap_training.export import build_graph
from metatap_training.export.runner import Runner
from metatap_training.learners import Committee, Recipe
from metatap_training.learners.fit import fit, samplers
from metatap_training.learners.train import Draws
from metatap_training.preprocess import Scaling

STRENGTH = 1.0
"""C of logistic regression on embeddings."""


class Head(StrEnum):
    """What is made from support and background on top of the trunk, and by what."""

    SHIPPED = "own, by the exported file in ONNX Runtime"
    OWN = "own, in PyTorch"
    LOGISTIC = "logistic regression"
    PROTOTYPES = "prototypes"


@dataclass(frozen=True, slots=True)
class FittedLearner:
    """A meta-trained model, its normalisation, and the head on top of it."""

    model: Committee
    scaling: Scaling
    head: Head = Head.SHIPPED
    _runner: list[Runner] = field(default_factory=list, repr=False)

    def answer(self, problem: Problem) -> Answer:
        """Scores by the head made from support and background.

        The own head is fitted to ±1 with both classes' masses, so that (1 + score) / 2, cut to
        [0, 1], is its estimate of a chance.
        """
        if self.head is Head.SHIPPED:
            return _both(self._shipped(problem))
        parts = problem.scaled(self.scaling)
        if self.head is Head.OWN:
            services = problem.services
            names = (services.support, services.background, services.queries)
            return _both(meta_scores(self.model, Cut(*parts, names)))
        support, background, queries = (self._embedded(part) for part in parts)
        if self.head is Head.LOGISTIC:
            found = logistic(support, background, queries, STRENGTH).astype(np.float64)
            return Answer(found, expit(found))
        near = np.linalg.norm(queries - support.mean(0), axis=1)
        far = np.linalg.norm(queries - background.mean(0), axis=1)
        return Answer((far - near).astype(np.float64))

    def _shipped(self, problem: Problem) -> FloatArray:
        """Scores of the queries, by what the agent runs: a graph of 8-bit integers."""
        if not self._runner:
            self._runner.append(Runner(build_graph(self.model, self.scaling, integers=True)))
        runner = self._runner[0]
        head = runner.adapt(problem.support, runner.embed(problem.background))
        return runner.score(problem.queries, head)

    def _embedded(self, rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(self.model.trunk(torch.from_numpy(rows)).numpy())

    def save(self, path: Path) -> None:
        """Write weights and normalisation; the file holds tensors, no code."""
        names = ("mean", "std")
        scaling = {name: torch.from_numpy(getattr(self.scaling, name)) for name in names}
        torch.save({"model": self.model.state_dict(), "scaling": scaling}, path)


def _both(scores: FloatArray) -> Answer:
    found = scores.astype(np.float64)
    return Answer(found, np.clip((1 + found) / 2, 0, 1))


@dataclass(frozen=True, slots=True)
class Learner:
    """The recipe under a name.

    Attributes:
        name: As in the results.
        recipe: How it is trained; no step at all leaves the first, random weights.
        head: What is on top.
    """

    name: str
    recipe: Recipe
    head: Head = Head.SHIPPED

    @property
    def training(self) -> Recipe:
        """All that the trained weights depend on; methods that share it share a model."""
        return self.recipe

    def fit(self, flows: Flows, seed: int) -> FittedLearner:
        """Meta-train on the flows."""
        return FittedLearner(*fit(flows, self.recipe, seed), self.head)

    def read(self, path: Path) -> FittedLearner:
        """A file of `FittedLearner.save`, of a model of this recipe."""
        kept = torch.load(path, weights_only=True)
        model = Committee.untrained(self.recipe.shape, self.recipe.members)
        model.load_state_dict(kept["model"])
        scaling = kept["scaling"]
        normal = Scaling(scaling["mean"].numpy(), scaling["std"].numpy())
        return FittedLearner(model.eval(), normal, self.head)


def episodes(flows: Flows, recipe: Recipe, seed: int) -> tuple[Draws, Scaling]:
    """The episodes the learner is trained on and the normalisation, for others to learn from."""
    make, scaling = samplers(flows, recipe, seed)
    return make(seed), scaling
