"""`metatap-train card`: a model's card as Markdown, with another benchmark if one is given."""

from __future__ import annotations

from pathlib import Path

import click

from metatap_training.report.attach import attach, page_of, read_card, with_benchmark
from metatap_training.report.benchmark import read_benchmark

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("model", type=_FILE)
@click.option("--results", type=_FILE, help="Parquet file of a benchmark of the same recipe.")
@click.option("--write", is_flag=True, help="Put the benchmark into the file as well.")
def card(*, model: Path, results: Path | None, write: bool) -> None:
    """Print the card in MODEL as Markdown; with --results that of another benchmark."""
    if results is None:
        if write:
            raise click.UsageError("--write: needs --results")
        shown = read_card(model)
    else:
        found = read_benchmark(results)
        shown = attach(model, found) if write else with_benchmark(read_card(model), found, model)
    click.echo(page_of(shown, model), nl=False)
