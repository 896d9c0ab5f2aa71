"""`metatap top`: a running agent, looked at again and again."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Group
from rich.live import Live

from metatap.cli.console import console
from metatap.cli.options import config_option, running, state_option
from metatap.cli.top_figures import Figures
from metatap.cli.top_view import view
from metatap.errors import StateError
from metatap.runtime.control import ask

PATIENCE_S = 10.0
"""Seconds that the agent has for an answer."""


@click.command("top")
@config_option
@state_option
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
def command(config_path: Path | None, state: Path | None, interval: float) -> None:
    """Watch a running agent: flows, drops by reason, sinks and delays, until Ctrl-C.

    Where standard output is no terminal it looks once, and rates are means since the start.
    """
    folder = running(config_path, state)
    before: Figures | None = None
    last = Figures.of(ask(folder, "status", PATIENCE_S))
    out = console()
    if not sys.stdout.isatty():
        out.print(view(last, None))
        return
    with (
        _orderly_end(),
        Live(view(last, None), console=out, screen=True, auto_refresh=False) as screen,
    ):
        while True:
            screen.refresh()
            time.sleep(interval)
            try:
                before, last = last, Figures.of(ask(folder, "status", PATIENCE_S))
            except StateError as error:
                screen.update(Group(str(error), "", view(last, before)))
            else:
                screen.update(view(last, before))


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Ctrl-C ends with success, TERM as a signal does, both with the terminal as it was."""

    def stop(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, previous)
