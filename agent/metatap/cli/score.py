"""`metatap score`: every flow of a recording or of logs, by every pack."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.meter import Meter
from metatap.cli.model import scorer_of_any_kind
from metatap.cli.options import FILE
from metatap.cli.stored import account, configuration, ended_by_sigterm, ready, stored_options
from metatap.context import Context
from metatap.detector import RuleSet, SequenceModel
from metatap.detector.detector import IMPOSSIBLE
from metatap.detector.rules import IN_MODEL
from metatap.offline.output import check_target, open_class_writer, open_writer
from metatap.offline.score import write_scores
from metatap.offline.score_classes import SequenceScorer, classify_sources, write_classes
from metatap.offline.scoring import score_batches
from metatap.offline.stream import closing_all, open_sources
from metatap.runtime.logs import configure_logs
from metatap.runtime.settings import Config
from metatap.sources import Source


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
    """Write what a model says of every flow of SOURCE....

    A source is a recording, a conn log or a folder of Zeek's logs. With packs or a classifier there
    is one row a flow and pack (or class), uid,pack,score,threshold,alert, in the order of the
    flows, and for each flow in that of the packs' ids. With a sequence model there is one row a
    flow, uid,class,probability,window, of the window of consecutive flows of two hosts it is in. No
    flow is left out but those that the model gives no scores for, which are counted. Ends with
    status 1 if not every flow can be accounted for.
    """
    configure_logs("error", "text")
    check_target(out)
    config = configuration(model, packs, rate)
    with closing_all(open_sources(texts)) as sources:
        loaded = scorer_of_any_kind(config)
        if isinstance(loaded, SequenceModel):
            if packs is not None or background is not None or rate is not None:
                raise click.UsageError("A sequence model takes no --packs, --background or --rate.")
            whole = score_sequences(texts, sources, loaded, config, out)
        else:
            rules = ready(config, loaded, background)
            whole = score_rules(texts, sources, rules, config, out)
    if not whole:
        sys.exit(1)


def score_rules(
    texts: Sequence[str], sources: Sequence[Source], rules: RuleSet, config: Config, out: Path
) -> bool:
    """Write the scores of all rules; whether every flow is accounted for."""
    context = Context(config.detector.context_entries)
    batches = score_batches(sources, rules, context, config.detector.batch_rows)
    with (
        ended_by_sigterm(),
        Meter("scoring", sources) as meter,
        open_writer(out, rules) as writer,
    ):
        written = write_scores(batches, rules, writer, meter.advance)
    what = "classes" if rules.threshold_source == IN_MODEL else "packs"
    where = "of the model" if what == "classes" else f"on the {rules.threshold_source} background"
    say(
        f"{written.flows:,} flows, {len(rules.packs)} {what}, {written.rows:,} rows"
        f"{_speed(written.flows, written.seconds)}; thresholds {where}"
    )
    for pack, alerts in zip(rules.packs, written.alerts.tolist(), strict=True):
        say(f"{'class' if what == 'classes' else 'pack'} {pack.id}: {alerts:,} alerts")
    _unscored(written.unscored)
    whole = account(texts, sources, written.flows + written.unscored)
    if written.rows != written.flows * len(rules.packs):
        say(f"{written.rows:,} rows are not flows × {what}")
        whole = False
    return whole


def score_sequences(
    texts: Sequence[str],
    sources: Sequence[Source],
    model: SequenceModel,
    config: Config,
    out: Path,
) -> bool:
    """Write the class of every flow's window; whether every flow is accounted for."""
    classes = model.meta.classes
    scorer = SequenceScorer(model)
    context = Context(config.detector.context_entries)
    with (
        ended_by_sigterm(),
        Meter("scoring", sources) as meter,
        open_class_writer(out, classes) as writer,
    ):
        found = classify_sources(
            sources, scorer, context, config.detector.batch_rows, meter.advance
        )
        written = write_classes(found, scorer, len(classes), writer)
    say(
        f"{written.rows + written.unscored:,} flows in {written.windows:,} windows of at most "
        f"{model.meta.length}"
        f"{_speed(written.rows, written.seconds)}"
    )
    for name, flows in zip(classes, written.flows_of.tolist(), strict=True):
        say(f"class {name}: {flows:,} flows")
    _unscored(written.unscored)
    return account(texts, sources, written.rows + written.unscored)


def _unscored(flows: int) -> None:
    if flows:
        say(f"{flows:,} flows without a row: {IMPOSSIBLE} (the model gave no scores for them)")


def _speed(flows: int, seconds: float) -> str:
    return f", {flows / seconds:,.0f} flows/s" if seconds else ""
