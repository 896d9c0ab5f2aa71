"""`metatap demo`: see it work in a minute."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from metatap.cli.console import console
from metatap.cli.options import FOLDER
from metatap.demo import Judgement, Played, judge, play, read_labels
from metatap.runtime.logs import configure_logs

WIDTH = 140
"""Columns of the tables where standard output is no terminal."""


@click.command("demo")
@click.option(
    "--out",
    type=FOLDER,
    default=Path("build/demo"),
    show_default=True,
    help="Folder for alerts.jsonl, labels.csv, the agent's configuration and log.",
)
def command(out: Path) -> None:
    """Play a lab recording through a real agent and show its alerts.

    The recording goes through real ZeroMQ sockets, as Zeek would send it, into a `metatap run` of
    its own with the shipped model and packs; the result is held against the recording's labels.
    """
    configure_logs("warning", "text")
    data = Path(str(resources.files("metatap.demo") / "data"))
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data / "branch.labels.csv", out / "labels.csv")
    screen = console(WIDTH)
    played = play(data / "branch.mtrec", out)
    verdict = judge(out / "alerts.jsonl", read_labels(out / "labels.csv"))
    screen.print(_alerts(verdict))
    screen.print(_families(verdict))
    _totals(screen, played, verdict, out)


def _alerts(verdict: Judgement) -> Table:
    table = Table(title="Alerts", title_justify="left", show_lines=True)
    for name in ("rule", "from → to", "flows", "score / threshold", "why"):
        table.add_column(name, justify="right" if name == "flows" else "left")
    for alert in verdict.alerts:
        own = alert["metatap"]
        table.add_row(
            f"{alert['rule']['id']}\n{_techniques(alert)}",
            f"{alert['source']['ip']} →\n{alert['destination']['ip']}",
            str(own["alert"]["count"]),
            f"{own['max_score']:.2f} / {own['threshold']:.2f} ({own['threshold_source']})",
            alert["event"].get("reason", ""),
        )
    return table


def _techniques(alert: dict[str, Any]) -> str:
    technique = alert.get("threat", {}).get("technique", {})
    return ", ".join(technique.get("subtechnique", technique).get("id", []))


def _families(verdict: Judgement) -> Table:
    table = Table(title="Held against the labels", title_justify="left")
    for name in ("threat", "flows", "alerted", "missed"):
        table.add_column(name, justify="left" if name == "threat" else "right")
    for family in verdict.hostile:
        total, flagged = verdict.total[family], verdict.flagged[family]
        table.add_row(family, str(total), str(flagged), str(total - flagged))
    return table


def _totals(screen: Console, played: Played, verdict: Judgement, out: Path) -> None:
    benign = sum(verdict.total.values()) - sum(verdict.total[name] for name in verdict.hostile)
    rate = f"{played.flows / played.busy:,.0f}" if played.busy else "–"
    screen.print(
        f"{played.flows:,} flows scored of {played.sent.flows:,} sent, {rate} flows/s in the agent"
    )
    screen.print(f"falsely alerted: {len(verdict.false_uids)} of {benign:,} benign flows")
    for uid in verdict.false_uids:
        screen.print(f"  {uid}")
    for what, units in played.dropped.items():
        screen.print(f"dropped: {units:,} {what}")
    screen.print(f"alerts: {out / 'alerts.jsonl'}, labels: {out / 'labels.csv'}")
