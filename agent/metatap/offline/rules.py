"""Packs made ready for work on stored flows, on a background of the user's own or the model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector import Model, RuleSet
from metatap.errors import ConfigError, PackError
from metatap.runtime.build import load_packs, shipped_packs
from metatap.runtime.settings import Config

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OfflineRules:
    """What stored flows are scored with.

    Attributes:
        rules: Model and packs, packs in order of their ids.
        faults: Files of the folder that are no pack.
    """

    rules: RuleSet
    faults: tuple[PackError, ...]


def offline_rules(
    config: Config, model: Model, background: FloatArray | None = None
) -> OfflineRules:
    """Load packs and make them ready.

    Args:
        config: Says which packs and the rate of the thresholds.
        model: The model.
        background: float32 [m, d], embeddings of benign flows, m ≥ 1; None: the model's reference.

    Raises:
        ConfigError: the folder of packs can't be read, or no pack is in force.
    """
    packs, faults = load_packs(config)
    packs.sort(key=lambda pack: pack.id)
    rules = RuleSet.build(model, packs, config.detector.false_positive_rate, background)
    if not rules.packs:
        why = [f"pack {name}: refused: {reason}" for name, reason in rules.refused.items()]
        why += [str(fault) for fault in faults]
        raise ConfigError(*why, f"{config.packs or shipped_packs()}: no pack is in force")
    return OfflineRules(rules, tuple(faults))
