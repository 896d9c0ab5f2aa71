"""`metatap record`: raw messages into a file, for later."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import click

from metatap.cli import say
from metatap.cli.options import FILE
from metatap.runtime.logs import configure_logs
from metatap.sources.recorder import Until, record


@click.command("record")
@click.argument("url")
@click.argument("path", type=FILE)
@click.option("--messages", type=click.IntRange(1), help="End after so many messages.")
@click.option("--idle", type=click.FloatRange(0.1), help="End after so many quiet seconds.")
@click.option("--final/--no-final", default=True, help="End when every Zeek heard of has ended.")
def command(url: str, path: Path, messages: int | None, idle: float | None, *, final: bool) -> None:
    """Write the raw ZeroMQ messages from URL to PATH (`*.mtrec`), until TERM or INT.

    URL is that of a source, e.g. `zeek+tcp://127.0.0.1:5556?bind=1`.
    """
    configure_logs("info", "text")
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    until = Until(stop=lambda: bool(stopped), messages=messages, idle_s=idle, final=final)
    result = record(url, path, until, ready=lambda address: say(f"listening at {address}"))
    say(
        f"{path}: {result.messages:,} messages, {result.flows:,} flows, {result.lost:,} lost, "
        f"{result.before_join:,} sent before, {result.skipped:,} not readable; "
        f"ended by {result.ended}"
    )
