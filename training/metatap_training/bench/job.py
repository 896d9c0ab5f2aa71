"""A job: one family with its support network in one table; all its networks, K, draws, methods."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from metatap_training.bench.attacks import ATTACKS
from metatap_training.bench.cells import Cell, Table
from metatap_training.bench.crossfit import cross_fitted
from metatap_training.bench.draws import Drawer, Ground
from metatap_training.bench.entrants import Entrant
from metatap_training.bench.fits import HOME_TABLES, Fits
from metatap_training.bench.folds import fold_named
from metatap_training.bench.measures import (
    Figures,
    Found,
    curve,
    figures,
    host_interval,
    pooled,
    pooled_figures,
)
from metatap_training.bench.methods import Fitted
from metatap_training.bench.problem import Problem, Scores
from metatap_training.bench.schema import CURVES, POOLED, Row
from metatap_training.bench.world import World

WEAK = "capture"
"""The scope of labels given to whole captures."""

ATTACKED_SUPPORT, ATTACKED_DRAWS = 5, 5
ATTACKED_TABLES = (Table.RANDOM, Table.OWN)
"""Where methods are measured under attack as well."""


@dataclass(frozen=True, slots=True)
class Job:
    """Cells of one table, fold, family and support network.

    Attributes:
        cells: One or more.
    """

    cells: tuple[Cell, ...]

    @property
    def table(self) -> Table:
        """The table of all its cells."""
        return Table(self.cells[0].table)

    @property
    def home(self) -> bool:
        """Whether its models have seen no network that a family of the fold lives in."""
        return self.table in HOME_TABLES or self.cells[0].of_host

    @property
    def name(self) -> str:
        """For a progress bar."""
        cell = self.cells[0]
        return f"{cell.table}: {cell.family}"

    @property
    def key(self) -> str:
        """For a file name; the same for the same cells."""
        return hashlib.sha256(repr(self.cells).encode()).hexdigest()[:16]


def jobs_of(cells: Iterable[Cell]) -> list[Job]:
    """Jobs in the order of their first cells."""
    found: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        found[cell.table, cell.fold, cell.family, cell.support_network].append(cell)
    return [Job(tuple(part)) for part in found.values()]


def run_job(
    job: Job,
    world: World,
    fits: Fits,
    entrants: Sequence[Entrant],
    *,
    supports: Sequence[int],
    seed: int,
) -> list[Row]:
    """The rows of a job.

    Args:
        job: What to measure.
        world: All flows.
        fits: Fitted methods.
        entrants: Methods; those that are not in the job's table are left out.
        supports: Values of K.
        seed: Seed of the draws.
    """
    drawer, fold = Drawer(world, job.cells, seed), fold_named(job.cells[0].fold)
    taking = [
        (one, fits.get(one, fold, home=job.home)) for one in entrants if job.table in one.tables
    ]
    rows = []
    for k in supports:
        for number in range(max(one.draws for one, _ in taking)):
            grounds = drawer.draw(k, number)
            for one, fitted in taking:
                if grounds and number < one.draws:
                    facts = {"method": one.name, "k": k, "draw": number, "role": fold.role.value}
                    rows += [facts | row for row in _measured(grounds, fitted, number)]
            if number < ATTACKED_DRAWS and k == ATTACKED_SUPPORT and job.table in ATTACKED_TABLES:
                for one, fitted in taking:
                    if one.attacked:
                        facts = {"method": one.name, "k": k, "draw": number, "role": fold.role}
                        rows += [facts | row for row in _attacked(grounds, fitted)]
    return rows


def _attacked(grounds: Sequence[Ground], fitted: Fitted) -> Iterator[Row]:
    """A row for each network and attack."""
    for ground in grounds:
        for name, attack in ATTACKS.items():
            hurt = replace(ground, problem=attack(ground.problem))
            scores = _asked(fitted, hurt.problem)[0]
            yield _row(hurt, figures(hurt.problem, scores)) | {"attack": name}


def _asked(fitted: Fitted, problem: Problem) -> tuple[Scores, float]:
    """Scores, and the seconds it took to adapt and to score the queries."""
    begin = time.perf_counter()
    answer = fitted.answer(problem)
    seconds = time.perf_counter() - begin
    return cross_fitted(fitted, problem, answer), seconds


def _measured(grounds: Sequence[Ground], fitted: Fitted, number: int) -> list[Row]:
    """A row for each network, and one for all."""
    rows, found, total = [], [], 0.0
    for ground in grounds:
        scores, seconds = _asked(fitted, ground.problem)
        measured = figures(ground.problem, scores)
        if number == 0:
            ends = host_interval(ground.problem, scores) or (None, None)
            measured |= dict(zip(("tpr_low", "tpr_high"), ends, strict=True))
        if number < CURVES:
            measured["curve"] = curve(Found.of(ground.problem, scores))
        rows.append(_row(ground, measured) | {"seconds": seconds})
        found.append(Found.of(ground.problem, scores))
        total += seconds
    return [*rows, _pooled(grounds, found, number) | {"seconds": total}]


def _pooled(grounds: Sequence[Ground], found: Sequence[Found], number: int) -> Row:
    together = pooled(found)
    measured = pooled_figures(together)
    if number < CURVES:
        measured["curve"] = curve(together)
    splits = {ground.split for ground in grounds}
    return _row(grounds[0], measured) | {
        "network": POOLED,
        "split": "time" if splits == {"time"} else "hash",
        "positives": sum(ground.problem.positives for ground in grounds),
        "negatives": sum(_negatives(ground) for ground in grounds),
        "hosts": sum(ground.hosts for ground in grounds),
    }


def _row(ground: Ground, measured: Figures) -> Row:
    cell, problem = ground.cell, ground.problem
    return {
        "attack": "",
        "table": cell.table,
        "fold": cell.fold,
        "family": cell.family,
        "group": cell.group,
        "support_network": cell.support_network,
        "network": cell.network,
        "scope": ground.scope,
        "weak": ground.scope == WEAK,
        "split": ground.split,
        "positives": problem.positives,
        "negatives": _negatives(ground),
        "hosts": ground.hosts,
        **measured,
    }


def _negatives(ground: Ground) -> int:
    return len(ground.problem.queries) - ground.problem.positives
