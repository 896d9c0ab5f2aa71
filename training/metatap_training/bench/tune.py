"""`--tune`: settings of the peers, by grids, on validation cells alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from metatap.offline.metrics import tpr_at
from metatap_training.bench.cells import Cell, Table
from metatap_training.bench.draws import Drawer
from metatap_training.bench.entrants import SHIPPED
from metatap_training.bench.folds import BenchError, Fold, Role, fold_named
from metatap_training.bench.job import jobs_of
from metatap_training.bench.measures import RATE
from metatap_training.bench.peers import peer
from metatap_training.bench.problem import Problem
from metatap_training.bench.world import World
from metatap_training.preprocess import Scaling, fit_scaling

DRAWS = 2
TABLES = (Table.RANDOM, Table.CAPTURE, Table.OWN)

_FOREST: Mapping[str, Sequence[Any]] = {
    "trees": (100,),
    "columns": ("sqrt", "0.3"),
    "leaf": (1, 2),
}

GRIDS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "logistic regression": {"strength": (0.001, 0.01, 0.1, 1.0, 10.0)},
    "random forest": _FOREST,
    "extra trees": _FOREST,
    "LightGBM": {
        "trees": (100,),
        "leaves": (4, 15),
        "rate": (0.02, 0.1),
        "least": (1, 5),
        "share": (0.1, 0.5),
    },
    "XGBoost": {"trees": (100,), "depth": (2, 6), "rate": (0.02, 0.1), "share": (0.1, 0.5)},
    "SVM": {"cost": (1.0, 10.0, 100.0), "width": (0.1, 0.3, 1.0)},
}
"""Peer → argument → values tried. More trees than 100 only cost time."""


@dataclass(frozen=True, slots=True)
class Tried:
    """Settings of a peer and what they came to.

    Attributes:
        name: The peer.
        settings: Its arguments.
        tpr: Mean TPR at FPR 1e-3 over all problems.
    """

    name: str
    settings: dict[str, Any]
    tpr: float


def tune(
    world: World, cells: Sequence[Cell], names: Sequence[str], supports: Sequence[int], seed: int
) -> Iterator[Tried]:
    """Each setting of each peer in turn, the chosen one of a peer last (again).

    Args:
        world: All flows.
        cells: Validation cells; of each family the first network is taken.
        names: Peers of `GRIDS`.
        supports: Values of K.
        seed: Seed of the draws.

    Raises:
        BenchError: a name has no grid, or a cell is not one to choose by.
    """
    unknown = sorted(set(names) - set(GRIDS))
    if unknown:
        raise BenchError(f"--tune: no grid for {', '.join(unknown)}; there are {', '.join(GRIDS)}")
    problems = list(_problems(world, cells, supports, seed))
    for name in names:
        best: Tried | None = None
        for values in product(*GRIDS[name].values()):
            settings = dict(zip(GRIDS[name], values, strict=True))
            tried = Tried(name, settings, _mean_tpr(name, settings, problems))
            yield tried
            if best is None or tried.tpr > best.tpr:
                best = tried
        if best is not None:
            yield best


def _problems(
    world: World, cells: Sequence[Cell], supports: Sequence[int], seed: int
) -> Iterator[tuple[Problem, Scaling]]:
    scalings: dict[Fold, Scaling] = {}
    for job in jobs_of(cells):
        fold = fold_named(job.cells[0].fold)
        if fold.role is not Role.VALIDATION:
            raise BenchError(f"fold {fold.name} is there to report; no setting is chosen on it")
        if job.table not in TABLES:
            continue
        if fold not in scalings:
            scalings[fold] = fit_scaling(world.part(SHIPPED, fold, home=False), seed)
        drawer = Drawer(world, job.cells[:1], seed)
        for k in supports:
            for number in range(DRAWS):
                for ground in drawer.draw(k, number):
                    yield ground.problem, scalings[fold]


def _mean_tpr(
    name: str, settings: dict[str, Any], problems: Sequence[tuple[Problem, Scaling]]
) -> float:
    found = []
    for problem, scaling in problems:
        scores = peer(name, **settings).with_scaling(scaling).answer(problem).queries
        positive, negative = np.split(scores, [problem.positives])
        found.append(tpr_at(positive, negative, RATE))
    return float(np.mean(found))
