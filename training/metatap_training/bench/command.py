"""`metatap-train bench`: run the benchmark, or list its cells anew."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from metatap_training.baselines.maml import MamlRecipe
from metatap_training.bench.cells import Table, make_cells, read_cells, text_of
from metatap_training.bench.choice import chosen, tables_named
from metatap_training.bench.entrants import DRAWS, PEER_DRAWS, entrants
from metatap_training.bench.folds import BenchError, Role
from metatap_training.bench.lab import load_lab
from metatap_training.bench.run import Hooks, Plan, run
from metatap_training.bench.summary import lines, results_of
from metatap_training.bench.tune import GRIDS, tune
from metatap_training.bench.world import World
from metatap_training.build import command_line, prepare
from metatap_training.datasets import concat
from metatap_training.learners import Recipe
from metatap_training.preprocess import read_groups

_CACHE = Path("build") / "training"
_OUT = Path("build") / "bench" / "results.parquet"
_CONSOLE = Console(stderr=True)

SUPPORTS = (1, 5, 10)
QUICK = {"draws": 2, "peer_draws": 1, "steps": 60}

PEER_PACKAGES = ("lightgbm", "xgboost", "pyod")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Each process works on one thread; its libraries read these as they start."""


@click.command()
@click.option("--flows", type=click.Path(path_type=Path), help="Folder of labelled flows.")
@click.option("--lab", type=click.Path(path_type=Path), help="Folder of the lab's labelled logs.")
@click.option("--cache", type=click.Path(path_type=Path), default=_CACHE, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=_OUT, show_default=True)
@click.option("--only", help="Tables, such as random,own.")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Folds of one role.")
@click.option("--quick", is_flag=True, help="A few families, draws and steps: does it all run?")
@click.option("--draws", type=int, help=f"Draws of the own learner, {DRAWS} by default.")
@click.option("--peer-draws", type=int, help=f"Draws of the others, {PEER_DRAWS} by default.")
@click.option("--steps", type=int, help="Training steps, if not the recipe's.")
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", default=2, show_default=True, help="Processes.")
@click.option("--resume/--anew", default=True, show_default=True, help="Keep what is measured.")
@click.option("--tune", "tuning", is_flag=True, help="Try the peers' grids on validation cells.")
@click.option("--peers", help="Peers to tune, such as SVM,LightGBM; all by default.")
@click.option("--write-cells", is_flag=True, help="Write the list of cells and stop.")
def bench(
    *,
    flows: Path | None,
    lab: Path | None,
    cache: Path,
    out: Path,
    only: str | None,
    role: str | None,
    quick: bool,
    draws: int | None,
    peer_draws: int | None,
    steps: int | None,
    seed: int,
    jobs: int,
    resume: bool,
    tuning: bool,
    peers: str | None,
    write_cells: bool,
) -> None:
    """Measure the recipe and its peers on held-out families in held-out networks."""
    os.environ |= dict.fromkeys(_THREADS, "1")
    _need_peers()
    data = prepare(flows, cache)
    every = concat([data.flows, load_lab(lab)]) if lab else data.flows
    world = World(every, {source.name: source.terms for source in data.sources})
    if write_cells:
        if lab is None:
            raise BenchError("--write-cells: needs --lab, or the lab's cells would be lost")
        path = Path(__file__).with_name("cells.tsv")
        path.write_text(text_of(make_cells(world.flows, read_groups())), "utf-8")
        _CONSOLE.print(f"{path}: written")
        return
    tables = tables_named(only) if only else tuple(Table)
    if tuning:
        names = [name.strip() for name in peers.split(",")] if peers else list(GRIDS)
        on = chosen(read_cells(), tables, Role.VALIDATION, quick=False)
        for tried in tune(world, on, names, SUPPORTS, seed):
            click.echo(f"{tried.name} {tried.settings}: mean TPR {tried.tpr:.4f}")
        return
    listed = [cell for cell in read_cells() if lab or not cell.of_lab]
    cells = chosen(listed, tables, Role(role) if role else None, quick=quick)
    if lab is None:
        _tell_skipped(tables, Role(role) if role else None)
    small = QUICK if quick else {}
    recipe, steps = Recipe(), steps or small.get("steps")
    plan = Plan(
        cells=cells,
        entrants=tuple(
            entrants(
                replace(recipe, steps=steps) if steps else recipe,
                draws or small.get("draws", DRAWS),
                peer_draws or small.get("peer_draws", PEER_DRAWS),
                MamlRecipe(steps=min(steps, MamlRecipe().steps)) if steps else None,
            )
        ),
        supports=SUPPORTS,
        seed=seed,
        cache=cache,
        out=out,
    )
    with _progress() as hooks:
        table = run(plan, world, jobs, hooks, command_line(sys.argv[1:]), resume=resume)
    for line in lines(results_of(table)):
        click.echo(line)
    _CONSOLE.print(f"{out}: {len(table):,} rows, {out.stat().st_size:,} bytes")


def _tell_skipped(tables: tuple[Table, ...], role: Role | None) -> None:
    """Say how many cells need the lab's flows, which were not given."""
    asked = chosen(read_cells(), tables, role, quick=False)
    if skipped := sum(cell.of_lab for cell in asked):
        _CONSOLE.print(f"{skipped} cells skipped: they need the lab's flows (--lab)")


def _need_peers() -> None:
    missing = [name for name in PEER_PACKAGES if find_spec(name) is None]
    if missing:
        raise BenchError(
            f"{', '.join(missing)}: not installed; pip install 'metatap-training[bench]'"
        )


@contextmanager
def _progress() -> Iterator[Hooks]:
    """One bar for models and one for jobs, with the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    clock = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *clock, console=_CONSOLE) as progress:
        models = progress.add_task("models", total=None)
        jobs = progress.add_task("cells", total=None)

        def planned(to_train: int, to_do: int, done: int) -> None:
            progress.update(models, total=to_train)
            progress.update(jobs, total=to_do)
            if done:
                _CONSOLE.print(f"{done} jobs of the same benchmark are done already; skipped")

        def one(name: str) -> None:
            task = models if not progress.tasks[models].finished else jobs
            progress.update(task, advance=1, description=name[:40])

        yield Hooks(planned, one)
