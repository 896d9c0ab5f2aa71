"""Columns taken away from flows: what a source lacks, or what an ablation asks about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from metatap.features import NAMES
from metatap_training.datasets.flows import Flows

Match = Callable[[str], bool]
"""Name of a feature → whether it is taken away."""

PRESENCE = "has."
"""Start of the names of flags that say what is known: they become 0, all else becomes absent."""


def is_context(name: str) -> bool:
    """Whether a feature tells what the flow's host did before, not what the flow is."""
    return name.startswith("context.")


def without(flows: Flows, match: Match) -> Flows:
    """The same flows without some of their features."""
    columns = [at for at, name in enumerate(NAMES) if match(name)]
    features = flows.features.copy()
    features[:, columns] = _gone(columns)
    return replace(flows, features=features)


def _gone(columns: Sequence[int]) -> np.ndarray:
    flags = [NAMES[at].startswith(PRESENCE) for at in columns]
    return np.where(flags, np.float32(0), np.float32(np.nan))
