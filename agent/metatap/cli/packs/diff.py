"""`metatap packs diff`: how two packs differ."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from metatap.cli.console import console, show_table, table
from metatap.cli.options import FILE, model_option, rate_option
from metatap.cli.packs.scoring import Tried, try_packs
from metatap.cli.stored import backgrounds_option, configuration
from metatap.offline.printable import printable
from metatap.packs import Pack, load_pack
from metatap.packs.compare import FlowChange, flow_changes, head_changes
from metatap.runtime.logs import configure_logs

SHOWN = 4
"""Fields of one flow that are named, at most."""

LONG = 40
"""Characters of a value shown, at most."""


@click.command("diff")
@click.argument("one", metavar="PACK", type=FILE)
@click.argument("other", metavar="OTHER", type=FILE)
@click.argument("texts", metavar="[SOURCE]...", nargs=-1)
@model_option
@backgrounds_option
@rate_option
def command(
    *,
    one: Path,
    other: Path,
    texts: tuple[str, ...],
    model: Path | None,
    benign: tuple[str, ...],
    rate: float | None,
) -> None:
    """Say how PACK and OTHER differ: heads, flows by uid, and the scores of each SOURCE.

    Ends with status 0 if packs are the same, 1 if they differ.
    """
    configure_logs("error", "text")
    config = configuration(model, None, rate)
    first, second = load_pack(one), load_pack(other)
    out = console()
    is_same = _packs(out, first, second)
    if texts:
        _scores(out, try_packs([first, second], texts, benign, config))
    if not is_same:
        sys.exit(1)


def _packs(out: Console, first: Pack, second: Pack) -> bool:
    """Print how they differ; whether they do not."""
    heads = head_changes(first, second)
    for change in heads:
        before, after = _short(change.before) or "none", _short(change.after) or "none"
        out.print(f"{change.field}: {before} → {after}", soft_wrap=True)
    flows = flow_changes(first, second)
    for flow in flows:
        out.print(_flow(flow), soft_wrap=True)
    if not heads and not flows:
        out.print("no difference")
    return not heads and not flows


def _flow(flow: FlowChange) -> str:
    name = f"{flow.kind} {printable(flow.name)}"
    if not flow.changes:
        return f"{'-' if flow.is_in_first else '+'} {name}"
    shown = [
        f"{change.field} {_short(change.before) or 'absent'} → {_short(change.after) or 'absent'}"
        for change in flow.changes[:SHOWN]
    ]
    more = len(flow.changes) - SHOWN
    return f"~ {name}: {', '.join(shown)}{f' and {more} more fields' if more > 0 else ''}"


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONG else f"{shown[: LONG - 1]}…"


def _scores(out: Console, tried: Tried) -> None:
    names = ("pack", "threshold", "recognised", "flags", "flows")
    made = table(names, names[1:])
    for ready, trial in zip(tried.ready, tried.trials, strict=True):
        made.add_row(
            printable(str(ready.pack.path)),
            f"{ready.threshold:.2f}",
            f"{ready.recognised} of {len(ready.support)}",
            f"{trial.hits:,}",
            f"{trial.flows:,}",
        )
    show_table(out, "Scores", made)
    found = tried.difference
    if found is not None:
        out.print(
            f"flagged by both {found.both:,}, by the first only {found.first:,}, by the second "
            f"only {found.second:,}; scores differ by {found.mean:.3f} in the mean, "
            f"{found.largest:.3f} at most",
            soft_wrap=True,
        )
