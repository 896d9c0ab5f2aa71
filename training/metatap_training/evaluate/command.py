"""`metatap-train ablate`: the recipe without parts of the context, on the benchmark's draws."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from metatap_training.bench.cells import Cell, Table, read_cells
from metatap_training.bench.choice import chosen
from metatap_training.bench.command import SUPPORTS
from metatap_training.bench.entrants import Entrant
from metatap_training.bench.folds import BenchError, Role
from metatap_training.bench.run import Hooks, Plan, run
from metatap_training.bench.world import World
from metatap_training.build import command_line, prepare
from metatap_training.evaluate.page import ABOUT, page
from metatap_training.evaluate.variants import ALL, VARIANTS, variant
from metatap_training.learners import Recipe

TABLES: tuple[Table, ...] = tuple(ABOUT)
DRAWS = 3

_CACHE = Path("build") / "training"
_RESULTS = Path("build") / "ablation" / "results.parquet"
_CONSOLE = Console(stderr=True)

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Each process works on one thread; its libraries read these as they start."""


@click.command()
@click.option("--flows", type=click.Path(path_type=Path), help="Folder of labelled flows.")
@click.option("--cache", type=click.Path(path_type=Path), default=_CACHE, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="The page, as Markdown.")
@click.option("--results", type=click.Path(path_type=Path), default=_RESULTS, show_default=True,
              help="All figures, as Parquet; goes on where a run was broken off.")  # fmt: skip
@click.option("--variants", "names", help="Variants, parted by commas; all by default.")
@click.option("--draws", default=DRAWS, show_default=True, type=click.IntRange(1),
              help="Support draws a cell.")  # fmt: skip
@click.option("--steps", type=click.IntRange(1), help="Training steps, if not the recipe's.")
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--resume/--anew", default=True, show_default=True, help="Keep what is measured.")
def ablate(
    *,
    flows: Path | None,
    cache: Path,
    out: Path | None,
    results: Path,
    names: str | None,
    draws: int,
    steps: int | None,
    seed: int,
    jobs: int,
    resume: bool,
) -> None:
    """Train the recipe without parts of the context and compare; prints a page in Markdown.

    Measured on the validation folds of the benchmark; models it has trained are taken from the
    cache.
    """
    os.environ |= dict.fromkeys(_THREADS, "1")
    taking = variants_named(names)
    recipe = replace(Recipe(), steps=steps) if steps else Recipe()
    data = prepare(flows, cache)
    plan = Plan(
        cells=chosen(_listed(), TABLES, Role.VALIDATION, quick=False),
        entrants=tuple(Entrant(variant(one, recipe), draws, tables=TABLES) for one in taking),
        supports=SUPPORTS,
        seed=seed,
        cache=cache,
        out=results,
    )
    world = World(data.flows, {source.name: source.terms for source in data.sources})
    command = command_line(sys.argv[1:])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=_CONSOLE) as progress:
        task = progress.add_task("models and cells", total=None)
        hooks = Hooks(
            lambda models, to_do, _: progress.update(task, total=models + to_do),
            lambda name: progress.update(task, advance=1, description=name[:40]),
        )
        rows = run(plan, world, jobs, hooks, command, resume=resume)
    text = page(rows, taking, draws=draws, seed=seed, command=command)
    if out is not None:
        out.write_text(text, "utf-8")
    click.echo(text, nl=False)


def _listed() -> list[Cell]:
    """The cells of public flows."""
    return [cell for cell in read_cells() if not cell.of_lab]


def variants_named(text: str | None) -> list[str]:
    """Variants from `all features,no context`; all of them from None.

    "all features" is what the others are compared with and is always among them.

    Raises:
        BenchError: a name is no variant.
    """
    if text is None:
        return list(VARIANTS)
    asked = {name.strip() for name in text.split(",")}
    unknown = sorted(asked - set(VARIANTS))
    if unknown:
        raise BenchError(
            f"--variants: no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}"
        )
    return [name for name in VARIANTS if name in asked | {ALL}]
