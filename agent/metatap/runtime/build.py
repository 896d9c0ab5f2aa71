"""From a configuration to the stages it asks for."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack

import structlog

from metatap.alerts import Aggregator
from metatap.context import Context
from metatap.detector import Detector, RuleSet
from metatap.errors import ConfigError, PackError
from metatap.packs import Pack, Trust, Unsigned, read_folder
from metatap.runtime.assemble import Assembler
from metatap.runtime.models import Models
from metatap.runtime.outlets import direct_sinks
from metatap.runtime.pipeline import Pipeline
from metatap.runtime.settings import Config
from metatap.runtime.shipped import shipped_packs
from metatap.sources import Source, open_source

__all__ = [
    "build_context",
    "build_pipeline",
    "build_rules",
    "build_sources",
    "load_packs",
    "shipped_packs",
]

log = structlog.get_logger(__name__)


def build_rules(config: Config) -> RuleSet:
    """Load model and packs and make them ready.

    A pack that is wrong is logged and left out; the others are unaffected. A classifier needs no
    packs.

    Raises:
        ModelError: the model is unusable.
        ConfigError: the folder of packs can't be read.
    """
    assembly = Assembler(Models(None)).assemble(config)
    for _, reason in assembly.faults.get("packs", ()):
        log.warning("pack_invalid", reason=reason)
    return assembly.rules


def load_packs(config: Config) -> tuple[list[Pack], list[PackError]]:
    """The packs of the configured folder that are trusted, and the faults of other files.

    Raises:
        ConfigError: the folder can't be read.
    """
    folder = config.packs or shipped_packs()
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise ConfigError(f"{folder}: the folder of packs can't be read")
    trust, faults = Trust.load(Unsigned(config.trust.unsigned), config.trust.keys)
    try:
        found = read_folder(folder, trust)
    except PackError as error:
        raise ConfigError(*error.faults) from None
    return [*found.packs], [*faults, *found.errors]


def build_sources(config: Config) -> list[Source]:
    """The configured sources, open.

    Raises:
        SourceError: one can't be opened; names it.
    """
    with ExitStack() as opened:
        sources = []
        for item in config.sources:
            source = open_source(item.url, **item.options)
            opened.callback(source.close)
            sources.append(source)
        opened.pop_all()
        return sources


def build_pipeline(config: Config, rules: RuleSet, *, spooled: bool = False) -> Pipeline:
    """The whole pipeline.

    Args:
        config: What is asked for.
        rules: Model and packs, made first, so that nothing is read in vain.
        spooled: There is a spool that the other sinks are behind.

    Raises:
        MetatapError: a part can't be made; names it.
    """
    alerts = config.alerts
    aggregator = Aggregator(
        config.sensor,
        window=alerts.window,
        max_open=alerts.max_open,
        max_uids=alerts.max_uids,
        max_pairs=alerts.max_pairs,
    )
    sinks = direct_sinks(config, spooled=spooled)
    sources = build_sources(config)
    detector = Detector(rules, build_context(config))
    return Pipeline(sources, detector, aggregator, sinks, config.detector.batch_rows)


def build_context(config: Config) -> Context:
    """The memory of hosts, its hash seeded at random so that nobody can aim at a slot."""
    return Context(config.detector.context_entries, seed=secrets.randbits(63))
