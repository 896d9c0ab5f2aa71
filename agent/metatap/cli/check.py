"""`metatap check`: every fault before the start."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from metatap.cli.options import config_options, loader
from metatap.runtime.check import check
from metatap.runtime.logs import configure_logs


@click.command("check")
@config_options
def command(
    config_path: Path | None, model: Path | None, packs: Path | None, log_level: str | None
) -> None:
    """Check configuration, model and packs; every fault with file and line.

    Ends with status 1 if there is a fault.
    """
    configure_logs(log_level or "error", "text")
    findings = check(loader(config_path, model, packs, log_level))
    for note in findings.notes:
        click.echo(note)
    for fault in findings.faults:
        click.echo(fault, err=True)
    if findings.faults:
        sys.exit(1)
