"""`Flows`: a feature matrix and what is known of each of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

BENIGN, MALICIOUS, UNKNOWN = 0, 1, 2
"""Codes of `Flows.label`."""

LABELS = ("benign", "malicious", "unknown")

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
TextArray = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Flows:
    """n labelled flows.

    Attributes:
        features: float32 [n, F], raw, NaN = absent.
        label: int8 [n], BENIGN, MALICIOUS or UNKNOWN.
        family: str [n], threat of malicious flows, application of benign ones, "" if unknown.
        network: str [n], the environment the capture was taken in.
        source: str [n].
        capture: str [n], unique over all sources.
        scope: str [n], `flow`, `filter` or `capture`: how the label was given.
        service: str [n], application port and protocol, e.g. `tcp/22`; never a feature.
        ts: float64 [n], s since 1970, NaN = not known; splits by time, never a feature.
        host: str [n], the originator's address; resampling and budgets, never a feature.
        uid_hash: uint64 [n], a hash of capture and uid; splits what has no time.
    """

    features: FloatArray
    label: npt.NDArray[np.int8]
    family: TextArray
    network: TextArray
    source: TextArray
    capture: TextArray
    scope: TextArray
    service: TextArray
    ts: npt.NDArray[np.float64]
    host: TextArray
    uid_hash: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Flows:
        """The rows at `index` (positions or a mask), in that order."""
        return Flows(*(getattr(self, item.name)[index] for item in fields(self)))

    def save(self, path: Path) -> None:
        """Write the arrays to an `.npz` file (no pickle)."""
        np.savez(path, **{item.name: getattr(self, item.name) for item in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Flows:
        """Flows from a file of `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(*(arrays[item.name] for item in fields(cls)))


def concat(parts: Sequence[Flows]) -> Flows:
    """All rows of several `Flows`, in order."""
    return Flows(
        *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Flows))
    )
