"""`metatap rollback`: the model before."""

from __future__ import annotations

from pathlib import Path

import click

from metatap.cli.options import config_option, running, state_option
from metatap.runtime.control import ask


@click.command("rollback")
@config_option
@state_option
def command(config_path: Path | None, state: Path | None) -> None:
    """Return a running agent to the model it had before.

    It stays until a model file arrives that was not there at the time of the rollback. A second
    rollback returns to the model of before the first.
    """
    answer = ask(running(config_path, state), "rollback")
    click.echo(f"model {answer['model']}, sha256 {answer['sha256'][:12]}, is in force")
