"""The recipe without parts of the context, as methods of the benchmark.

A variant is trained on flows without some columns and asked about problems without them. Its draws
are the benchmark's own, made from all columns: which flows are drawn, and which columns a network
lacks, is the same for every variant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from metatap.features import NAMES
from metatap_training.bench.learner import FittedLearner, Learner
from metatap_training.bench.problem import Answer, Problem
from metatap_training.datasets import Flows
from metatap_training.datasets.flows import FloatArray
from metatap_training.learners import Recipe
from metatap_training.preprocess import is_context
from metatap_training.preprocess.columns import Match, without

ALL = "all features"


def _key(name: str) -> Match:
    return lambda feature: feature.startswith(f"context.{name}.")


def _part(*parts: str) -> Match:
    return lambda feature: is_context(feature) and feature.split(".")[2] in parts


VARIANTS: dict[str, Match] = {
    ALL: lambda _: False,
    "no context": is_context,
    "without the host": _key("host"),
    "without the pair": _key("pair"),
    "without the service of a host": _key("service"),
    "without distinct peers and services": _part("peers", "services"),
    "without regularity": _part("gap", "gap_spread", "size_spread"),
}
"""Name → features that are taken away."""


@dataclass(frozen=True, slots=True)
class FittedVariant:
    """A model that was trained without some columns, and is asked without them."""

    learner: FittedLearner
    columns: tuple[str, ...]

    def answer(self, problem: Problem) -> Answer:
        """Scores by the head made from support and background, as the shipped file makes it."""
        parts = (problem.support, problem.background, problem.queries)
        support, background, queries = (_blank(part, self.columns) for part in parts)
        return self.learner.answer(
            replace(problem, support=support, background=background, queries=queries)
        )

    def save(self, path: Path) -> None:
        """Write weights and normalisation."""
        self.learner.save(path)


@dataclass(frozen=True, slots=True)
class Variant:
    """The recipe without some columns, under a name; a method of the benchmark.

    Attributes:
        name: Key of `VARIANTS`.
        recipe: How it is trained.
        columns: Features that are taken away, all of the context.
    """

    name: str
    recipe: Recipe
    columns: tuple[str, ...]

    @property
    def training(self) -> object:
        """All that the trained weights depend on; with all features that is the recipe alone."""
        return (self.recipe, self.columns) if self.columns else self.recipe

    def fit(self, flows: Flows, seed: int) -> FittedVariant:
        """Meta-train on the flows without the columns."""
        seen = without(flows, lambda name: name in self.columns)
        return FittedVariant(self._learner.fit(seen, seed), self.columns)

    def read(self, path: Path) -> FittedVariant:
        """A file of `FittedVariant.save`, of a model of this recipe."""
        return FittedVariant(self._learner.read(path), self.columns)

    @property
    def _learner(self) -> Learner:
        return Learner(self.name, self.recipe)


def variant(name: str, recipe: Recipe) -> Variant:
    """A variant by its name.

    Args:
        name: Key of `VARIANTS`.
        recipe: How it is trained.
    """
    return Variant(name, recipe, tuple(one for one in NAMES if VARIANTS[name](one)))


def _blank(features: FloatArray, columns: tuple[str, ...]) -> FloatArray:
    """The features float32 [n, F] without some: they become absent."""
    blanked = features.copy()
    blanked[:, np.isin(NAMES, columns)] = np.nan
    return blanked
