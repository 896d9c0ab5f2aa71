"""`metatap score`: every flow of a recording or of logs, by every pack."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.meter import Meter
from metatap.cli.options import FILE
from metatap.cli.stored import account, configuration, ended_by_sigterm, ready, stored_options
from metatap.context import Context
from metatap.offline.output import check_target, open_writer
from metatap.offline.score import write_scores
from metatap.offline.scoring import score_batches
from metatap.offline.stream import open_sources
from metatap.runtime.logs import configure_logs


@click.command("score")
@stored_options
@click.option(
    "--out",
    type=FILE,
    required=True,
    help="*.csv, *.csv.gz, *.parquet (extra `lake`), or - for CSV on standard output.",
)
def command(
    *,
    texts: tuple[str, ...],
    model: Path | None,
    packs: Path | None,
    background: str | None,
    rate: float | None,
    out: Path,
) -> None:
    """Write the score of every flow of SOURCE... by every pack.

    A source is a recording, a conn log or a folder of Zeek's logs. There is one row a flow and
    pack, uid,pack,score,threshold,alert, in the order of the flows, and for each flow in that of
    the packs' ids; no flow is left out. Ends with status 1 if not every flow can be accounted for.
    """
    configure_logs("error", "text")
    check_target(out)
    config = configuration(model, packs, rate)
    sources = open_sources(texts)
    rules = ready(config, background).rules
    context = Context(config.detector.context_entries)
    batches = score_batches(sources, rules, context, config.detector.batch_rows)
    with (
        ended_by_sigterm(),
        Meter("scoring", sources) as meter,
        open_writer(out, rules) as writer,
    ):
        written = write_scores(batches, rules, writer, meter.advance)
    speed = f", {written.flows / written.seconds:,.0f} flows/s" if written.seconds else ""
    say(
        f"{written.flows:,} flows, {len(rules.packs)} packs, {written.rows:,} rows{speed}; "
        f"thresholds on the {rules.threshold_source} background"
    )
    for pack, alerts in zip(rules.packs, written.alerts.tolist(), strict=True):
        say(f"pack {pack.id}: {alerts:,} alerts")
    whole = account(texts, sources, written.flows)
    if written.rows != written.flows * len(rules.packs):
        say(f"{written.rows:,} rows are not flows × packs")
        whole = False
    if not whole:
        sys.exit(1)
