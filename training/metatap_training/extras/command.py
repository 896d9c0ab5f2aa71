"""`metatap-train extras`: the side files of a benchmark's report."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import track

from metatap_training.bench.cells import Table, read_cells
from metatap_training.bench.choice import chosen
from metatap_training.bench.draws import Drawer
from metatap_training.bench.entrants import OWN, Entrant, entrants
from metatap_training.bench.fits import Fits, trainers_digest
from metatap_training.bench.folds import FOLDS, BenchError, Role, fold_named
from metatap_training.bench.job import Job, jobs_of
from metatap_training.bench.learner import FittedLearner
from metatap_training.bench.world import World
from metatap_training.build import prepare
from metatap_training.export import build_graph
from metatap_training.export.runner import Runner
from metatap_training.extras.calibration import Floats, curve
from metatap_training.extras.mapping import components, held_out, table
from metatap_training.learners import Recipe

METHODS = (OWN, "logistic regression", "random forest", "LightGBM")
SUPPORT, DRAWS = 5, 2
_TEST_FOLDS = tuple(fold.name for fold in FOLDS if fold.role is Role.TEST)


@click.command()
@click.option("--flows", type=click.Path(path_type=Path), help="Folder of labelled flows.")
@click.option("--cache", type=click.Path(path_type=Path), default=Path("build") / "training")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build") / "bench")
@click.option("--fold", type=click.Choice(_TEST_FOLDS), default=_TEST_FOLDS[-1], help="Of the map.")
@click.option("--seed", default=0, show_default=True)
def extras(*, flows: Path | None, cache: Path, out: Path, fold: str, seed: int) -> None:
    """Calibration over the test cells of the table random, and a map of a fold's embeddings.

    Models that `bench` has trained are taken from the cache.
    """
    data = prepare(flows, cache)
    world = World(data.flows, {source.name: source.terms for source in data.sources})
    fits = Fits(world, trainers_digest(world), cache, seed)
    taking = [one for one in entrants(Recipe()) if one.name in METHODS]
    out.mkdir(parents=True, exist_ok=True)
    places = _map(world, fits, taking[0], fold, seed)
    pq.write_table(places, out / "embedding.parquet", compression="zstd")
    click.echo(f"{out / 'embedding.parquet'}: {len(places):,} flows of the fold {fold}")
    cells = chosen(read_cells(), (Table.RANDOM,), Role.TEST, quick=False)
    stated = _stated(world, fits, taking, jobs_of(cells), seed)
    curves = [curve(name, draws).entry() for name, draws in stated.items()]
    text = json.dumps({"calibration": curves}, indent=1)
    (out / "calibration.json").write_text(f"{text}\n", "utf-8")
    click.echo(
        f"{out / 'calibration.json'}: {len(curves)} methods, {len(cells)} cells, K = {SUPPORT}"
    )


def _map(world: World, fits: Fits, own: Entrant, fold: str, seed: int) -> pa.Table:
    held = fold_named(fold)
    fitted = fits.get(own, held, home=False)
    if not isinstance(fitted, FittedLearner):
        raise BenchError(f"{own.name}: has no embedding")
    rows = held_out(world.flows, held, world.groups, seed)
    runner = Runner(build_graph(fitted.model, fitted.scaling, integers=True))
    return table(world.flows, rows, components(runner.embed(world.flows.features[rows])))


def _stated(
    world: World, fits: Fits, taking: Sequence[Entrant], jobs: Sequence[Job], seed: int
) -> dict[str, list[tuple[Floats, int]]]:
    """Of each method the chances it states, and how many of them are of positives, by draw."""
    found: dict[str, list[tuple[Floats, int]]] = defaultdict(list)
    for job in track(jobs, "calibration"):
        drawer, fold = Drawer(world, job.cells, seed), fold_named(job.cells[0].fold)
        for number in range(DRAWS):
            for ground in drawer.draw(SUPPORT, number):
                for one in taking:
                    answer = fits.get(one, fold, home=False).answer(ground.problem)
                    if answer.chance is not None and np.isfinite(answer.chance).all():
                        found[one.name].append((answer.chance, ground.problem.positives))
    return dict(found)
