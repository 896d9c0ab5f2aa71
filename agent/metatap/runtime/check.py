"""Checking without running: configuration, model and packs, every fault named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from metatap.context import CONTEXT_VERSION
from metatap.detector import Classifier, Model, RuleSet
from metatap.errors import ConfigError, ModelError, SourceError
from metatap.lists import load_lists
from metatap.packs import Pack
from metatap.runtime.build import load_packs, shipped_packs
from metatap.runtime.models import Models
from metatap.runtime.outlets import need_state, transports
from metatap.runtime.settings import Config, SinkConfig, SourceConfig
from metatap.sources.endpoint import parse_endpoint
from metatap.sources.open import LOGS
from metatap.sources.options import WireOptions


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found.

    Attributes:
        faults: What must be mended, one line each, with file and line where there is one.
        notes: What is in order, one line each.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...]


def check(load: Callable[[], Config]) -> Findings:
    """Check everything a start would need, and go on after a fault as far as possible.

    Args:
        load: Gives the configuration.
    """
    faults: list[str] = []
    notes: list[str] = []
    try:
        config = load()
    except ConfigError as error:
        return Findings(error.faults, ())
    notes.append(f"configuration: {len(config.sources)} sources, {len(config.sinks)} sinks")
    faults += [fault for item in config.sources for fault in _source_faults(item)]
    faults += [fault for item in config.sinks for fault in _sink_faults(item)]
    faults += need_state(config)
    try:
        transports(config)
    except ConfigError as error:
        faults += error.faults
    if config.lists is not None:
        lists, errors = load_lists(config.lists)
        faults += [fault for error in errors for fault in error.faults]
        notes.append(f"lists: {len(lists)} rules in {len(lists.files)} files")
    try:
        choice = Models(None).choose(config.model, config.detector.threads)
    except ModelError as error:
        faults += [*_packs(config)[1], str(error)]
        return Findings(tuple(faults), tuple(notes))
    model = choice.serving.scorer
    faults += [reason for _, reason in choice.faults]
    notes.append(f"model: {model.meta.name} {model.meta.version}, sha256 {model.sha256[:12]}")
    if isinstance(model, Classifier):
        if config.packs is not None:
            notes.append(f"{config.packs}: not used, since the model is a classifier")
        rules = RuleSet.of_classes(model)
        notes += [f"class {pack.id}: threshold {at:.2f}" for pack, at in _thresholds(rules)]
        return Findings(tuple(faults), tuple(notes))
    packs, bad = _packs(config)
    found = _rules(config, model, packs)
    return Findings((*faults, *bad, *found.faults), (*notes, *found.notes))


def _packs(config: Config) -> tuple[list[Pack], list[str]]:
    """The packs, and the faults of their files."""
    try:
        packs, bad = load_packs(config)
    except ConfigError as error:
        return [], list(error.faults)
    return packs, [line for error in bad for line in error.faults]


def _rules(config: Config, model: Model, packs: Sequence[Pack]) -> Findings:
    """What is to be said of packs made ready."""
    rules = RuleSet.build(model, packs, config.detector.false_positive_rate)
    notes = [
        f"{pack.path}: its contexts are of version {pack.context_ignored}, this agent's of version "
        f"{CONTEXT_VERSION}: they are not used"
        for pack in packs
        if pack.context_ignored
    ]
    paths = {pack.id: pack.path for pack in packs}
    faults = [f"{paths[name]}: refused: {why}" for name, why in rules.refused.items()]
    if not rules.packs:
        faults.append(f"{config.packs or shipped_packs()}: no pack is in force")
    limit = 1.0 / len(model.meta.background.embedding)
    if config.detector.false_positive_rate < limit:
        notes.append(
            f"detector.false_positive_rate {config.detector.false_positive_rate:g}: thresholds "
            f"can't be set for less than {limit:.1e} by the model's reference background"
        )
    notes += [
        f"pack {pack.id}: {pack.flows.rows} flows, threshold {at:.2f} ({rules.threshold_source})"
        for pack, at in _thresholds(rules)
    ]
    return Findings(tuple(faults), tuple(notes))


def _thresholds(rules: RuleSet) -> Iterator[tuple[Pack, float]]:
    return zip(rules.packs, rules.thresholds.tolist(), strict=False)


def _source_faults(item: SourceConfig) -> list[str]:
    """What keeps a source from being opened, as far as can be told without opening it."""
    try:
        options = WireOptions().with_values(item.options)
        scheme, separator, rest = item.url.partition("://")
        path = rest.partition("?")[0] if scheme == LOGS else item.url
        if separator and scheme != LOGS:
            parse_endpoint(item.url, options)
        elif not os.access(path, os.R_OK):
            return [f"{item.where}: {item.url}: can't be read"]
    except SourceError as error:
        return [f"{item.where}: {error}"]
    return []


def _sink_faults(item: SinkConfig) -> list[str]:
    """What keeps a sink from being written."""
    if item.type != "file":
        return []
    path = item.values["path"]
    place = path if path.exists() else path.absolute().parent
    return [] if os.access(place, os.W_OK) else [f"{path}: can't be written"]
