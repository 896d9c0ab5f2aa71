"""Keys of alerts to be, with a high score, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.adaptation.clock import HOUR
from metatap.adaptation.keys import KeyArray, mix
from metatap.adaptation.ranks import ranks

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

BLOCK = 6 * HOUR
"""ns of traffic time; the steps in which an originator's presence is counted."""

HOST_KEYS = 32
"""Keys kept of one originator in one block, at most."""

NAMES = ("pack", "score", "key", "host", "time")
DTYPES = ("<i8", "<f4", "<u8", "<u8", "<i8")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Keys with a high score; columns of equal length.

    Attributes:
        pack: int64 [s], which pack.
        score: float32 [s].
        key: uint64 [s], of host pair and window.
        host: uint64 [s], the originator.
        time: int64 [s], traffic time, ns.
    """

    pack: IntArray
    score: FloatArray
    key: KeyArray
    host: KeyArray
    time: IntArray

    def __len__(self) -> int:
        return len(self.pack)

    def take(self, index: npt.NDArray[Any] | slice) -> Candidates:
        """The rows at `index`, positions, a mask or a slice."""
        return Candidates(*(getattr(self, name)[index] for name in NAMES))


def limited(found: Candidates) -> Candidates:
    """Each pack's key once, with its highest score; of an originator's in a block the highest."""
    order = np.lexsort((-found.score, found.key, found.pack))
    pack, key = found.pack[order], found.key[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = (pack[1:] != pack[:-1]) | (key[1:] != key[:-1])
    found = found.take(order[first])
    block = (found.time // BLOCK).astype(np.uint64)
    group = mix(mix(found.host ^ found.pack.astype(np.uint64)) ^ block)
    return found.take(ranks(group, found.score) < HOST_KEYS)


def joined(parts: list[Candidates]) -> Candidates:
    """All rows of several, in order."""
    if not parts:
        return none()
    return Candidates(*(np.concatenate([getattr(p, name) for p in parts]) for name in NAMES))


def none() -> Candidates:
    """No rows."""
    return Candidates(*(np.zeros(0, np.dtype(dtype)) for dtype in DTYPES))
