"""Packs tried on stored flows before they are in force: what they would flag, and how they differ.

A pack is tried whether or not the agent would take it: what it flags may say why it would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """

    flows: int = 0
    hits: int = 0
    pairs: dict[tuple[str, str, str], Pair] = field(default_factory=dict)
    unlisted: int = 0

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
        for row in rows.tolist():
            values = to_row(batch, row)
            orig, resp = (str(values.get(f"id.{end}_h", "-")) for end in ("orig", "resp"))
            port = f"{values.get('id.resp_p', '-')}/{values.get('proto', '-')}"
            key = (orig, resp, port)
            pair = self.pairs.get(key)
            if pair is None:
                if len(self.pairs) >= MAX_PAIRS:
                    self.unlisted += 1
                    continue
                pair = self.pairs[key] = Pair(*key)
            pair.hits += 1
            if scores[row] > pair.highest:
                pair.highest, pair.uid = float(scores[row]), str(values.get("uid", ""))


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
    heads = model.stack([each.head for each in ready])
    thresholds = np.full(heads.shape[1], np.inf, np.float32)
    thresholds[: len(ready)] = [each.threshold for each in ready]
    support = tuple(each.support for each in ready)
    return RuleSet(model, tuple(packs), heads, thresholds, support, {}), ready


def run_trial(batches: Iterable[ScoredBatch], packs: int) -> tuple[list[Trial], Difference | None]:
    """Read scored batches to their end.

    Args:
        batches: Scores of all packs.
        packs: How many packs.

    Returns:
        What each pack flagged; of two packs, how they differ too.
    """
    trials = [Trial() for _ in range(packs)]
    difference = Difference() if packs == 2 else None
    for scored in batches:
        for at, trial in enumerate(trials):
            trial.add(scored.batch, scored.scores[:, at], scored.alerts[:, at])
        if difference is not None:
            difference.add(scored.scores, scored.alerts)
    return trials, difference
