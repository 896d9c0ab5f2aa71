"""What commands on stored flows share: options, configuration, background, rules, the account."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from metatap.cli import say
from metatap.cli.meter import Meter
from metatap.cli.options import RATE, loader, model_option, packs_option, rate_option, together
from metatap.context import Context
from metatap.detector import Classifier, Model, RuleSet, Scorer
from metatap.errors import ConfigError
from metatap.offline.background import sample_background
from metatap.offline.rules import offline_rules
from metatap.offline.score import audit
from metatap.offline.stream import flows, open_sources
from metatap.runtime.settings import Config
from metatap.sources import Source

FloatArray = npt.NDArray[np.float32]

stored_options = together(
    click.argument("texts", metavar="SOURCE...", nargs=-1, required=True),
    model_option,
    packs_option,
    click.option(
        "--background",
        help="A source of benign flows of the same network; heads and thresholds are made on "
        "it instead of on the model's own background.",
    ),
    rate_option,
)
"""SOURCE…, `--model`, `--packs`, `--background`, `--rate`."""

backgrounds_option = click.option(
    "--background",
    "benign",
    multiple=True,
    help="Benign flows to hold packs against instead of the model's own; repeatable.",
)


def configuration(model: Path | None, packs: Path | None, rate: float | None) -> Config:
    """The configuration: defaults < environment < these.

    Raises:
        ConfigError: an option is out of its bounds.
    """
    return loader(None, model, packs, None, {} if rate is None else {RATE: rate})()


def own_background(texts: Sequence[str], model: Model, config: Config) -> FloatArray | None:
    """Embeddings of benign flows of the user's own, float32 [m, d]; None where there is no source.

    How many they are, and what was lost of them, is said.

    Raises:
        MetatapError: a source is unusable, or they have no flow.
    """
    if not texts:
        return None
    sources = open_sources(texts)
    stream = flows(sources, Context(config.detector.context_entries))
    with Meter("background", sources) as meter:
        found = sample_background(stream, model, on_batch=meter.advance)
    say(f"background: {len(found):,} flows")
    losses([f"background {text}" for text in texts], sources)
    return found


def ready(config: Config, model: Scorer, background: str | None) -> RuleSet:
    """Rules made ready; what is not in force, and what the background lost, is said.

    Args:
        config: Says which packs and the rate of the thresholds.
        model: The model.
        background: A source of benign flows, None: the model's own background.

    Raises:
        MetatapError: the background or the folder of packs is unusable, no pack is in force, or
            packs or a background are given beside a classifier.
    """
    if isinstance(model, Classifier):
        if background is not None or config.packs is not None:
            raise ConfigError(f"{model.path}: a classifier takes neither packs nor a background")
        return RuleSet.of_classes(model)
    embedding = own_background([] if background is None else [background], model, config)
    with Meter("packs", []):
        found = offline_rules(config, model, embedding)
    for fault in found.faults:
        say(str(fault))
    for name, why in found.rules.refused.items():
        say(f"pack {name}: refused: {why}")
    return found.rules


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


def losses(texts: Sequence[str], sources: Sequence[Source], effect: str = "") -> None:
    """Say what each source dropped, by reason, and what that means."""
    for text, source in zip(texts, sources, strict=True):
        for unit, counters in (("flows", source.flows), ("messages", source.messages)):
            for reason, units in counters.dropped.items():
                say(f"{text}: {units:,} {unit} dropped: {reason}{effect}")


def account(texts: Sequence[str], sources: Sequence[Source], flows: int) -> bool:
    """Say what became of everything read; whether it adds up."""
    losses(texts, sources)
    faults = audit(sources, flows)
    for fault in faults:
        say(fault)
    return not faults
