"""`metatap teach`: from a handful of uids to a threat pack."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from metatap.cli import say
from metatap.cli.meter import Meter
from metatap.cli.options import FILE
from metatap.context import Context
from metatap.detector import Model, shipped_model
from metatap.flow import FlowBatch
from metatap.offline.background import sample_background
from metatap.offline.stream import flows, open_sources
from metatap.offline.teach import Lesson, check_lesson, check_out, make_pack, write_pack
from metatap.offline.teach_check import Verdict, hold_out
from metatap.offline.teach_pick import FloatArray, Picked
from metatap.offline.teach_uids import read_uids, split_uids, uids_or_file
from metatap.offline.uids import uid_texts
from metatap.packs import Pack, Severity
from metatap.runtime.logs import configure_logs
from metatap.runtime.options import BY_NAME
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
    required=True,
    help="Where the flows are: a recording or logs, read whole for context; repeatable.",
)
@click.option("--uid", multiple=True, help="Uids of the support flows, separated by commas.")
@click.option("--uid-file", help="File of such uids, one a line, # for comments; - for stdin.")
@click.option(
    "--not-like", multiple=True, help="Uids of counter-examples, or a file of them; repeatable."
)
@click.option("--model", type=FILE, help="Model file instead of the one that comes along.")
@click.option(
    "--background",
    "benign",
    multiple=True,
    help="Benign flows to hold the pack against instead of the model's own; repeatable.",
)
@click.option("--out", type=FILE, required=True, help="The pack file, *.yaml.")
@click.option("--force", is_flag=True, help="Replace the pack file if it exists.")
@click.option("--strict", is_flag=True, help="End with status 1 if flows contradict each other.")
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
    model: Path | None,
    benign: tuple[str, ...],
    out: Path,
    force: bool,
    strict: bool,
) -> None:
    """Make a threat pack from flows of a recording or of logs, named by their uids.

    The source is read whole, so that each flow is written with its context. Each support flow is
    then scored by a head that did not see it, as the agent will: one that the others do not
    recognise is named with what sets it apart.
    """
    configure_logs("warning", "text")
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
    )
    check_lesson(lesson)
    check_out(out, force=force)
    learner = Model(model or shipped_model())
    sources = open_sources(texts)
    background = None
    if benign:
        background = sample_background(_metered("background", open_sources(benign)), learner)
    pack, picked = make_pack(lesson, _metered("flows", sources))
    pack = write_pack(pack, out)
    rate = float(BY_NAME["detector.false_positive_rate"].default)
    verdict = hold_out(learner, pack, rate, background)
    _summary(pack, picked, verdict)
    _losses(texts, sources)
    _warnings(picked, verdict)
    if strict and (verdict.contradictions or not verdict.in_force):
        sys.exit(1)


def _metered(what: str, sources: Sequence[Source]) -> Iterator[tuple[FlowBatch, FloatArray]]:
    """The stream of the sources; a person at a terminal sees how far it is."""
    with Meter(what, sources) as meter:
        for batch, known in flows(sources, Context()):
            meter.advance(batch.rows)
            yield batch, known


def _summary(pack: Pack, picked: Picked, verdict: Verdict) -> None:
    width = None if sys.stdout.isatty() else 100
    console = Console(width=width, highlight=False, markup=False)
    counter = 0 if pack.not_like is None else pack.not_like.rows
    also = f" and {_counted(counter, 'counter-example')}" if counter else ""
    console.print(
        f"{pack.path}: {_counted(pack.flows.rows, 'flow')}{also} of {picked.seen:,}, threshold "
        f"{verdict.threshold:.2f}",
        soft_wrap=True,
    )
    if len(verdict.flows) > 1:
        console.print(_table(verdict))
    else:
        console.print("one flow: nothing can be held out, so nothing is known of how well it works")
    uids = uid_texts(picked.flows)
    unknown = [uids[row] for row in np.flatnonzero(np.isnan(picked.context).all(axis=1)).tolist()]
    if unknown:
        console.print(
            f"without context, since they have no ts: {', '.join(unknown)}", soft_wrap=True
        )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _table(verdict: Verdict) -> Table:
    table = Table(title="Each flow scored by a head of the others", title_justify="left")
    for name in ("uid", "score", "recognised"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for flow in verdict.flows:
        table.add_row(flow.uid, f"{flow.score:.2f}", "yes" if flow.recognised else "no")
    return table


def _losses(texts: Sequence[str], sources: Sequence[Source]) -> None:
    for text, source in zip(texts, sources, strict=True):
        for unit, counters in (("flows", source.flows), ("messages", source.messages)):
            for reason, units in counters.dropped.items():
                say(f"{text}: {units:,} {unit} dropped: {reason}; contexts may lack them")


def _warnings(picked: Picked, verdict: Verdict) -> None:
    for uid, places in picked.repeated.items():
        where = ", ".join(dict.fromkeys(place for place in places if place))
        say(f"uid {uid} is on {len(places)} flows ({where}): the first was taken")
    for flow in verdict.contradictions:
        apart = ", ".join(flow.differences) or "no single feature alone"
        say(
            f"uid {flow.uid} contradicts the others: score {flow.score:.2f}, threshold "
            f"{verdict.threshold:.2f}; what sets it apart: {apart}"
        )
    if not verdict.in_force:
        recognised = sum(flow.recognised for flow in verdict.flows)
        say(
            f"the agent would refuse this pack: it recognises {recognised} of its own "
            f"{len(verdict.flows)} flows, half are needed"
        )
