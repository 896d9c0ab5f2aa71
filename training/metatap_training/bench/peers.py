"""The peers: ordinary learners and shortcuts on the very same support, background and queries.

Each gets the normalisation fitted on what the fold leaves and the settings of `tuned`; trees get
raw features with what is absent left absent. `SINGLE` are measured on one draw; the last three of
them know the background alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

from metatap_training.baselines.boosted import boosted
from metatap_training.baselines.extreme import extreme
from metatap_training.baselines.forest import forest
from metatap_training.baselines.half_space import half_space_trees
from metatap_training.baselines.logistic import logistic
from metatap_training.baselines.machine import vector_machine
from metatap_training.baselines.nearest import nearest_margin
from metatap_training.baselines.outliers import isolation_forest, tails
from metatap_training.baselines.port import port_only
from metatap_training.baselines.single import best_feature
from metatap_training.bench.problem import Answer, Problem
from metatap_training.bench.tuned import TUNED
from metatap_training.datasets import Flows
from metatap_training.datasets.flows import FloatArray
from metatap_training.preprocess import Scaling, fit_scaling

Score = Callable[..., Answer]
"""(problem, scaling, **settings) → answer."""


@dataclass(frozen=True, slots=True)
class FittedPeer:
    """A peer with the normalisation of a fold."""

    score: Score
    scaling: Scaling
    settings: dict[str, Any]

    def answer(self, problem: Problem) -> Answer:
        """Fit to support and background, score the queries."""
        return self.score(problem, self.scaling, **self.settings)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer under its name.

    Attributes:
        name: As in the results.
        score: What it does; not in the repr, which the digest of a plan is of and which must be the
            same in every process.
        settings: Arguments of `score`.
    """

    name: str
    score: Score = field(repr=False)
    settings: dict[str, Any]

    def fit(self, flows: Flows, seed: int) -> FittedPeer:
        """Only the normalisation is learned from the training flows."""
        return self.with_scaling(fit_scaling(flows, seed))

    def with_scaling(self, scaling: Scaling) -> FittedPeer:
        """The peer with a normalisation that is there already."""
        return FittedPeer(self.score, scaling, self.settings)


def _plain(found: FloatArray) -> Answer:
    return Answer(found.astype(np.float64))


def _odds(found: FloatArray) -> Answer:
    """Of log-odds."""
    queries = found.astype(np.float64)
    return Answer(queries, expit(queries))


def _logistic(problem: Problem, scaling: Scaling, **settings: Any) -> Answer:
    return _odds(logistic(*problem.scaled(scaling), **settings))


def _nearest(problem: Problem, scaling: Scaling) -> Answer:
    return _plain(nearest_margin(*problem.scaled(scaling)))


def _forest(problem: Problem, _: Scaling, **settings: Any) -> Answer:
    parts = (problem.support, problem.background, problem.queries)
    chance = forest(*parts, **settings, seed=problem.seed).astype(np.float64)
    return Answer(chance, chance)


def _extra(problem: Problem, scaling: Scaling, **settings: Any) -> Answer:
    return _forest(problem, scaling, **settings, extra=True)


def _boosted(problem: Problem, _: Scaling, **settings: Any) -> Answer:
    parts = (problem.support, problem.background, problem.queries)
    return _odds(boosted(*parts, **settings, seed=problem.seed))


def _extreme(problem: Problem, _: Scaling, **settings: Any) -> Answer:
    parts = (problem.support, problem.background, problem.queries)
    return _odds(extreme(*parts, **settings, seed=problem.seed))


def _machine(problem: Problem, scaling: Scaling, **settings: Any) -> Answer:
    return _plain(vector_machine(*problem.scaled(scaling), **settings))


def _isolation(problem: Problem, scaling: Scaling, **settings: Any) -> Answer:
    _, background, queries = problem.scaled(scaling)
    return _plain(isolation_forest(background, queries, **settings, seed=problem.seed))


def _tails(problem: Problem, scaling: Scaling) -> Answer:
    _, background, queries = problem.scaled(scaling)
    return _plain(tails(background, queries))


def _half_space(problem: Problem, scaling: Scaling, **settings: Any) -> Answer:
    _, background, queries = problem.scaled(scaling)
    return _plain(half_space_trees(background, queries, **settings, seed=problem.seed))


def _port(problem: Problem, _: Scaling) -> Answer:
    services = problem.services
    return _plain(port_only(services.support, services.background, services.queries))


def _single(problem: Problem, scaling: Scaling) -> Answer:
    return _plain(best_feature(*problem.scaled(scaling)))


_SEVERAL: dict[str, Score] = {
    "logistic regression": _logistic,
    "1-NN margin": _nearest,
    "random forest": _forest,
    "extra trees": _extra,
    "LightGBM": _boosted,
    "SVM": _machine,
    "port only": _port,
    "best feature": _single,
}
_ONE: dict[str, Score] = {
    "XGBoost": _extreme,
    "isolation forest": _isolation,
    "ECOD": _tails,
    "half-space trees": _half_space,
}


def peer(name: str, **settings: Any) -> Peer:
    """A peer by name, with its tuned settings but for those given."""
    return Peer(name, (_SEVERAL | _ONE)[name], {**TUNED.get(name, {}), **settings})


PEERS: tuple[Peer, ...] = tuple(peer(name) for name in _SEVERAL)
"""Peers that are measured on several draws."""

SINGLE: tuple[Peer, ...] = tuple(peer(name) for name in _ONE)
"""Peers that are measured on draw 0."""
