"""`metatap run`: the sensor."""

from __future__ import annotations

from pathlib import Path

import click

from metatap.cli.options import config_options, loader
from metatap.runtime.agent import Agent
from metatap.runtime.logs import configure_logs


@click.command("run")
@config_options
def command(
    config_path: Path | None, model: Path | None, packs: Path | None, log_level: str | None
) -> None:
    """Score a live network: read the configured sources, write alerts.

    Model, packs and lists are followed: what is dropped, replaced or deleted is in force with one
    of the next batches. TERM drains and ends with status 0, a second TERM ends at once; HUP reads
    the configuration again too and reopens the alert files (sources, sinks, alert and adaptation
    options and the state folder need a restart).
    """
    load = loader(config_path, model, packs, log_level)
    config = load()
    configure_logs(config.log.level, config.log.format)
    Agent(load).run()
