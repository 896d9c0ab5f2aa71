"""Labelled sequences: the windows that the agent cuts, with the family of their flows.

In: Zeek's logs of labelled sources. Out: `Sequences`. A window is cut by the agent's own code over
all flows of a capture, whatever their label; it is of the family that more than half of its flows
are of. Left out, counted under these names: `other` (no flow of the families asked for), `mixed`
(some, but not more than half of one family).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.errors import SourceError
from metatap.features import WIDTH, encode
from metatap.flow import FlowBatch
from metatap.offline.score_windows import Windows, pair_keys
from metatap.sources import LogOptions, ZeekLogs
from metatap_training.datasets import Source
from metatap_training.datasets.sources import DataError

LENGTH = 28
"""L, flows of a sequence, as in the founding article."""

KEEP = ("capture", "label", "family")

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
TextArray = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Sequences:
    """m labelled sequences of up to L flows.

    Attributes:
        features: float32 [m, L, F], raw, without context; NaN = absent, 0 where there is no flow.
        mask: float32 [m, L], 1 = a flow, 0 = padding.
        family: str [m].
        capture: str [m], unique over all sources.
        pair: uint64 [m, 4], addresses of originator and responder; splits, never a feature.
        place: int64 [m], place of the first flow in its capture; splits by time, never a feature.
    """

    features: FloatArray
    mask: FloatArray
    family: TextArray
    capture: TextArray
    pair: npt.NDArray[np.uint64]
    place: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.family)

    def take(self, index: IntArray | npt.NDArray[np.bool_]) -> Sequences:
        """The sequences at `index`, in that order."""
        return Sequences(*(getattr(self, item.name)[index] for item in fields(self)))

    @property
    def flows(self) -> FloatArray:
        """float32 [n, F], all flows of the sequences, without padding."""
        return self.features[self.mask > 0]


def concat(parts: Sequence[Sequences]) -> Sequences:
    """All sequences of several parts, in order."""
    return Sequences(
        *(
            np.concatenate([getattr(part, item.name) for part in parts])
            for item in fields(Sequences)
        )
    )


def read_sequences(
    folder: Path, source: Source, families: Sequence[str]
) -> tuple[Sequences, Counter[str]]:
    """The sequences of some families in a source, and the windows left out by reason.

    Args:
        folder: Where the sources lie.
        source: Which one.
        families: Threats asked for.

    Raises:
        DataError: the source's logs can't be read.
    """
    try:
        reader = ZeekLogs(folder / source.name, LogOptions(keep=KEEP))
    except SourceError as error:
        raise DataError(str(error)) from None
    read: list[tuple[FlowBatch, list[str]]] = []
    while not reader.done:
        batch = reader.read(1.0)
        if batch is None:
            continue
        kept = reader.kept
        names = [
            family or "" if label == "malicious" else ""
            for label, family in zip(kept["label"], kept["family"], strict=True)
        ]
        read.append((batch, names))
    if reader.flows.dropped:
        raise DataError(
            f"{folder / source.name}: conn lines that can't be read: {reader.flows.dropped}"
        )
    parts = [_none()]
    left: Counter[str] = Counter()
    for capture, group in groupby(read, lambda item: item[0].origin.capture):
        batches = list(group)
        if not set(families).intersection(*[set().union(*(names for _, names in batches))]):
            continue
        found, out = _capture(batches, f"{source.name}/{capture}", families)
        parts.append(found)
        left += out
    return concat(parts), left


def _capture(
    batches: Sequence[tuple[FlowBatch, list[str]]], capture: str, families: Sequence[str]
) -> tuple[Sequences, Counter[str]]:
    """The sequences of one capture."""
    family = np.array([name for _, names in batches for name in names], np.str_)
    pair = np.concatenate([pair_keys(batch) for batch, _ in batches])
    windows = Windows(LENGTH, WIDTH)
    due = [item for batch, _ in batches for item in windows.add(pair_keys(batch), encode(batch))]
    due += windows.end()
    parts = [_none()]
    left: Counter[str] = Counter()
    known, code = np.unique(family, return_inverse=True)
    wanted = np.isin(known, np.array(families))
    for item in due:
        rows = len(item.mask)
        counts = np.zeros((rows, len(known)), np.int64)
        np.add.at(counts, (item.window, code[item.number]), 1)
        best = counts.argmax(1)
        asked = (counts[:, wanted] > 0).any(1)
        most = 2 * counts.max(1) > counts.sum(1)
        kept = np.flatnonzero(wanted[best] & most)
        left += Counter(other=int((~asked).sum()), mixed=int(asked.sum()) - len(kept))
        at = item.number[np.searchsorted(item.window, kept)]
        parts.append(
            Sequences(
                item.sequences[kept],
                item.mask[kept],
                known[best[kept]],
                np.full(len(kept), capture),
                pair[at],
                at,
            )
        )
    return concat(parts), left


def _none() -> Sequences:
    """No sequence."""
    return Sequences(
        np.zeros((0, LENGTH, WIDTH), np.float32),
        np.zeros((0, LENGTH), np.float32),
        np.zeros(0, np.str_),
        np.zeros(0, np.str_),
        np.zeros((0, 4), np.uint64),
        np.zeros(0, np.int64),
    )
