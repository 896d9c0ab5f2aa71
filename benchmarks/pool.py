"""Recorded flows that traffic is drawn from: those of the traffic lab, benign and hostile.

Source: the four networks under `tests/data/lab` and the demo's recording, made by real tools and
labelled by construction (`tests/lab/README.md`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.demo import read_labels
from metatap.demo.judge import MALICIOUS
from metatap.flow import FlowBatch, concat
from metatap.offline.stream import read
from metatap.sources import open_source

LAB = Path(__file__).resolve().parents[1] / "tests" / "data" / "lab"
DEMO = Path(str(resources.files("metatap.demo") / "data"))

RECORDING = DEMO / "branch.mtrec"
"""The demo's recording."""

RECORDED: tuple[tuple[Path, Path], ...] = (
    (RECORDING, DEMO / "branch.labels.csv"),
    (LAB / "office.mtrec", LAB / "office.labels.csv"),
    (LAB / "clinic-logs", LAB / "clinic.labels.csv"),
    (LAB / "plant-logs", LAB / "plant.labels.csv"),
)
"""What is read, each with its labels."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Recorded flows.

    Attributes:
        flows: The benign ones, then the hostile ones, by threat and network.
        benign: How many are benign, above 0.
        threats: Where each threat of a network begins, and where the last one ends: int64 [t + 1].
    """

    flows: FlowBatch
    benign: int
    threats: npt.NDArray[np.int64]

    def draw(self, rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Hostile flows, int64 [rows]: each threat of a network as likely as any other."""
        at = rng.integers(len(self.threats) - 1, size=rows)
        sizes = np.diff(self.threats)[at]
        return np.asarray(self.threats[at] + (rng.random(rows) * sizes).astype(np.int64))


def whole(path: Path) -> FlowBatch:
    """All flows of a recording or of logs.

    Raises:
        MetatapError: it can't be read.
    """
    return concat(list(read(open_source(str(path)))))


@cache
def recorded(sources: Sequence[tuple[Path, Path]] = RECORDED) -> Pool:
    """The flows of recordings, parted by their labels; read once a process."""
    benign: list[FlowBatch] = []
    hostile: list[FlowBatch] = []
    for path, labels in sources:
        flows, known = whole(path), read_labels(labels)
        uids = flows.strings("uid")
        if uids is None:
            raise ValueError(f"{path}: flows without a uid have no label")
        names = [(uids.item(row) or b"").decode() for row in range(flows.rows)]
        found = [known.get(name) for name in names]
        threat = np.array([x.family if x and x.label == MALICIOUS else "" for x in found])
        benign.append(flows.take(np.flatnonzero(threat == "")))
        hostile += [flows.take(np.flatnonzero(threat == x)) for x in sorted({*threat} - {""})]
    rows = sum(part.rows for part in benign)
    begins = rows + np.cumsum([0, *(part.rows for part in hostile)])
    return Pool(concat([*benign, *hostile]), rows, begins)
