"""Checking without running: configuration, model and packs, every fault named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metatap.detector import Model, RuleSet, shipped_model
from metatap.errors import ConfigError, ModelError
from metatap.packs import load_folder
from metatap.runtime.build import shipped_packs
from metatap.runtime.settings import Config


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
        return Findings(tuple(str(error).splitlines()), ())
    notes.append(f"configuration: {len(config.sources)} sources, {len(config.sinks)} sinks")
    packs, bad = load_folder(config.packs or shipped_packs())
    faults += [line for error in bad for line in str(error).splitlines()]
    try:
        model = Model(config.model or shipped_model(), threads=config.detector.threads)
    except ModelError as error:
        return Findings((*faults, str(error)), tuple(notes))
    notes.append(f"model: {model.meta.name} {model.meta.version}, sha256 {model.sha256[:12]}")
    rules = RuleSet.build(model, packs, config.detector.false_positive_rate)
    paths = {pack.id: pack.path for pack in packs}
    faults += [f"{paths[name]}: refused: {why}" for name, why in rules.refused.items()]
    for pack, threshold in zip(rules.packs, rules.thresholds.tolist(), strict=False):
        flows = pack.flows.rows
        notes.append(
            f"pack {pack.id}: {flows} flows, threshold {threshold:.2f} ({rules.threshold_source})"
        )
    return Findings(tuple(faults), tuple(notes))
