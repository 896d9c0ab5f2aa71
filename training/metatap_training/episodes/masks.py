"""Columns a source may not have, taken away on both sides of an episode.

A model that has always seen `history` fails where there is none (Suricata, flow tables), and one
that may read which columns are missing learns to tell networks apart instead of threats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metatap.features import NAMES
from metatap.features.table import INDEX
from metatap_training.datasets.flows import FloatArray, IntArray
from metatap_training.preprocess import Scaling


@dataclass(frozen=True, slots=True)
class Mask:
    """Columns to take away.

    Attributes:
        columns: intp [c], columns of the matrix.
        values: float32 [c], what stands in them: 0 (absent), or the normalised "no" of a presence
            flag.
    """

    columns: IntArray
    values: FloatArray


def _starting(*prefixes: str) -> tuple[str, ...]:
    return tuple(name for name in NAMES if name.startswith(prefixes))


ABSENT: dict[str, tuple[str, ...]] = {
    "history": _starting("history.", "has.history"),
    "local": ("local_orig", "local_resp"),
    "payload": (
        "orig_bytes", "resp_bytes", "missed_bytes", "orig_byte_share", "orig_payload_share",
        "resp_payload_share", "has.bytes",
    ),
    "summaries": _starting("dns.", "http.", "ssl.", "ssh.", "has.dns", "has.http", "has.ssl",
                           "has.ssh"),
    "time": ("duration", "pkt_interval", "byte_rate", "dns.rate", "has.duration"),
    "port": ("resp_p.system", "resp_p.dynamic"),
    "context": _starting("context."),
}  # fmt: skip
"""Group of columns → its names."""

SOURCES: dict[str, tuple[str, ...]] = {
    "suricata": ("history", "local", "payload"),
    "flow table": ("history", "local", "context"),
}
"""Kinds of source → the groups they lack; a table of flows often has neither order nor hosts."""

_ALONE = {
    "local": 0.5, "history": 0.1, "payload": 0.1, "summaries": 0.1, "time": 0.1, "port": 0.3,
    "context": 0.3,
}  # fmt: skip
_AS_SOURCE = 0.35


def draw_mask(scaling: Scaling, rng: np.random.Generator) -> Mask:
    """A random mask: each group of columns alone with its own chance, or what a source lacks."""
    groups = {group for group, chance in _ALONE.items() if rng.random() < chance}
    for lacking in SOURCES.values():
        if rng.random() < _AS_SOURCE:
            groups |= set(lacking)
    return make_mask(scaling, sorted(groups))


def make_mask(scaling: Scaling, groups: list[str]) -> Mask:
    """The mask that takes the named groups of columns away."""
    names = [name for group in groups for name in ABSENT[group]]
    columns = np.array([INDEX[name] for name in names], np.intp)
    is_flag = np.array([name.startswith("has.") for name in names], np.bool_)
    no = -scaling.mean[columns] / scaling.std[columns]
    return Mask(columns, np.where(is_flag, no, 0).astype(np.float32))
