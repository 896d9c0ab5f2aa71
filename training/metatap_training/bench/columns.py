"""Equal columns on both sides: what one network of a problem lacks, all of its flows lack.

Otherwise what is missing would tell the networks apart (`local_orig` where no local networks were
known, `history` in a flow table).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from metatap.features.table import INDEX
from metatap_training.datasets.flows import FloatArray, Flows
from metatap_training.episodes.masks import ABSENT
from metatap_training.preprocess.columns import PRESENCE

RARE = 0.3
"""A network whose flows have a column in a smaller share than this lacks it."""

WITNESS = {"history": "has.history", "local": "local_orig", "context": "context.host.flows.s"}
"""Group of columns → the column that tells whether a network has it."""


class Columns:
    """Which groups of columns the networks of some flows lack."""

    def __init__(self, flows: Flows) -> None:
        self._lacking = {
            str(network): _lacking(flows.features[flows.network == network])
            for network in np.unique(flows.network)
        }

    def lacking(self, networks: Iterable[str]) -> frozenset[str]:
        """Groups of columns (`episodes.masks.ABSENT`) that at least one of the networks lacks."""
        return frozenset().union(*(self._lacking[network] for network in networks))


def take_away(features: FloatArray, groups: Iterable[str]) -> FloatArray:
    """The features float32 [n, F] without groups of columns: flags 0, all else NaN."""
    taken = features.copy()
    for name in {name for group in groups for name in ABSENT[group]}:
        taken[:, INDEX[name]] = 0.0 if name.startswith(PRESENCE) else np.nan
    return taken


def _lacking(rows: FloatArray) -> frozenset[str]:
    missing = set()
    for group, name in WITNESS.items():
        column = rows[:, INDEX[name]]
        present = column > 0 if name.startswith(PRESENCE) else ~np.isnan(column)
        if present.mean() < RARE:
            missing.add(group)
    return frozenset(missing)
