"""From scored flows to the thresholds of the rules in force."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from metatap.adaptation.budget import Estimate, estimate
from metatap.adaptation.candidates import Candidates
from metatap.adaptation.carry import carried
from metatap.adaptation.clock import MINUTE
from metatap.adaptation.frame import Frame
from metatap.adaptation.tail import Tail, room_for
from metatap.adaptation.unknown import Unknown, has_unknown
from metatap.detector import Model, RuleSet, Scorer
from metatap.errors import StateError
from metatap.features import WIDTH, encode
from metatap.packs import Pack

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Kept = tuple[str, tuple[str, ...], FloatArray, Tail]

BUDGET = "budget"
"""`threshold_source` of thresholds that follow from the budget."""

FLOOR_SHARE = 0.01
"""Share of the background over a pack's floor: what one flow in a hundred reaches is no threat's
mark, whatever the budget."""

ADOPT_ROWS = 512
"""Flows that old and new rules are compared on, at most: half a batch."""

PERIOD = 10 * MINUTE
"""ns of traffic time between two estimates."""

log = structlog.get_logger(__name__)


class Budgeting:
    """Thresholds for the packs of one rule set at a time.

    Attributes:
        estimate: The latest, None before the first.
        silenced: Packs that the budget keeps most of their own flows below, and their thresholds.
        forgotten: What `forget` was told last, None: nothing.
    """

    def __init__(self, alerts: float, unknown: float) -> None:
        """Start without rules.

        Args:
            alerts: Alerts a day of all packs together; 0: no budget.
            unknown: Alerts a day of the pack `unknown`.
        """
        self.estimate: Estimate | None = None
        self.silenced: dict[str, float] = {}
        self.forgotten: tuple[int, int] | None = None
        self._alerts, self._unknown = alerts, unknown
        self._room = room_for(max(alerts, unknown))
        self._rules: RuleSet | None = None
        self._tail: Tail | None = None
        self._own = self._floors = np.zeros(0, np.float32)
        self._shape: Unknown | None = None
        self._kept: Kept | None = None
        self._done: int | None = None

    @property
    def budgets(self) -> tuple[float, float]:
        """Alerts a day of all packs, and of the pack `unknown`."""
        return self._alerts, self._unknown

    @property
    def is_on(self) -> bool:
        """Whether there is a budget."""
        return self._alerts > 0.0 or self._unknown > 0.0

    @property
    def floors(self) -> FloatArray | None:
        """float32 [P], the least scores that are looked at; None without rules."""
        return None if self._tail is None else self._tail.floors

    def snapshot(self) -> Budgeting:
        """The same, of its own; it may be worked on in another thread."""
        other = Budgeting(*self.budgets)
        other.estimate, other.silenced, other.forgotten = (
            self.estimate,
            self.silenced,
            self.forgotten,
        )
        other._rules, other._shape, other._kept = self._rules, self._shape, self._kept
        other._own, other._floors, other._done = self._own, self._floors, self._done
        other._tail = None if self._tail is None else self._tail.snapshot()
        return other

    def adopt(self, rules: RuleSet, features: FloatArray, shape: Unknown | None, now: int) -> None:
        """Go on with other rules; what was seen with those before is carried over.

        Args:
            rules: The rules.
            features: float32 [m, F], some flows of the network.
            shape: What the pack `unknown` scores with.
            now: Traffic time, ns.
        """
        names = _names(rules)
        step = max(len(features) // ADOPT_ROWS, 1)
        features = features[::step][:ADOPT_ROWS]
        scores = _scores(rules.model, rules.heads, features, shape)[:, : len(names)]
        own = rules.thresholds[: len(names)].copy()
        if self._rules is not None and self._rules.heads is rules.heads:
            own = self._own
        floors = _floors(rules, scores, own, shape)
        earlier = self._earlier(rules, features, shape)
        if earlier is None:
            self._tail = Tail(floors, now, room=self._room)
        else:
            tail, before, old, heads = earlier
            same = _unchanged((before, names), heads, rules.heads)
            self._tail = carried(tail, (before, names), (old, scores), floors, now, same=same)
        self._own, self._floors, self._rules, self._shape = own, floors, rules, shape
        self._kept = self._done = None

    def add(self, found: Candidates, now: int) -> None:
        """Take in flows over the floors, see `Tail.add`."""
        if self._tail is not None:
            self._tail.add(found, now)

    def forget(self, now: int, since: int) -> None:
        """Forget what was seen before a change, see `Tail.forget`."""
        self.forgotten = now, since
        if self._tail is not None:
            self._tail.forget(now, since)
            self._done = None

    def is_due(self, rules: RuleSet, now: int) -> bool:
        """Whether `thresholds` would have new ones."""
        if not self.is_on or self._rules is None or rules.heads is not self._rules.heads:
            return False
        return self._done is None or now - self._done >= PERIOD

    def follow(self, other: Budgeting) -> None:
        """Take the estimate that a snapshot of this made."""
        if self.forgotten != other.forgotten:
            return
        self.estimate, self.silenced, self._done = other.estimate, other.silenced, other._done
        if self._tail is not None and other._tail is not None:
            self._tail.watch(other._tail.share)

    def thresholds(self, rules: RuleSet, now: int) -> FloatArray | None:
        """float32 [P'], the thresholds of the rules; None where there are no new ones."""
        if self._tail is None or self._rules is None or not self.is_due(rules, now):
            return None
        self._done = now
        everyone = np.arange(len(self._own))
        named = everyone[:-1] if has_unknown(rules) else everyone
        budgets = [(self._alerts, named), (self._unknown, np.setdiff1d(everyone, named))]
        budgets = [(budget, packs) for budget, packs in budgets if budget > 0.0 and len(packs)]
        if not budgets:
            return None
        self.estimate = estimate(self._tail, budgets, self._floors, self._own, now)
        bound = np.concatenate([packs for _, packs in budgets])
        thresholds = rules.thresholds.copy()
        thresholds[bound] = self.estimate.thresholds[bound]
        self.silenced = self._silenced(self._rules, thresholds.tolist())
        return thresholds

    def _silenced(self, rules: RuleSet, thresholds: list[float]) -> dict[str, float]:
        """Packs that the budget keeps most of their own flows below, and their thresholds."""
        found = {}
        for at, pack in enumerate(rules.packs):
            support, head = rules.support[at], rules.heads[:, at]
            if not len(support) or thresholds[at] <= self._own[at]:
                continue
            if float(np.median(support @ head[:-1] + head[-1])) < thresholds[at]:
                found[pack.id] = thresholds[at]
        return found

    def frame(self, now: int) -> Frame:
        """What was seen, as it is kept over a restart."""
        if self._tail is None or self._rules is None:
            return Frame({})
        facts: dict[str, Any] = {"model": self._rules.model.sha256, "packs": _names(self._rules)}
        part = self._tail.frame(now)
        heads = self._rules.heads[:, : len(self._own)]
        return Frame({**facts, **part.facts}, {**part.arrays, "heads": heads})

    def restore(self, frame: Frame, now: int) -> None:
        """Have what was kept at hand for the rules that come.

        Raises:
            StateError: it is not what `frame` makes.
        """
        if not frame.facts:
            return
        model, packs = frame.facts.get("model"), frame.facts.get("packs")
        if not isinstance(model, str) or not isinstance(packs, list):
            raise StateError("adaptation: budget: neither model nor packs")
        tail = Tail.restore(frame, now, room=self._room)
        heads = frame.array("heads", "<f4", (None, len(packs)))
        if len(packs) != len(tail.start) or not all(isinstance(name, str) for name in packs):
            raise StateError("adaptation: budget: as many packs as the tail has")
        self._kept = (model, tuple(packs), heads, tail)

    def _earlier(
        self, rules: RuleSet, features: FloatArray, shape: Unknown | None
    ) -> tuple[Tail, tuple[str, ...], FloatArray, FloatArray | None] | None:
        """What was seen with the rules before these, or before a restart.

        Returns:
            The tail, what names its P packs, float32 [m, P], their scores of these flows, and
            their heads float32 [D, P'] where the model is the same.
        """
        if self._rules is not None and self._tail is not None:
            names = _names(self._rules)
            old = _scores(self._rules.model, self._rules.heads, features, self._shape)
            heads = self._rules.heads if self._rules.model is rules.model else None
            return self._tail, names, old[:, : len(names)], heads
        if self._kept is None:
            return None
        sha256, names, heads, tail = self._kept
        if sha256 != rules.model.sha256 or len(heads) != len(rules.heads):
            log.warning("budget_restarted", reason="the model is another one")
            return None
        return tail, names, _scores(rules.model, heads, features, shape)[:, : len(names)], heads


def _unchanged(
    names: tuple[tuple[str, ...], tuple[str, ...]], old: FloatArray | None, new: FloatArray
) -> BoolArray:
    """bool [Q], which of the new packs have the head they had; a head of zeros is none.

    Args:
        names: What names the P old and the Q new packs.
        old: float32 [D, P' ≥ P], heads of the old ones; None: they are of another model.
        new: float32 [D, Q' ≥ Q].
    """
    before = {name: at for at, name in enumerate(names[0])}
    found = np.zeros(len(names[1]), np.bool_)
    for at, name in enumerate(names[1]):
        if old is not None and name in before:
            head = new[:, at]
            found[at] = bool(head.any()) and bool((old[:, before[name]] == head).all())
    return found


def _names(rules: RuleSet) -> tuple[str, ...]:
    return tuple(pack.sha256 or pack.id for pack in rules.packs)


def _scores(
    model: Scorer, heads: FloatArray, features: FloatArray, shape: Unknown | None
) -> FloatArray:
    """Scores float32 [m, P'] of flows float32 [m, F]; distances where a head is zero."""
    scores, embedding = model.score(model.select(features), np.ascontiguousarray(heads))
    if shape is not None and len(embedding):
        scores = np.where(heads.any(axis=0), scores, shape.distance(embedding)[:, None])
    return scores


def _floors(
    rules: RuleSet, scores: FloatArray, own: FloatArray, shape: Unknown | None
) -> FloatArray:
    """float32 [P], the least threshold of each pack.

    No more than `FLOOR_SHARE` of the background reach it, nor does a counter-example.

    Args:
        rules: The rules.
        scores: float32 [m, P], of some flows of the network; with too few of them, the model's
            reference background stands in.
        own: float32 [P], the packs' own thresholds, which are the floors of a classifier.
        shape: What the pack `unknown` scores with.
    """
    model = rules.model
    if not isinstance(model, Model):
        return own
    ground = model.meta.background.embedding
    if len(scores) * FLOOR_SHARE < 2:
        scores = ground @ rules.heads[:-1, : len(own)] + rules.heads[-1, : len(own)]
        if has_unknown(rules) and shape is not None:
            scores[:, -1] = shape.distance(ground)
    floors = np.quantile(scores, 1.0 - FLOOR_SHARE, axis=0, method="higher").astype(np.float32)
    counters = [(at, _counters(pack)) for at, pack in enumerate(rules.packs)]
    counters = [(at, rows) for at, rows in counters if len(rows)]
    if counters:
        embedding = model.embed(model.select(np.concatenate([rows for _, rows in counters])))
        which = np.repeat([at for at, _ in counters], [len(rows) for _, rows in counters])
        against = np.einsum("cd,dc->c", embedding, rules.heads[:-1, which]) + rules.heads[-1, which]
        np.maximum.at(floors, which, np.nextafter(against, np.float32(np.inf)))
    if has_unknown(rules) and shape is None:
        floors[-1] = np.inf
    return floors


@lru_cache(maxsize=256)
def _counters(pack: Pack) -> FloatArray:
    """float32 [c, F], a pack's counter-examples."""
    if pack.not_like is None:
        return np.zeros((0, WIDTH), np.float32)
    return encode(pack.not_like, pack.not_like_context)
