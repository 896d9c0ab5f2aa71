"""`metatap evaluate`: what the packs find in labelled flows, and what they falsely alert on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.console import console
from metatap.cli.meter import Meter, Rounds
from metatap.cli.model import scorer
from metatap.cli.options import FILE
from metatap.cli.stored import account, configuration, ready, stored_options
from metatap.context import Context
from metatap.detector.detector import IMPOSSIBLE
from metatap.errors import MetatapError
from metatap.offline.bootstrap import ROUNDS
from metatap.offline.evaluate import evaluate
from metatap.offline.figures import Evaluation
from metatap.offline.judged import hold_against_labels
from metatap.offline.kept import open_kept
from metatap.offline.labels import BENIGN, MALICIOUS, FieldLabels, FileLabels, Labels, Tally
from metatap.offline.scoring import score_batches
from metatap.offline.stream import closing_all, open_sources
from metatap.offline.tables import counted, document, render
from metatap.offline.writers import check_folder
from metatap.runtime.logs import configure_logs
from metatap.sources import Source
from metatap.writing import write_whole

WIDTH = 140
"""Columns of the tables where standard output is no terminal."""


@click.command("evaluate")
@stored_options
@click.option("--label-field", help="Field of conn.log with the label.")
@click.option(
    "--family-field", default="family", show_default=True, help="Field with the threat's name."
)
@click.option("--labels", type=FILE, help="CSV with the labels: uid,label,family.")
@click.option("--malicious", default=MALICIOUS, show_default=True, help="Label of a threat.")
@click.option("--json", "json_path", type=FILE, help="Write the figures to this file, too.")
def command(
    *,
    texts: tuple[str, ...],
    model: Path | None,
    packs: Path | None,
    background: str | None,
    rate: float | None,
    label_field: str | None,
    family_field: str,
    labels: Path | None,
    malicious: str,
    json_path: Path | None,
) -> None:
    """Hold alerts and scores of SOURCE... against labels.

    A flow is `benign`, `malicious`, or has another label or none and is left out. Prints
    precision, recall, F1, the rate of false alerts, and for each threat recall, TPR at FPR 1e-3
    and AUPRC, with 95 % intervals by a bootstrap over hosts.
    """
    if (label_field is None) == (labels is None):
        raise click.UsageError("Either --label-field or --labels is needed, and not both.")
    if malicious.strip().casefold() in {"", BENIGN}:
        raise click.UsageError(f"--malicious: {malicious!r} can't be the label of a threat.")
    configure_logs("error", "text")
    if json_path is not None:
        check_folder(json_path)
    config = configuration(model, packs, rate)
    known, sources = _labels(texts, label_field, family_field, labels, malicious)
    with closing_all(sources):
        rules = ready(config, scorer(config), background)
        context = Context(config.detector.context_entries)
        with Meter("scoring", sources) as meter:
            batches = score_batches(sources, rules, context, config.detector.batch_rows)
            judged = hold_against_labels(batches, rules, known, meter.advance)
    whole = account(texts, sources, judged.flows)
    tally = known.tally()
    if label_field in tally.absent:
        raise MetatapError(f"--label-field {label_field}: this field is in no record")
    _mismatches(tally, judged.partial, judged.unscored)
    if not len(judged.group):
        raise MetatapError(_nothing_text(tally))
    with Rounds("intervals", ROUNDS) as rounds:
        evaluation = evaluate(judged, tally, rounds.advance)
    if json_path is not None:
        _write_json(evaluation, json_path)
    out = console(WIDTH)
    for part in render(evaluation):
        out.print(part)
    if not whole:
        sys.exit(1)


def _mismatches(tally: Tally, partial: int, unscored: int) -> None:
    """Say what is not as a labelled source should be."""
    for name in tally.absent:
        say(f"--family-field {name}: this field is in no record, so all threats count as one")
    if partial:
        say(f"{partial:,} partial records left out")
    if unscored:
        say(f"{unscored:,} flows left out: {IMPOSSIBLE}")
    if tally.unmatched:
        total = sum(tally.unmatched.values())
        say(f"{total:,} labels have no flow in the source: {counted(tally.unmatched)}")
    if tally.repeated:
        say(
            f"{tally.repeated:,} labelled uids are on several flows, each of which counts: is the "
            "source given twice, e.g. a recording and its logs?"
        )


def _nothing_text(tally: Tally) -> str:
    found = f"; labels found: {counted(tally.unknown)}" if tally.unknown else ""
    return f"no flow is labelled benign or malicious{found}; --malicious names a threat's label"


def _write_json(evaluation: Evaluation, path: Path) -> None:
    text = json.dumps(document(evaluation), indent=2, ensure_ascii=False) + "\n"
    write_whole(path, text.encode("utf-8", "backslashreplace"))


def _labels(
    texts: tuple[str, ...],
    label_field: str | None,
    family_field: str,
    path: Path | None,
    malicious: str,
) -> tuple[Labels, list[Source]]:
    """The labels, and the sources opened as they need them."""
    if label_field is not None:
        fields = FieldLabels(label_field, family_field, malicious)
        return fields, open_kept(texts, fields.fields)
    if path is None:
        raise MetatapError("no labels")
    return FileLabels(path, malicious), open_sources(texts)
