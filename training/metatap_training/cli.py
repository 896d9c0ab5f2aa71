"""`metatap-train`: all commands; here the one that builds the shipped model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from metatap.errors import MetatapError
from metatap_training import build as work
from metatap_training.bench.command import bench
from metatap_training.cli_card import card
from metatap_training.cli_train import encode, train
from metatap_training.datasets.sources import DataError
from metatap_training.evaluate.command import ablate
from metatap_training.export.parity import TOLERANCE
from metatap_training.extras.command import extras
from metatap_training.founding.command import founding
from metatap_training.learners import Recipe
from metatap_training.report.attach import settled
from metatap_training.report.benchmark import read_benchmark
from metatap_training.report.card import make_card
from metatap_training.report.command import report
from metatap_training.report.markdown import card_markdown

_CACHE = Path("build") / "training"
_CONSOLE = Console(stderr=True)


@contextmanager
def _progress() -> Iterator[Callable[[str, float], work.Step]]:
    """Bars with elapsed and remaining time: (title, total) → a function that advances one."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=_CONSOLE) as progress:

        def bar(title: str, total: float) -> work.Step:
            task = progress.add_task(title, total=total)
            return lambda amount: progress.advance(task, amount)

        yield bar


def _options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--flows", type=click.Path(path_type=Path), help="Folder of labelled flows."),
        click.option("--cache", type=click.Path(path_type=Path), default=_CACHE, show_default=True),
        click.option("--seed", default=0, show_default=True),
        click.option("--steps", type=int, help="Training steps, if not the recipe's."),
    ):
        function = option(function)
    return function


def _recipe(steps: int | None) -> Recipe:
    return replace(Recipe(), steps=steps) if steps else Recipe()


@click.group()
def cli() -> None:
    """Meta-trains metatap's detector on labelled flows and exports it to ONNX."""


cli.add_command(bench)
cli.add_command(ablate)
cli.add_command(train)
cli.add_command(encode)
cli.add_command(extras)
cli.add_command(founding)
cli.add_command(report)
cli.add_command(card)


@cli.command()
@_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .onnx file.")
@click.option("--card", "card_path", type=click.Path(path_type=Path), help="Its card, as Markdown.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Parquet file of a benchmark of the recipe; its figures go into the card.",
)
def build(
    *,
    flows: Path | None,
    cache: Path,
    seed: int,
    steps: int | None,
    out: Path,
    card_path: Path | None,
    results: Path | None,
) -> None:
    """Train the recipe on all flows that may train, write the model file and its card."""
    clock, recipe = work.Clock(), _recipe(steps)
    benchmark = None if results is None else read_benchmark(results)
    with _progress() as bar:
        read = bar("read and clean", 1)
        data = work.prepare(flows, cache)
        read(1)
        bundle = work.train_final(data, recipe, seed, bar("train", 1))
    measured = work.examine(bundle, data)
    if not measured["parity"] <= TOLERANCE:
        raise DataError(
            f"the ONNX file differs from PyTorch by {measured['parity']:.1e}, heads and scores; at "
            f"most {TOLERANCE:.0e}"
        )
    measured |= {"minutes": clock.minutes(), "processors": work.processors()}
    made = make_card(
        bundle=bundle,
        sources=data.sources,
        flows=data.flows,
        dropped=data.dropped,
        recipe=recipe,
        seed=seed,
        command=work.command_line(sys.argv[1:]),
        measured=measured,
        benchmark=benchmark,
    )

    def write(size: int) -> int:
        made["measured"]["bytes"] = size
        return bundle.write(out, made)

    size = settled(write)
    if card_path is not None:
        card_path.write_text(card_markdown(made), "utf-8")
    _CONSOLE.print(f"{out}: {size:,} bytes; {measured}")


def main() -> None:
    """Entry point: faults of data and files as one line, exit status 1."""
    try:
        cli()
    except MetatapError as error:
        _CONSOLE.print(f"metatap-train: {error}", style="red", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
