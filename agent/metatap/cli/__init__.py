"""The command `metatap`: one module a subcommand, loaded only when it is called."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

import click

from metatap import __version__
from metatap.errors import MetatapError

COMMANDS: dict[str, str] = {
    "run": "Score a live network: read the configured sources, write alerts.",
    "replay": "Score a recording or another source at full speed, then report.",
    "record": "Write the raw messages of a ZeroMQ source to a recording.",
    "teach": "Make a threat pack from flows of a recording or of logs, named by uid.",
    "score": "Write the score of every flow of a recording or of logs by every pack.",
    "evaluate": "Hold alerts and scores against labels: precision, recall, intervals.",
    "check": "Check configuration, model and packs; every fault with file and line.",
    "status": "Show what a running agent does: model, packs, lists, counters, faults.",
    "top": "Watch a running agent: flows, drops, sinks and delays, again and again.",
    "rollback": "Return a running agent to the model it had before.",
    "packs": "Sign, verify, show, test and compare threat packs.",
    "alerts": "List the alerts of the past, the newest first.",
    "explain": "Say why an alert was raised, as a table under one sentence.",
    "suppress": "Write a rule that keeps alerts like a given one quiet for a time.",
    "feedback": "Store whether alerts were true or false, and offer counter-examples.",
    "demo": "Play a lab recording through a real agent and show its alerts.",
}
"""Subcommand → its one-line help; the code is in the module of the same name."""


class _Lazy(click.Group):
    """A group that imports a subcommand's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"metatap.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metatap")
def cli() -> None:
    """Learn a new threat from five labelled flows and find it on the wire."""


def say(text: str) -> None:
    """Print to standard error; nothing happens where that can't be written."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def main() -> None:
    """Entry point: errors a user can mend are printed without a traceback, exit status 1.

    NumPy, not loaded yet, gets one thread: its BLAS would take cores from Zeek for products too
    small to gain by it. ONNX Runtime has threads of its own (`detector.threads`).
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except MetatapError as error:
        say(f"metatap: {error}")
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say(f"metatap: {place}{error.strerror or error}")
        sys.exit(1)
