"""Flows that a query picks from a stream, and a diverse few of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.context import CONTEXT_WIDTH
from metatap.errors import TeachError
from metatap.flow import FlowBatch, concat
from metatap.offline.query import Query
from metatap.offline.uids import uid_texts

FloatArray = npt.NDArray[np.float32]

POOL = 4096
"""Flows that a diverse few are chosen from, at most; of more, a uniform sample of so many."""

SEED = 0
"""Of the random numbers, so that the same logs give the same pack."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Flows with what was known of their past.

    Attributes:
        flows: k flows.
        context: float32 [k, C], NaN = not known.
    """

    flows: FlowBatch
    context: FloatArray

    def take(self, index: npt.NDArray[np.intp]) -> Examples:
        """Those at `index` (intp [m]), in that order."""
        return Examples(self.flows.take(index), self.context[index])


NO_EXAMPLES = Examples(FlowBatch(0, {}), np.zeros((0, CONTEXT_WIDTH), np.float32))


def joined(parts: Iterable[Examples]) -> Examples:
    """All flows of several parts, in order."""
    some = [part for part in parts if part.flows.rows]
    if not some:
        return NO_EXAMPLES
    return Examples(
        concat([part.flows for part in some]), np.concatenate([part.context for part in some])
    )


class Matches:
    """The flows of a stream that a query is true of: their number, and at most `POOL` of them.

    Which ones are kept is decided by a random number each (bottom-k sampling), so they are a
    uniform sample. Partial records are passed over: their final record comes.

    Attributes:
        found: Flows that matched.
    """

    def __init__(self, query: Query, *, pool: int = POOL, seed: int = SEED) -> None:
        """Nothing found yet.

        Args:
            query: The query.
            pool: Flows kept, at most.
            seed: Of the random numbers.
        """
        self.found = 0
        self.query = query
        self._pool = pool
        self._rng = np.random.default_rng(seed)
        self._draws = np.zeros(0)
        self._kept = [NO_EXAMPLES]

    def add(self, batch: FlowBatch, context: FloatArray) -> npt.NDArray[np.bool_]:
        """Take the matches of n flows with their context float32 [n, C]; bool [n], which they are.

        Memory is bounded: at twice the pool, what drew the highest numbers is forgotten.
        """
        hits = self.query.rows(batch) & ~batch.partial_rows()
        rows = np.flatnonzero(hits)
        if len(rows):
            self.found += len(rows)
            self._draws = np.concatenate([self._draws, self._rng.random(len(rows))])
            self._kept.append(Examples(batch.take(rows), context[rows]))
            if len(self._draws) >= 2 * self._pool:
                self._shrink()
        return hits

    def examples(self) -> Examples:
        """Those kept, in the order of the stream."""
        self._shrink()
        return self._kept[0]

    def _shrink(self) -> None:
        kept = joined(self._kept)
        if len(self._draws) > self._pool:
            at = np.sort(np.argpartition(self._draws, self._pool - 1)[: self._pool])
            kept, self._draws = kept.take(at), self._draws[at]
        self._kept = [kept]


def watched(
    stream: Iterable[tuple[FlowBatch, FloatArray]],
    support: Matches | None,
    counter: Matches | None,
) -> Iterator[tuple[FlowBatch, FloatArray]]:
    """The stream unchanged; as it passes, both queries are asked.

    Raises:
        TeachError: at its end, if flows match both; names one.
    """
    both, example = 0, ""
    for batch, context in stream:
        hits = [
            np.zeros(batch.rows, np.bool_) if matches is None else matches.add(batch, context)
            for matches in (support, counter)
        ]
        rows = np.flatnonzero(hits[0] & hits[1])
        if len(rows):
            example = example or uid_texts(batch.take(rows[:1]))[0]
            both += len(rows)
        yield batch, context
    if both:
        raise TeachError(
            f"{both:,} flows match the query of the support flows and that of the "
            f"counter-examples, e.g. uid {example or '(none)'}"
        )


def diverse(embedding: FloatArray, number: int, seed: int = SEED) -> npt.NDArray[np.intp]:
    """A few rows that are unlike each other.

    The first is drawn uniformly, each further one with a probability that grows with its squared
    distance to the nearest one drawn (D² sampling of k-means++, Arthur & Vassilvitskii 2007): kinds
    that are rare among the rows come in, and a single outlier need not.

    Args:
        embedding: float32 [n, d].
        number: Rows wanted.
        seed: Of the random numbers.

    Returns:
        intp [min(n, number)], rising.
    """
    if len(embedding) <= number:
        return np.arange(len(embedding))
    rng = np.random.default_rng(seed)
    chosen = [int(rng.integers(len(embedding)))]
    distance = np.full(len(embedding), np.inf)
    while len(chosen) < number:
        last = embedding[chosen[-1]].astype(np.float64)
        distance = np.minimum(distance, ((embedding - last) ** 2).sum(1))
        distance[chosen] = 0.0
        total = distance.sum()
        weights = distance / total if total > 0.0 else _unchosen(len(embedding), chosen)
        chosen.append(int(rng.choice(len(embedding), p=weights)))
    return np.sort(np.array(chosen, np.intp))


def _unchosen(rows: int, chosen: list[int]) -> npt.NDArray[np.float64]:
    """Equal weights of what is left, where all of it is like something chosen."""
    weights: npt.NDArray[np.float64] = np.ones(rows)
    weights[chosen] = 0.0
    weights /= weights.sum()
    return weights
