"""From a configuration to the stages it asks for."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

import structlog

from metatap.alerts import Aggregator
from metatap.context import Context
from metatap.detector import Classifier, Detector, RuleSet, open_scorer, shipped_model
from metatap.errors import ConfigError, PackError
from metatap.packs import Pack, load_folder
from metatap.runtime.pipeline import Pipeline
from metatap.runtime.settings import Config, FileSinkConfig, SinkConfig
from metatap.sinks import FileSink, Sink, StdoutSink
from metatap.sources import Source, open_source

log = structlog.get_logger(__name__)


def shipped_packs() -> Path:
    """Folder of the starter packs that come with the agent."""
    return Path(str(resources.files("metatap.packs") / "starter"))


def build_rules(config: Config) -> RuleSet:
    """Load model and packs and make them ready.

    A pack that is wrong is logged and left out; the others are unaffected. A classifier needs no
    packs.

    Raises:
        ModelError: the model is unusable.
        ConfigError: the folder of packs can't be read.
    """
    model = open_scorer(config.model or shipped_model(), threads=config.detector.threads)
    if isinstance(model, Classifier):
        if config.packs is not None:
            log.warning(
                "packs_unused", folder=str(config.packs), reason="the model is a classifier"
            )
        return RuleSet.of_classes(model)
    packs, faults = load_packs(config)
    for fault in faults:
        log.warning("pack_invalid", reason=str(fault))
    rules = RuleSet.build(model, packs, config.detector.false_positive_rate)
    if not rules.packs:
        log.error("no_packs", folder=str(config.packs or shipped_packs()))
    return rules


def load_packs(config: Config) -> tuple[list[Pack], list[PackError]]:
    """The packs of the configured folder, and the faults of files that are none.

    Raises:
        ConfigError: the folder can't be read.
    """
    folder = config.packs or shipped_packs()
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise ConfigError(f"{folder}: the folder of packs can't be read")
    return load_folder(folder)


def build_sinks(config: Config) -> list[Sink]:
    """The configured sinks, open."""
    return [_sink(item) for item in config.sinks]


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


def build_pipeline(config: Config) -> Pipeline:
    """The whole pipeline: model and packs first, so that nothing is read in vain.

    Raises:
        MetatapError: a part can't be made; names it.
    """
    rules = build_rules(config)
    alerts = config.alerts
    aggregator = Aggregator(
        config.sensor,
        window=alerts.window,
        max_open=alerts.max_open,
        max_uids=alerts.max_uids,
        max_pairs=alerts.max_pairs,
    )
    sinks = build_sinks(config)
    sources = build_sources(config)
    detector = Detector(rules, build_context(config))
    return Pipeline(sources, detector, aggregator, sinks, config.detector.batch_rows)


def build_context(config: Config) -> Context:
    """The memory of hosts, its hash seeded at random so that nobody can aim at a slot."""
    return Context(config.detector.context_entries, seed=secrets.randbits(63))


def _sink(item: SinkConfig) -> Sink:
    if isinstance(item, FileSinkConfig):
        return FileSink(item.path, fsync=item.fsync)
    return StdoutSink()
