"""`metatap packs test`: what a pack would flag."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from metatap.cli.console import console, show_table, table
from metatap.cli.options import FILE, model_option, rate_option
from metatap.cli.packs.scoring import Tried, try_packs
from metatap.cli.stored import backgrounds_option, configuration
from metatap.detector import Ready
from metatap.detector.life import RECENT_LEAST, RECENT_LIMIT
from metatap.offline.pack_trial import Trial
from metatap.offline.printable import printable
from metatap.offline.uids import uid_texts
from metatap.packs import load_pack
from metatap.runtime.logs import configure_logs


@click.command("test")
@click.argument("path", metavar="PACK", type=FILE)
@click.argument("texts", metavar="[SOURCE]...", nargs=-1)
@model_option
@backgrounds_option
@rate_option
@click.option(
    "--top", type=click.IntRange(1, 1000), default=10, show_default=True, help="Pairs shown."
)
def command(
    *,
    path: Path,
    texts: tuple[str, ...],
    model: Path | None,
    benign: tuple[str, ...],
    rate: float | None,
    top: int,
) -> None:
    """Make PACK ready as the agent does, and say what it would flag of each SOURCE.

    Without a source only the pack itself is judged. Ends with status 1 if the agent would
    quarantine it.
    """
    configure_logs("error", "text")
    config = configuration(model, None, rate)
    tried = try_packs([load_pack(path)], texts, benign, config)
    ready = tried.ready[0]
    out = console()
    _judged(out, ready, tried)
    if tried.trials:
        _flagged(out, tried.trials[0], top)
    if ready.fault is not None:
        sys.exit(1)


def _judged(out: Console, ready: Ready, tried: Tried) -> None:
    where = f"{tried.background:,} flows of yours" if tried.background else "the model's own"
    out.print(
        f"{ready.pack.id}: recognises {ready.recognised} of its own {len(ready.support)} flows, "
        f"held out, at threshold {ready.threshold:.2f}; background: {where}",
        soft_wrap=True,
    )
    show_table(out, "Each flow scored by a head of the others", _support(ready))
    if ready.fault is None:
        out.print("would be in force")
    else:
        out.print(f"would be quarantined: {ready.fault}: {ready.reason}", soft_wrap=True)


def _support(ready: Ready) -> Table:
    made = table(("uid", "score", "recognised"), ("score",))
    for uid, score in zip(uid_texts(ready.pack.flows), ready.held_out.tolist(), strict=True):
        made.add_row(printable(uid), f"{score:.2f}", "yes" if score >= ready.threshold else "no")
    return made


def _flagged(out: Console, trial: Trial, top: int) -> None:
    out.print(f"flags {trial.hits:,} of {trial.flows:,} flows ({trial.share:.3%})")
    pairs = trial.by_hits()
    if pairs:
        right = ("flows", "highest score")
        names = ("originator", "responder", "port", *right, "its uid")
        made = table(names, right)
        for pair in pairs[:top]:
            score = f"{pair.highest:.2f}"
            uid = printable(pair.uid)
            made.add_row(pair.orig, pair.resp, pair.port, f"{pair.hits:,}", score, uid)
        show_table(out, "What it flags", made)
    rest = sum(pair.hits for pair in pairs[top:]) + trial.unlisted
    if rest:
        out.print(f"and {rest:,} flows of other pairs")
    if trial.share > RECENT_LIMIT and trial.flows >= RECENT_LEAST:
        out.print(
            f"more than {RECENT_LIMIT:.0%}: if these were the flows seen lately, the agent would "
            "quarantine it",
            soft_wrap=True,
        )
