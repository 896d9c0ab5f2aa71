"""`metatap evaluate`: what the packs find in labelled flows, and what they falsely alert on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich.console import Console

from metatap.cli.meter import Meter
from metatap.cli.options import FILE
from metatap.cli.stored import account, configuration, ready, stored_options
from metatap.context import Context
from metatap.errors import MetatapError
from metatap.offline.evaluate import evaluate
from metatap.offline.judged import hold_against_labels
from metatap.offline.kept import open_kept
from metatap.offline.labels import MALICIOUS, FieldLabels, FileLabels, Labels
from metatap.offline.scoring import score_batches
from metatap.offline.stream import open_sources
from metatap.offline.tables import document, render
from metatap.runtime.logs import configure_logs
from metatap.sources import Source

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
    configure_logs("error", "text")
    config = configuration(model, packs, rate)
    known, sources = _labels(texts, label_field, family_field, labels, malicious)
    rules = ready(config, background).rules
    context = Context(config.detector.context_entries)
    with Meter("scoring", sources) as meter:
        batches = score_batches(sources, rules, context, config.detector.batch_rows)
        judged = hold_against_labels(batches, rules, known, meter.advance)
    whole = account(texts, sources, judged.flows)
    if not len(judged.group):
        raise MetatapError("no flow is labelled benign or malicious")
    evaluation = evaluate(judged, known.unknown)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    for part in render(evaluation):
        console.print(part)
    if json_path is not None:
        text = json.dumps(document(evaluation), indent=2, ensure_ascii=False)
        json_path.write_text(text + "\n", encoding="utf-8")
    if not whole:
        sys.exit(1)


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
