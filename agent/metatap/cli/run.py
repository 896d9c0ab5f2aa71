"""`metatap run`: the sensor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from metatap.cli.options import config_options, loader
from metatap.runtime.agent import Agent
from metatap.runtime.logs import configure_logs, say_always
from metatap.runtime.shards import MAX_PROCESSES, Part, narrowed
from metatap.runtime.supervisor import Supervisor, watch_parent


@click.command("run")
@config_options
@click.option(
    "--shards",
    type=click.IntRange(1, MAX_PROCESSES),
    default=1,
    show_default=True,
    help="Processes that share the work, each its part of the shards that Zeek makes.",
)
@click.option("--part", hidden=True, help="Which of them this is; started by `--shards`.")
@click.option("--feeds", type=click.Path(path_type=Path), hidden=True)
def command(
    config_path: Path | None,
    model: Path | None,
    packs: Path | None,
    log_level: str | None,
    *,
    shards: int,
    part: str | None,
    feeds: Path | None,
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
    if part is not None and feeds is not None:
        mine = Part.parse(part)
        say_always(shard=part)
        watch_parent()
        Agent(lambda: narrowed(load(), mine, feeds), history=config.state).run()
    elif shards == 1:
        Agent(load).run()
    else:
        Supervisor(config, shards, _part).run()


def _part(part: Part, feeds: Path) -> Sequence[str]:
    """The command line of this process, for one part of it."""
    words = [sys.executable, "-m", "metatap", *sys.argv[1:]]
    return [*words, "--part", str(part), "--feeds", str(feeds)]
