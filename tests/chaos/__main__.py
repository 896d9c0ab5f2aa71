"""`python -m tests.chaos`: the long form."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import click
from rich.console import Console

from tests.chaos.outcome import MOST_DUPLICATES
from tests.chaos.run import Chaos


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kills", default=300, show_default=True, help="Times that the agent is killed.")
@click.option("--seed", type=int, help="Of all that is random; another one each time by default.")
@click.option("--minutes", type=float, help="No kill is begun later; the end takes longer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(kills: int, seed: int | None, minutes: float | None, *, as_json: bool) -> None:
    """Kill the agent while its receivers and its disk fail; status 1 if a promise is broken."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    until = time.monotonic() + minutes * 60 if minutes is not None else float("inf")
    seed = time.time_ns() % 2**32 if seed is None else seed
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as folder,
        Chaos(Path(folder), seed, lambda line: click.echo(line, err=True)) as chaos,
    ):
        outcome = chaos.run(kills, until)
    if as_json:
        click.echo(json.dumps(outcome.document(), indent=2))
    else:
        outcome.show(console)
    is_over = any(share > MOST_DUPLICATES for share in outcome.duplicates().values())
    sys.exit(1 if outcome.broken() or is_over else 0)


if __name__ == "__main__":
    main()
