"""`python -m metatap.demo`: what a demonstration needs beside the agent's own commands."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from metatap.demo.judge import MALICIOUS, Labels, judge, read_labels
from metatap.demo.send import send
from metatap.errors import MetatapError

ID = 8
"""Digits of an alert's id that are shown; commands that take an alert need four."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Play stored traffic into a running agent, and hold its alerts against labels."""


@commands.command("send")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("address")
def _send(source: Path, address: str) -> None:
    """Send SOURCE, a recording or Zeek's logs, to an agent that is bound to ADDRESS.

    ADDRESS is ZeroMQ's, e.g. tcp://127.0.0.1:5556 for an agent with the source
    zeek+tcp://127.0.0.1:5556?bind=1. The flows go out as Zeek would send them, as fast as the
    agent takes them.
    """
    sent = send(source, address)
    click.echo(f"{sent.flows:,} flows sent in {sent.messages:,} messages")
    if sent.skipped:
        click.echo(f"{sent.skipped:,} records or lines of {source} can't be read", err=True)


@commands.command("judge")
@click.argument("alerts", type=_FILE)
@click.argument("labels", type=_FILE, nargs=-1, required=True)
def _judge(alerts: Path, labels: tuple[Path, ...]) -> None:
    """List the alerts of ALERTS (the file sink's) with what LABELS say of their flows.

    LABELS are CSV files with uid,label,family,technique; alerts of other flows are counted, not
    listed. An alert that is still open names its first flow only.
    """
    known: Labels = {}
    for path in labels:
        known |= read_labels(path)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    events = judge(alerts, known).alerts
    listed = [event for event in events if known.keys() & _uids(event)]
    console.print(_table(listed, known))
    if len(listed) < len(events):
        console.print(f"{len(events) - len(listed)} alerts of other flows are left out")


def _uids(event: dict[str, Any]) -> list[str]:
    """Zeek uids of an alert's flows."""
    found: list[str] = event["metatap"]["alert"]["uids"]
    return found


def _table(events: list[dict[str, Any]], labels: Labels) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("alert", "pack", "from → to", "flows", "what they are"):
        table.add_column(name, justify="right" if name == "flows" else "left")
    for event in events:
        own = event["metatap"]["alert"]
        table.add_row(
            own["id"][:ID],
            event["rule"]["id"],
            f"{event['source']['ip']} → {event['destination']['ip']}",
            str(own["count"]),
            _truth(_uids(event), labels),
        )
    return table


def _truth(uids: list[str], labels: Labels) -> str:
    """E.g. `ssh_bruteforce 46, benign ssh 1`."""
    found: Counter[str] = Counter()
    for uid in uids:
        label = labels.get(uid)
        if label is None:
            found["unlabelled"] += 1
        else:
            is_threat = label.label == MALICIOUS
            found[label.family if is_threat else f"benign {label.family}"] += 1
    return ", ".join(f"{what} {flows}" for what, flows in found.most_common())


def main() -> None:
    """Entry point: errors a user can mend are printed without a traceback, exit status 1."""
    try:
        commands(prog_name="python -m metatap.demo")
    except MetatapError as error:
        click.echo(f"metatap.demo: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
