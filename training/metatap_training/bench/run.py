"""A whole benchmark: models first, then jobs, each in its own process and its own part file.

What is done stays done: a run that is broken off goes on where it was, as long as flows, cells,
code and settings are the same. Their digest names the folder of the parts.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch

from metatap_training import bench, export
from metatap_training.bench.cells import Cell, text_of
from metatap_training.bench.entrants import Entrant
from metatap_training.bench.fits import Fits, code_digest, trainers_digest
from metatap_training.bench.folds import FOLDS, BenchError, fold_named
from metatap_training.bench.job import Job, jobs_of, run_job
from metatap_training.bench.measures import GRID, PREVALENCE
from metatap_training.bench.methods import Trained
from metatap_training.bench.schema import grid_text, read_table, write_rows, write_table
from metatap_training.bench.world import World
from metatap_training.datasets import Flows, Terms

PACKAGES = ("numpy", "scikit-learn", "torch", "lightgbm", "xgboost", "pyod")
"""Whose versions the results name."""

JOB = ("table", "fold", "family", "support_network")
"""Columns that tell the rows of one job from those of another."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Attributes:
        cells: Cells.
        entrants: Methods.
        supports: Values of K.
        seed: Seed of training and draws.
        cache: Folder for flows and trained models.
        out: The results.
    """

    cells: tuple[Cell, ...]
    entrants: tuple[Entrant, ...]
    supports: tuple[int, ...]
    seed: int
    cache: Path
    out: Path

    def digest(self, world: World) -> str:
        """Of all that the results depend on."""
        state = hashlib.sha256(trainers_digest(world).encode())
        state.update(code_digest(bench, export).encode())
        facts = (self.entrants, self.supports, self.seed)
        state.update(f"{text_of(self.cells)} {facts}".encode())
        return state.hexdigest()[:16]


@dataclass(frozen=True)
class Hooks:
    """Told of progress.

    Attributes:
        plan: Called once with the number of models to train, jobs to do, jobs already done.
        done: Called with a name after each model and each job.
    """

    plan: Callable[[int, int, int], None]
    done: Callable[[str], None]


def run(
    plan: Plan, world: World, jobs: int, hooks: Hooks, command: str, *, resume: bool = True
) -> pa.Table:
    """Measure what is planned and write the results.

    Args:
        plan: What is to be measured.
        world: All flows.
        jobs: Processes, each on one thread.
        hooks: Told of progress.
        command: Named in the results.
        resume: Keep the parts of a run of the same plan.

    Raises:
        BenchError: what is held out would train, a part file can't be read, or the results are
            there already and are another benchmark's.
    """
    if not plan.cells:
        raise BenchError("no cell is left to measure")
    digest = plan.digest(world)
    if resume and plan.out.is_file():
        refuse_other(plan.out, digest)
    parts = plan.out.parent / f"{plan.out.name}.parts" / digest
    tasks = jobs_of(plan.cells)
    files = {task: parts / f"{task.key}.parquet" for task in tasks}
    if resume and plan.out.is_file():
        _take_apart(plan.out, files)
    left = [task for task in tasks if not (resume and files[task].is_file())]
    flows = plan.cache / "bench" / f"flows-{world.digest()}.npz"
    if not flows.is_file():
        world.save(flows)
    trainers = trainers_digest(world)
    fits = Fits(world, trainers, plan.cache, plan.seed)
    models = _models(plan, left, fits)
    hooks.plan(len(models), len(left), len(tasks) - len(left))
    with _pool(jobs, (plan, flows, dict(world.terms), trainers)) as pool:
        _wait({pool.submit(_train, *model): f"{model[0]}: {model[1]}" for model in models}, hooks)
        _wait({pool.submit(_measure, task, files[task]): task.name for task in left}, hooks)
    table = pa.concat_tables([read_table(files[task])[0] for task in tasks]).combine_chunks()
    write_table(plan.out, table.unify_dictionaries(), _facts(plan, digest, command))
    return table


def _take_apart(path: Path, files: Mapping[Job, Path]) -> None:
    """Make the parts that are missing from whole results, such as a copy from elsewhere."""
    table = read_table(path)[0]
    for task, part in files.items():
        if part.is_file():
            continue
        cell = task.cells[0]
        mask: pa.ChunkedArray | None = None
        for name in JOB:
            same = pc.equal(pc.cast(table[name], pa.string()), str(getattr(cell, name)))
            mask = same if mask is None else pc.and_(mask, same)
        rows = table.filter(mask)
        if len(rows):
            write_table(part, rows, {})


def refuse_other(path: Path, digest: str) -> None:
    """Look whether results that are there are of the benchmark about to run.

    Raises:
        BenchError: they are not.
    """
    there = read_table(path)[1].get("digest", "none")
    if there != digest:
        raise BenchError(
            f"{path}: of another benchmark (digest {there}, now {digest}): flows, cells, code or "
            "settings have changed; --anew replaces it, --out writes elsewhere"
        )


def _models(plan: Plan, left: Sequence[Job], fits: Fits) -> list[tuple[str, str, bool]]:
    """(entrant, fold, home) of the models that the jobs need and that are not there."""
    wanted: dict[Path, tuple[str, str, bool]] = {}
    for task in left:
        fold, home = fold_named(task.cells[0].fold), task.home
        for one in plan.entrants:
            if isinstance(one.method, Trained) and task.table in one.tables:
                path = fits.path(one, one.method, fold, home=home)
                wanted.setdefault(path, (one.name, fold.name, home))
    return [key for path, key in wanted.items() if not path.is_file()]


@contextmanager
def _pool(
    jobs: int, given: tuple[Plan, Path, dict[str, Terms], str]
) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, _start, given)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _wait(futures: dict[Future[None], str], hooks: Hooks) -> None:
    for future in as_completed(futures):
        future.result()
        hooks.done(futures[future])


@dataclass(frozen=True)
class _Desk:
    """What a process works with."""

    plan: Plan
    world: World
    fits: Fits


_DESK: list[_Desk] = []
"""One in each process of the pool."""


def _start(plan: Plan, flows: Path, terms: dict[str, Terms], trainers: str) -> None:
    torch.set_num_threads(1)
    world = World(Flows.read(flows), terms)
    _DESK[:] = [_Desk(plan, world, Fits(world, trainers, plan.cache, plan.seed))]


def _train(name: str, fold: str, home: bool) -> None:
    (desk,) = _DESK
    entrant = next(one for one in desk.plan.entrants if one.name == name)
    desk.fits.get(entrant, fold_named(fold), home=home)


def _measure(task: Job, path: Path) -> None:
    (desk,) = _DESK
    plan = desk.plan
    rows = run_job(
        task, desk.world, desk.fits, plan.entrants, supports=plan.supports, seed=plan.seed
    )
    write_rows(path, rows, {})


def _facts(plan: Plan, digest: str, command: str) -> dict[str, str]:
    versions = " ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "digest": digest,
        "seed": str(plan.seed),
        "versions": f"Python {platform.python_version()} {versions}",
        "prevalence": str(PREVALENCE),
        "fpr_grid": grid_text(GRID.tolist()),
        "cells": str(len(plan.cells)),
        "folds": "; ".join(
            f"{fold.name} ({fold.role.value}): without {', '.join(fold.groups)}; "
            f"in {', '.join(fold.networks)}"
            for fold in FOLDS
        ),
    }


def _version(name: str) -> str:
    """A package's version; some come under the name of their build, as `xgboost-cpu`."""
    for known in (name, f"{name}-cpu"):
        try:
            return version(known)
        except PackageNotFoundError:
            continue
    return "?"
