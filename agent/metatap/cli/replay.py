"""`metatap replay SOURCE`: a recording through the pipeline at full speed."""

from __future__ import annotations

from pathlib import Path

import click

from metatap.cli import say
from metatap.cli.options import FILE, config_options, loader
from metatap.runtime.agent import Agent
from metatap.runtime.logs import configure_logs


@click.command("replay")
@click.argument("source")
@click.option(
    "--out", type=FILE, help="Append alerts to this file instead of writing to standard output."
)
@config_options
def command(
    source: str,
    *,
    out: Path | None,
    config_path: Path | None,
    model: Path | None,
    packs: Path | None,
    log_level: str | None,
) -> None:
    """Score SOURCE, a recording or the URL of another source, to its end.

    Alerts go to standard output, totals to standard error. The configuration's own sources and
    sinks are not used.
    """
    sink = {"type": "stdout"} if out is None else {"type": "file", "path": str(out)}
    extra = {"sources": [{"url": source}], "sinks": [sink]}
    load = loader(config_path, model, packs, log_level, extra)
    config = load()
    configure_logs(config.log.level, config.log.format)
    agent = Agent(load, live=False)
    agent.run()
    tally = agent.pipeline.tally
    rate = f", {tally.flows / tally.busy:,.0f} flows/s" if tally.busy else ""
    say(f"{tally.flows:,} flows{rate}, {tally.alerts:,} alert events")
    for name, counters in agent.pipeline.stages().items():
        for reason, units in counters.dropped.items():
            say(f"{name}: {units:,} dropped: {reason}")
