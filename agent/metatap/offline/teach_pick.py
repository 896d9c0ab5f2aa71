"""Flows picked by uid from a stream, each with its context."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.errors import TeachError
from metatap.flow import FlowBatch
from metatap.offline.teach_sample import Examples, joined
from metatap.offline.uids import uid_texts

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matched:
    """What a query found, and what of it was taken.

    Attributes:
        query: The query.
        found: Flows it is true of.
        taken: Those in the pack; fewer where there was no room, or named otherwise already.
    """

    query: str
    found: int
    taken: int


@dataclass(frozen=True, slots=True)
class Picked:
    """What was picked.

    Attributes:
        flows: The k flows, in the order that was asked for.
        context: float32 [k, C], NaN where absent.
        seen: Flows of the stream.
        repeated: Uid → the captures or files of the flows that have it, where it is on several;
            the first of them was taken.
        matched: What the query of the support flows found, None if there is none.
        not_matched: The same of the counter-examples.
    """

    flows: FlowBatch
    context: FloatArray
    seen: int
    repeated: dict[str, list[str]]
    matched: Matched | None = None
    not_matched: Matched | None = None


def pick(stream: Iterable[tuple[FlowBatch, FloatArray]], uids: Sequence[str]) -> Picked:
    """Read a stream to its end and pick the flows of some uids.

    A partial record is not a flow yet: its final record is taken.

    Args:
        stream: Batches of n flows with their contexts, float32 [n, C].
        uids: k ≥ 0 different uids.

    Raises:
        TeachError: a uid is not there, or on partial records only; names all that are.
    """
    wanted = frozenset(uids)
    found: dict[str, Examples] = {}
    places: dict[str, list[str]] = {}
    unfinished: set[str] = set()
    seen = 0
    for batch, known in stream:
        seen += batch.rows
        if not wanted:
            continue
        is_partial = batch.partial_rows()
        for row, uid in enumerate(uid_texts(batch)):
            if uid not in wanted:
                continue
            if is_partial[row]:
                unfinished.add(uid)
                continue
            places.setdefault(uid, []).append(batch.origin.capture or batch.origin.node)
            if uid not in found:
                at = np.array([row], np.intp)
                found[uid] = Examples(batch.take(at), known[at])
    missing = [uid for uid in uids if uid not in found]
    if missing:
        raise TeachError(_missing_text(missing, unfinished, seen))
    chosen = joined(found[uid] for uid in uids)
    return Picked(
        flows=chosen.flows,
        context=chosen.context,
        seen=seen,
        repeated={uid: where for uid, where in places.items() if len(where) > 1},
    )


def _missing_text(missing: list[str], unfinished: set[str], seen: int) -> str:
    lines = []
    absent = [uid for uid in missing if uid not in unfinished]
    if absent:
        lines.append(f"not among the {seen:,} flows of the source: uid {', '.join(absent)}")
    early = [uid for uid in missing if uid in unfinished]
    if early:
        lines.append(
            f"only a partial record of a connection that had not ended: uid {', '.join(early)}"
        )
    return "\n".join(lines)
