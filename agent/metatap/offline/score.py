"""Scores of every flow and pack into a file, and the account of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.detector import RuleSet
from metatap.offline.scoring import ScoredBatch
from metatap.offline.writers import Writer
from metatap.sources import Source


@dataclass(slots=True)
class Written:
    """What was written.

    Attributes:
        flows: Flows scored.
        rows: Rows written, one a flow and pack.
        alerts: int64 [P], flows at or over the threshold of each pack.
        seconds: Time from the first read to the last write.
        unscored: Flows the model gave no scores for; no row is written of them.
    """

    flows: int
    rows: int
    alerts: npt.NDArray[np.int64]
    seconds: float
    unscored: int = 0


def write_scores(
    batches: Iterable[ScoredBatch],
    rules: RuleSet,
    writer: Writer[ScoredBatch],
    on_batch: Callable[[int], None] | None = None,
) -> Written:
    """Write one row for each flow and pack, in the order of the flows.

    Args:
        batches: From `score_batches`.
        rules: What they were scored with.
        writer: Open; it is not closed.
        on_batch: Told the number of flows of each batch.
    """
    begin = time.perf_counter()
    written = Written(0, 0, np.zeros(len(rules.packs), np.int64), 0.0)
    for scored in batches:
        known = scored.scored()
        written.rows += writer.write(known)
        written.flows += known.batch.rows
        written.unscored += scored.batch.rows - known.batch.rows
        written.alerts += scored.alerts.sum(0)
        if on_batch is not None:
            on_batch(scored.batch.rows)
    written.seconds = time.perf_counter() - begin
    return written


def audit(sources: Sequence[Source], flows: int) -> list[str]:
    """What of the sources' account does not add up; nothing, if no flow was lost unseen.

    Args:
        sources: Read to their end.
        flows: Flows of theirs that were used.
    """
    faults = []
    for at, source in enumerate(sources):
        for unit, counters in (("flows", source.flows), ("messages", source.messages)):
            if not counters.balanced:
                faults.append(
                    f"source {at}: {counters.received:,} {unit} received, {counters.passed:,} "
                    f"passed on, {sum(counters.dropped.values()):,} dropped: they don't add up"
                )
    passed = sum(source.flows.passed for source in sources)
    if passed != flows:
        faults.append(f"{passed:,} flows read, {flows:,} used: they don't add up")
    return faults
