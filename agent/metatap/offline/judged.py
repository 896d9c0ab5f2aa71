"""Scored flows held against their labels, as columns: what every figure is computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.detector import RuleSet
from metatap.flow import FlowBatch
from metatap.offline.labels import NOTHING, Label, Labels
from metatap.offline.scoring import ScoredBatch

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Judged:
    """The n flows with a label, and counts of all flows.

    Attributes:
        packs: Ids of the P packs.
        groups: The G different labels, `unknown` included if there are any.
        alerts: int64 [G, P], flows of each group that each pack alerts on.
        system: float32 [n], system score: the highest of score − threshold over all packs.
        alerted: bool [n], any pack alerts.
        group: int32 [n], index into `groups`.
        host: int32 [n], number of the flow's host: `id.orig_h` within one capture.
        flows: Flows in all.
        partial: Partial records among them, left out: interim ones of a connection whose final
            record is judged.
        unscored: Flows the model gave no scores for, left out.
    """

    packs: tuple[str, ...]
    groups: tuple[Label, ...]
    alerts: npt.NDArray[np.int64]
    system: npt.NDArray[np.float32]
    alerted: npt.NDArray[np.bool_]
    group: IntArray
    host: IntArray
    flows: int
    partial: int = 0
    unscored: int = 0


def hold_against_labels(
    batches: Iterable[ScoredBatch],
    rules: RuleSet,
    labels: Labels,
    on_batch: Callable[[int], None] | None = None,
) -> Judged:
    """Collect what every figure is computed from: 13 bytes for each labelled flow.

    Args:
        batches: From `score_batches`.
        rules: P packs in force, P ≥ 1.
        labels: Of the flows.
        on_batch: Told the number of flows of each batch.
    """
    thresholds = rules.thresholds[: len(rules.packs)]
    groups: dict[Label, int] = {}
    alerts: list[npt.NDArray[np.int64]] = []
    hosts: dict[tuple[str, bytes], int] = {}
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    flows = partial = unscored = 0
    for scored in batches:
        is_partial, is_scored = scored.batch.partial_rows(), scored.is_scored
        final = np.flatnonzero(~is_partial & is_scored)
        found = labels.of(scored.source, scored.batch, final)
        code = np.array([groups.setdefault(label, len(groups)) for label in found], np.int32)
        while len(alerts) < len(groups):
            alerts.append(np.zeros(len(thresholds), np.int64))
        for at in np.unique(code).tolist():
            alerts[at] += scored.alerts[final[code == at]].sum(axis=0)
        is_known = code != groups.get(NOTHING, -1)
        known = final[is_known]
        parts.append(
            (
                (scored.scores - thresholds).max(axis=1)[known],
                scored.alerts.max(axis=1)[known],
                code[is_known],
                _hosts(scored.batch, hosts)[known],
            )
        )
        flows += scored.batch.rows
        partial += int(is_partial.sum())
        unscored += int((~is_partial & ~is_scored).sum())
        if on_batch is not None:
            on_batch(scored.batch.rows)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    columns = columns or [np.zeros(0)] * 4
    return Judged(
        tuple(pack.id for pack in rules.packs),
        tuple(groups),
        np.array(alerts, np.int64).reshape(len(groups), len(thresholds)),
        np.asarray(columns[0], np.float32),
        np.asarray(columns[1], np.bool_),
        np.asarray(columns[2], np.int32),
        np.asarray(columns[3], np.int32),
        flows,
        partial,
        unscored,
    )


def _hosts(batch: FlowBatch, hosts: dict[tuple[str, bytes], int]) -> IntArray:
    """int32 [n], number of each flow's host; new ones are added to `hosts`."""
    column = batch.numeric("id.orig_h")
    if column is None:
        nobody = hosts.setdefault((batch.origin.capture, b""), len(hosts))
        return np.full(batch.rows, nobody, np.int32)
    packed = np.ascontiguousarray(column.values).view(np.dtype([("a", ">u8"), ("b", ">u8")]))
    unique, inverse = np.unique(packed.ravel(), return_inverse=True)
    codes = [
        hosts.setdefault((batch.origin.capture, address.tobytes()), len(hosts))
        for address in unique
    ]
    found: IntArray = np.array(codes, np.int32)[inverse]
    return found
