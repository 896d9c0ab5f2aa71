"""Packs tried on stored flows before they are in force: what they would flag, and how they differ.

A pack is tried whether or not the agent would take it: what it flags may say why it would not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metatap.detector import Model, Ready, RuleSet, make_ready
from metatap.flow import FlowBatch, to_row
from metatap.offline.scoring import ScoredBatch
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]

MAX_PAIRS = 10_000
"""Pairs of hosts told apart, at most."""


_PAIR = ("id.orig_h", "id.resp_h", "id.resp_p", "proto")
"""Columns that flows of one pair share."""


@dataclass(slots=True)
class Pair:
    """Hits from one host to one service of another.

    Attributes:
        orig: The originator, "-" where unknown.
        resp: The responder, likewise.
        port: Its port and protocol, e.g. `22/tcp`.
        hits: Flows flagged.
        highest: Highest score.
        uid: Of the flow with that score, "" where it has none.
    """

    orig: str
    resp: str
    port: str
    hits: int = 0
    highest: float = -np.inf
    uid: str = ""


@dataclass(slots=True)
class Trial:
    """What a pack flagged.

    Attributes:
        flows: Flows scored.
        hits: Flows flagged.
        pairs: Hits by pair of hosts and service, at most `MAX_PAIRS`.
        unlisted: Hits of pairs beyond these.
        unscored: Flows the model gave no scores for; they are not among `flows`.
    """

    flows: int = 0
    hits: int = 0
    pairs: dict[tuple[str, str, str], Pair] = field(default_factory=dict)
    unlisted: int = 0
    unscored: int = 0

    @property
    def share(self) -> float:
        """Share of the flows that was flagged."""
        return self.hits / self.flows if self.flows else 0.0

    def by_hits(self) -> list[Pair]:
        """The pairs, most hits first."""
        return sorted(self.pairs.values(), key=lambda pair: (-pair.hits, -pair.highest))

    def add(self, batch: FlowBatch, scores: FloatArray, hit: npt.NDArray[np.bool_]) -> None:
        """Take in a batch of n flows.

        Args:
            batch: The flows.
            scores: float32 [n].
            hit: bool [n].
        """
        self.flows += batch.rows
        rows = np.flatnonzero(hit)
        self.hits += len(rows)
        for row, hits in _by_pair(batch, rows, scores[rows]):
            values = to_row(batch, row)
            orig, resp = (str(values.get(f"id.{end}_h", "-")) for end in ("orig", "resp"))
            port = f"{values.get('id.resp_p', '-')}/{values.get('proto', '-')}"
            key = (orig, resp, port)
            pair = self.pairs.get(key)
            if pair is None:
                if len(self.pairs) >= MAX_PAIRS:
                    self.unlisted += hits
                    continue
                pair = self.pairs[key] = Pair(*key)
            pair.hits += hits
            if scores[row] > pair.highest:
                pair.highest, pair.uid = float(scores[row]), str(values.get("uid", ""))


def _by_pair(
    batch: FlowBatch, rows: npt.NDArray[np.intp], scores: FloatArray
) -> Iterator[tuple[int, int]]:
    """Of each pair among some flows of a batch, in order: its flow of highest score, and how many.

    Args:
        batch: The flows.
        rows: intp [k], those that are looked at.
        scores: float32 [k], theirs.
    """
    if not len(rows):
        return
    keys = [np.zeros((len(rows), 1), np.uint8)]
    for name in _PAIR:
        if (column := batch.numeric(name)) is not None:
            known = column.mask()[rows, None]
            packed = np.ascontiguousarray(column.values[rows]).view(np.uint8)
            keys += [known.view(np.uint8), np.where(known, packed.reshape(len(rows), -1), 0)]
    _, first, inverse, counts = np.unique(
        np.concatenate(keys, axis=1),
        axis=0,
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    code = inverse.ravel()
    order = np.lexsort((-scores, code))
    highest = rows[order[np.searchsorted(code[order], np.arange(len(counts)))]]
    for at in np.argsort(first).tolist():
        yield int(highest[at]), int(counts[at])


@dataclass(slots=True)
class Difference:
    """How the scores of two packs differ.

    Attributes:
        flows: Flows scored.
        both: Flows that both flag.
        first: Flows that only the first flags.
        second: Flows that only the second flags.
        total: Sum of the absolute differences of their scores.
        largest: Largest of these.
    """

    flows: int = 0
    both: int = 0
    first: int = 0
    second: int = 0
    total: float = 0.0
    largest: float = 0.0

    @property
    def mean(self) -> float:
        """Mean absolute difference."""
        return self.total / self.flows if self.flows else 0.0

    def add(self, scores: FloatArray, hit: npt.NDArray[np.bool_]) -> None:
        """Take in scores float32 [n, 2] and what was flagged, bool [n, 2]."""
        self.flows += len(scores)
        self.both += int((hit[:, 0] & hit[:, 1]).sum())
        self.first += int((hit[:, 0] & ~hit[:, 1]).sum())
        self.second += int((~hit[:, 0] & hit[:, 1]).sum())
        apart = np.abs(scores[:, 0].astype(np.float64) - scores[:, 1])
        self.total += float(apart.sum())
        self.largest = max(self.largest, float(apart.max(initial=0.0)))


def trial_rules(
    model: Model, packs: Sequence[Pack], rate: float, background: FloatArray | None
) -> tuple[RuleSet, list[Ready]]:
    """Rules of packs, fit for being in force or not, and each made ready.

    Args:
        model: The model.
        packs: The packs, in the order of the columns of the scores.
        rate: Target share of flows over each pack's threshold.
        background: float32 [m, d], embeddings of benign flows; None: the model's reference.

    Raises:
        ModelError: the model makes no usable head of one.
    """
    ready = [make_ready(model, pack, rate, background) for pack in packs]
    return RuleSet.of_ready(model, ready), ready


def run_trial(
    batches: Iterable[ScoredBatch], packs: int, on_batch: Callable[[int], None] | None = None
) -> tuple[list[Trial], Difference | None]:
    """Read scored batches to their end.

    Args:
        batches: Scores of all packs.
        packs: How many packs.
        on_batch: Told the number of flows of each batch.

    Returns:
        What each pack flagged; of two packs, how they differ too.
    """
    trials = [Trial() for _ in range(packs)]
    difference = Difference() if packs == 2 else None
    for scored in batches:
        known = scored.scored()
        for at, trial in enumerate(trials):
            trial.add(known.batch, known.scores[:, at], known.alerts[:, at])
            trial.unscored += scored.batch.rows - known.batch.rows
        if difference is not None:
            difference.add(known.scores, known.alerts)
        if on_batch is not None:
            on_batch(scored.batch.rows)
    return trials, difference
