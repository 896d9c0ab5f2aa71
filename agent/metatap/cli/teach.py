"""`metatap teach`: from a handful of flows to a threat pack."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
from rich.table import Table

from metatap.cli import say
from metatap.cli.console import console
from metatap.cli.meter import Meter
from metatap.cli.model import learner
from metatap.cli.options import (
    FILE,
    alert_file_option,
    model_option,
    rate_option,
    state_option,
)
from metatap.cli.stored import backgrounds_option, configuration, losses, own_background
from metatap.context import Context
from metatap.features import encode
from metatap.flow import FlowBatch
from metatap.offline.past import examples_of, find_alert
from metatap.offline.printable import printable
from metatap.offline.query import parse_query
from metatap.offline.stream import closing_all, flows, open_sources
from metatap.offline.teach import Lesson, check_lesson, check_out, draft_pack, make_pack
from metatap.offline.teach_check import Verdict, hold_out
from metatap.offline.teach_pick import FloatArray, Matched, Picked
from metatap.offline.teach_sample import NO_EXAMPLES, Examples, diverse
from metatap.offline.teach_uids import check_stdin, read_uids, split_uids, uids_or_file
from metatap.offline.uids import uid_texts
from metatap.packs import Pack, Severity
from metatap.packs.flows import MAX_FLOWS
from metatap.runtime.logs import configure_logs
from metatap.sources import Source


@click.command("teach")
@click.option("--id", "name_id", required=True, help="Stable id of the pack: a-z, 0-9 and -.")
@click.option("--name", help="Short title; the id in words by default.")
@click.option("--description", default="", help="What the pack detects.")
@click.option("--author", default="", help="Who made it.")
@click.option(
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.MEDIUM.value,
    show_default=True,
    help="How bad it is if the pack is right.",
)
@click.option("--attack", multiple=True, help="MITRE ATT&CK technique, e.g. T1110.001; repeatable.")
@click.option("--reference", multiple=True, help="URL to read on; repeatable.")
@click.option(
    "--from",
    "texts",
    multiple=True,
    help="Where the flows are: a recording or logs, read whole for context; repeatable.",
)
@click.option("--uid", multiple=True, help="Uids of the support flows, separated by commas.")
@click.option("--uid-file", help="File of such uids, one a line, # for comments; - for stdin.")
@click.option(
    "--not-like", multiple=True, help="Uids of counter-examples, or a file of them; repeatable."
)
@click.option("--where", help="Query that picks support flows, e.g. 'service == \"dns\"'.")
@click.option("--not-like-where", help="Query that picks counter-examples.")
@click.option("--alert", multiple=True, help="Alert whose flow is a support flow; repeatable.")
@click.option(
    "--not-like-alert", multiple=True, help="Alert whose flow is a counter-example; repeatable."
)
@click.option(
    "--most",
    type=click.IntRange(1, MAX_FLOWS),
    default=MAX_FLOWS,
    show_default=True,
    help="Of what a query finds, a diverse few: flows in all, at most.",
)
@state_option
@alert_file_option
@model_option
@backgrounds_option
@rate_option
@click.option("--out", type=FILE, required=True, help="The pack file, *.yaml.")
@click.option("--force", is_flag=True, help="Replace the pack file if it exists.")
@click.option("--strict", is_flag=True, help="Write nothing if flows contradict each other.")
@click.option("--anyway", is_flag=True, help="Write a pack that the agent would refuse.")
def command(
    *,
    name_id: str,
    name: str | None,
    description: str,
    author: str,
    severity: str,
    attack: tuple[str, ...],
    reference: tuple[str, ...],
    texts: tuple[str, ...],
    uid: tuple[str, ...],
    uid_file: str | None,
    not_like: tuple[str, ...],
    where: str | None,
    not_like_where: str | None,
    alert: tuple[str, ...],
    not_like_alert: tuple[str, ...],
    most: int,
    state: Path | None,
    alert_file: Path | None,
    model: Path | None,
    benign: tuple[str, ...],
    rate: float | None,
    out: Path,
    force: bool,
    strict: bool,
    anyway: bool,
) -> None:
    """Make a threat pack from flows of a recording or of logs, or of past alerts.

    Flows are named by their uids, or picked by a query (docs/explain.md). The source is read whole,
    so that each flow has its context; an alert brings its own along. Each support flow is
    then scored by a head that did not see it, as the agent will: one that the others do not
    recognise is named with what sets it apart. Ends with status 1, and writes nothing, if the
    agent would refuse the pack.
    """
    if strict and anyway:
        raise click.UsageError("--strict and --anyway contradict each other.")
    configure_logs("warning", "text")
    config = configuration(model, None, rate)
    check_stdin([uid_file, *not_like])
    uids = split_uids([*uid, *(read_uids(uid_file) if uid_file is not None else [])])
    lesson = Lesson(
        id=name_id,
        name=name_id.replace("-", " ").strip().capitalize() if name is None else name,
        description=description,
        author=author,
        created=datetime.now(UTC).date(),
        severity=Severity(severity),
        attack=attack,
        references=reference,
        uids=tuple(uids),
        not_like=tuple(uids_or_file(not_like)),
        where=None if where is None else parse_query(where),
        not_where=None if not_like_where is None else parse_query(not_like_where),
        alerts=_past(alert, state or config.state, alert_file),
        not_alerts=_past(not_like_alert, state or config.state, alert_file),
        most=most,
    )
    check_lesson(lesson)
    if lesson.is_from_stream and not texts:
        raise click.UsageError("--from is missing: where are the flows?")
    check_out(out, force=force)
    model_ = learner(config)

    def choose(found: Examples, number: int) -> Examples:
        features = model_.select(encode(found.flows, found.context))
        return found.take(diverse(model_.embed(features), number))

    with closing_all(open_sources(texts)) as sources:
        background = own_background(benign, model_, config)
        stream = _metered(sources, config.detector.context_entries)
        pack, picked = make_pack(lesson, stream, choose)
    with draft_pack(pack, out) as draft:
        verdict = hold_out(model_, draft.pack, config.detector.false_positive_rate, background)
        is_good = verdict.in_force and not (strict and verdict.contradictions)
        if is_good or anyway:
            draft.keep()
    _summary(draft.pack, picked, verdict, is_written=is_good or anyway)
    losses(texts, sources, "; contexts may lack them")
    _warnings(picked, verdict)
    if not (is_good or anyway):
        say(f"{out}: not written")
        sys.exit(1)


def _past(ids: Sequence[str], state: Path | None, alert_file: Path | None) -> Examples:
    """The flows of past alerts."""
    if not ids:
        return NO_EXAMPLES
    return examples_of([find_alert(text, state, alert_file) for text in dict.fromkeys(ids)])


def _metered(sources: Sequence[Source], entries: int) -> Iterator[tuple[FlowBatch, FloatArray]]:
    """The stream of the sources; a person at a terminal sees how far it is."""
    with Meter("flows", sources) as meter:
        for batch, known in flows(sources, Context(entries)):
            meter.advance(batch.rows)
            yield batch, known


def _summary(pack: Pack, picked: Picked, verdict: Verdict, *, is_written: bool) -> None:
    out = console()
    counter = 0 if pack.not_like is None else pack.not_like.rows
    also = f" and {_counted(counter, 'counter-example')}" if counter else ""
    out.print(
        f"{printable(str(pack.path)) if is_written else 'not written'}: "
        f"{_counted(pack.flows.rows, 'flow')}{also}{_seen(picked)}, threshold "
        f"{verdict.threshold:.2f}",
        soft_wrap=True,
    )
    for matched in (picked.matched, picked.not_matched):
        if matched is not None:
            out.print(_matched(matched), soft_wrap=True)
    if len(verdict.flows) > 1:
        out.print(_table(verdict))
    else:
        out.print("one flow: nothing can be held out, so nothing is known of how well it works")
    uids = uid_texts(picked.flows)
    unknown = [uids[row] for row in np.flatnonzero(np.isnan(picked.context).all(axis=1)).tolist()]
    if unknown:
        out.print(
            f"without context, since it is not known: {printable(', '.join(unknown))}",
            soft_wrap=True,
        )


def _seen(picked: Picked) -> str:
    return f" of {picked.seen:,}" if picked.seen else ""


def _matched(matched: Matched) -> str:
    how = "all" if matched.taken == matched.found else f"{matched.taken} unlike each other"
    return f"{_counted(matched.found, 'flow')} found, {how} taken: {printable(matched.query)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(verdict: Verdict) -> Table:
    table = Table(title="Each flow scored by a head of the others", title_justify="left")
    for name in ("uid", "score", "recognised"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for flow in verdict.flows:
        table.add_row(printable(flow.uid), f"{flow.score:.2f}", "yes" if flow.recognised else "no")
    return table


def _warnings(picked: Picked, verdict: Verdict) -> None:
    for uid, places in picked.repeated.items():
        where = printable(", ".join(dict.fromkeys(place for place in places if place)))
        say(f"uid {uid} is on {len(places)} flows ({where}): the first was taken")
    for flow in verdict.contradictions:
        apart = ", ".join(flow.differences) or "no single feature alone"
        say(
            f"uid {flow.uid} contradicts the others: score {flow.score:.2f}, threshold "
            f"{verdict.threshold:.2f}; what sets it apart: {apart}"
        )
    if not verdict.in_force:
        say(f"the agent would refuse this pack: it {verdict.reason}; --anyway writes it")
