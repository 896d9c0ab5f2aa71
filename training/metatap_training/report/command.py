"""`metatap-train report`: results of a benchmark as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from metatap_training.report.attacked import read_attacked
from metatap_training.report.page import Extras, page, read_embedding, read_extra
from metatap_training.report.read import read_results

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("results", type=_FILE)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The HTML file.")
@click.option("--embedding", type=_FILE, help="Parquet file: x, y and family of flows.")
@click.option("--extra", type=_FILE, multiple=True, help="JSON: founding, calibration.")
def report(*, results: Path, out: Path, embedding: Path | None, extra: tuple[Path, ...]) -> None:
    """Show RESULTS, a Parquet file of the benchmark, as one HTML file that needs no network."""
    extras = Extras(
        read_embedding(embedding) if embedding else None,
        [read_extra(path) for path in extra],
        read_attacked(results),
    )
    text = page(read_results(results), extras)
    out.write_text(text, "utf-8")
    click.echo(f"{out}: {len(text.encode()):,} bytes")
