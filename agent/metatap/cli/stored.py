"""What `teach`, `score` and `evaluate` share: options, configuration, rules, the account."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from metatap.cli import say
from metatap.cli.meter import Meter
from metatap.cli.options import FILE, loader
from metatap.detector import Scorer
from metatap.offline.rules import OfflineRules, offline_rules
from metatap.offline.score import audit
from metatap.offline.stream import open_sources
from metatap.runtime.options import BY_NAME
from metatap.runtime.settings import Config
from metatap.sources import Source

F = TypeVar("F", bound=Callable[..., Any])

RATE = "detector.false_positive_rate"


def rate_option(function: F) -> F:
    """`--rate`."""
    return click.option(
        "--rate",
        type=click.FloatRange(1e-7, 0.1),
        help=f"Share of benign flows that each pack may flag. [default: {BY_NAME[RATE].default}]",
    )(function)


def stored_options(function: F) -> F:
    """SOURCE…, `--model`, `--packs`, `--background`, `--rate`."""
    decorators = [
        click.argument("texts", metavar="SOURCE...", nargs=-1, required=True),
        click.option("--model", type=FILE, help="Model file instead of the one that comes along."),
        click.option(
            "--packs",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder of threat packs instead of those that come along.",
        ),
        click.option(
            "--background",
            help="A source of benign flows of the same network; heads and thresholds are made on "
            "it instead of on the model's own background.",
        ),
        rate_option,
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def configuration(model: Path | None, packs: Path | None, rate: float | None) -> Config:
    """The configuration: defaults < environment < these.

    Raises:
        ConfigError: an option is out of its bounds.
    """
    return loader(None, model, packs, None, {} if rate is None else {RATE: rate})()


def ready(config: Config, background: str | None, model: Scorer | None = None) -> OfflineRules:
    """Rules made ready; what is not in force, and what the background lost, is said.

    `model` is loaded if it is None.

    Raises:
        MetatapError: see `offline_rules`.
    """
    sources = [] if background is None else open_sources([background])
    with Meter("background" if sources else "packs", sources) as meter:
        found = offline_rules(config, sources, meter.advance, model)
    for fault in found.faults:
        say(str(fault))
    for name, why in found.rules.refused.items():
        say(f"pack {name}: refused: {why}")
    if background is not None:
        say(f"background: {found.background:,} flows")
        losses([f"background {background}"], sources)
    return found


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does, files in the making removed, with status 143."""

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def losses(texts: Sequence[str], sources: Sequence[Source]) -> None:
    """Say what each source dropped, by reason."""
    for text, source in zip(texts, sources, strict=True):
        for unit, counters in (("flows", source.flows), ("messages", source.messages)):
            for reason, units in counters.dropped.items():
                say(f"{text}: {units:,} {unit} dropped: {reason}")


def account(texts: Sequence[str], sources: Sequence[Source], flows: int) -> bool:
    """Say what became of everything read; whether it adds up."""
    losses(texts, sources)
    faults = audit(sources, flows)
    for fault in faults:
        say(fault)
    return not faults
