"""The agent's adaptation to its network: what a runtime sees of this package."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.adaptation.background import LocalBackground, embedded
from metatap.adaptation.budgeting import BUDGET, Budgeting
from metatap.adaptation.clock import DAY, MINUTE, SECOND, TrafficClock
from metatap.adaptation.drift import Drift
from metatap.adaptation.frame import Frame, joined
from metatap.adaptation.notice import Moved, Notice, NoticeKind
from metatap.adaptation.over import over
from metatap.adaptation.plan import Plan
from metatap.adaptation.raised import Raised
from metatap.adaptation.unknown import ID, LEAST, Unknown, has_unknown, score_unknown, with_unknown
from metatap.alerts.group import Times, flow_times
from metatap.detector import Detections, Model, RuleSet, Scorer
from metatap.errors import StateError
from metatap.features import FEATURES_VERSION, WIDTH

FloatArray = npt.NDArray[np.float32]

SHAPE_PERIOD = DAY
"""ns of traffic time after which the pack `unknown` is fitted to the background again."""

SHAPE_LOOK = 5 * MINUTE
"""ns of traffic time between two looks whether there are enough flows for it."""

MAX_NOTICES = 100
"""Notices that wait to be fetched, at most; the oldest give way."""


class Adapter:
    """Watches scored flows; may be asked from another thread than the one that shows it flows."""

    def __init__(
        self,
        background: int = 2048,
        host_share: float = 0.05,
        alerts_per_day: float = 0.0,
        unknown_per_day: float = 0.0,
        *,
        window: float = 300.0,
        seed: int | None = None,
    ) -> None:
        """Start with nothing known.

        Args:
            background: Flows of the network kept, 0 for none.
            host_share: Share of them of one originator, at most.
            alerts_per_day: Alerts a day of all packs together, 0 for no budget.
            unknown_per_day: Alerts a day of the pack `unknown`, 0: it is not there.
            window: Length of a window of alerts, s.
            seed: Of all random numbers; None: unpredictable.
        """
        self._seed = secrets.randbits(62) if seed is None else seed
        self._local = LocalBackground(background, host_share, seed)
        self._budgeting = Budgeting(alerts_per_day, unknown_per_day)
        self._drift = Drift(seed=seed)
        self._clock = TrafficClock()
        self._raised = Raised()
        self._window = round(window * SECOND)
        self._has_unknown = unknown_per_day > 0.0
        self._shape: Unknown | None = None
        self._shaped_at = 0
        self._rules: RuleSet | None = None
        self._plan: Plan | None = None
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._silenced: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def extend(self, rules: RuleSet) -> RuleSet:
        """New rules, before the first batch of them, with the pack `unknown` where it is asked for.

        From then on `thresholds` has those of the budget for them. It takes some batches' time
        unless they come from `prepare`.
        """
        rules = self._with_unknown(rules)
        with self._lock:
            self._adopt(rules, self._clock.now)
        return rules

    def prepare(self, rules: RuleSet) -> RuleSet:
        """New rules for `extend`, with the thresholds of the budget; takes its time.

        To be called in another thread than `observe`. What is seen between it and `extend` counts
        for no budget: some ms.

        Raises:
            ModelError: the model fails.
        """
        rules = self._with_unknown(rules)
        plan, now = self._planned(rules)
        thresholds = plan.budgeting.thresholds(rules, now)
        with self._lock:
            self._plan = plan
        return rules if thresholds is None else rules.with_thresholds(thresholds, BUDGET)

    def score(self, detections: Detections) -> Detections:
        """Detections with the scores and hits of the pack `unknown`; as they are without it."""
        shape, seen = self._shape, self._rules
        if shape is None or seen is None or seen.model is not detections.rules.model:
            return detections
        return score_unknown(detections, shape)

    def observe(self, detections: Detections, now: int) -> None:
        """Take note of a scored batch, after `score`.

        Args:
            detections: The batch; must not be empty.
            now: The agent's clock, ns since the epoch; stands in for flows without `ts`.
        """
        if not detections.batch.rows:
            return
        times = flow_times(detections.batch, now)
        with self._lock:
            traffic = self._clock.advance(times.end)
            self._raised.watch(traffic)
            rules = detections.rules
            if self._rules is None or self._rules.heads is not rules.heads:
                self._adopt(rules, traffic)
            self._local.observe(detections, self._seed, traffic)
            self._watch(detections, times, traffic)
            self._test(detections, traffic, now)

    def recent(self, model: Scorer) -> FloatArray:
        """float32 [r, d], flows seen lately in the space of a model.

        They are those of the background, however few. Of one originator there are no more than its
        share, so an attack of one host is no larger part of them.

        Raises:
            ModelError: the model fails.
        """
        with self._lock:
            features = self._local.features
        return embedded(model, features)

    def background(self, model: Scorer) -> FloatArray | None:
        """float32 [m, d], the network's background in the space of a model, taken as used.

        None while there are too few flows.

        Raises:
            ModelError: the model fails.
        """
        with self._lock:
            now = self._clock.now
            if not isinstance(model, Model) or not self._local.is_there(now):
                return None
            features = self._local.take(now)
        return embedded(model, features)

    def has_changed(self) -> bool:
        """Whether the background is another one than that taken last, enough to adapt again."""
        with self._lock:
            return self._local.has_changed(self._clock.now)

    def thresholds(self, rules: RuleSet) -> FloatArray | None:
        """float32 [P'], thresholds by the budget; None: keep those in force.

        New ones come every ten minutes of traffic, and at once for rules that were not seen before.
        It takes some batches' time; `observe` may go on in another thread meanwhile.

        Args:
            rules: The rules in force; flows scored by them must have been observed.
        """
        with self._lock:
            base, now = self._budgeting, self._clock.now
            if not base.is_due(rules, now):
                return None
            work = base.snapshot()
        found = work.thresholds(rules, now)
        with self._lock:
            base.follow(work)
            is_current = base is self._budgeting and base.forgotten == work.forgotten
        return found if is_current else None

    def refresh(self, rules: RuleSet) -> None:
        """Fit the pack `unknown` to the flows kept, once a day and when there first are enough.

        It takes some batches' time; `observe` may go on in another thread meanwhile.

        Args:
            rules: The rules in force.

        Raises:
            ModelError: the model fails.
        """
        if not self._is_shape_old(rules):
            return
        plan, now = self._planned(rules)
        with self._lock:
            if self._rules is not None and self._rules.heads is rules.heads:
                self._take(plan, now)

    def count(self, opened: int) -> None:
        """Take note of alerts that were opened, after aggregation and suppression."""
        with self._lock:
            self._raised.add(opened, self._clock.now)

    def notices(self, now: int = 0) -> list[Notice]:
        """The notices since this was last asked.

        Args:
            now: The agent's clock, ns since the epoch.
        """
        with self._lock:
            silenced = self._budgeting.silenced
            for pack in silenced.keys() - self._silenced:
                kind = NoticeKind.BUDGET
                self._notices.append(Notice(kind, now, statistic=silenced[pack], pack=pack))
            self._silenced = frozenset(silenced)
            found = [*self._notices]
            self._notices.clear()
        return found

    def status(self) -> dict[str, Any]:
        """What is known, for people: plain values of JSON."""
        with self._lock:
            local, estimate = self._local, self._budgeting.estimate
            return {
                "traffic_days": round(self._clock.now / DAY, 3),
                "background": {
                    "flows": len(local.features),
                    "hosts": local.hosts,
                    "needed": local.needed,
                },
                "alerts_a_day": {
                    "expected": None if estimate is None else round(float(estimate.rates.sum()), 2),
                    "realised": round(self._raised.rate(self._clock.now), 2),
                },
                "drift": "learning" if self._drift.is_learning else "watching",
            }

    def save(self) -> bytes:
        """All that is known, to go on with after a restart."""
        with self._lock:
            now, budgeting = self._clock.now, self._budgeting.snapshot()
            parts = {"drift": self._drift.frame()}
            if (flows := self._local.frame()) is not None:
                parts["reservoir"] = flows
        parts["budget"] = budgeting.frame(now)
        facts = {"now": now, "seed": self._seed, "features": [FEATURES_VERSION, WIDTH]}
        return joined(facts, parts).encode()

    def load(self, content: bytes) -> None:
        """Go on with what `save` gave.

        Raises:
            StateError: it is damaged, or of another agent's features; nothing is taken of it.
        """
        frame = Frame.decode(content)
        now, seed = frame.facts.get("now"), frame.facts.get("seed")
        if type(now) is not int or type(seed) is not int or not 0 <= min(now, seed) < 2**62:
            raise StateError("adaptation: neither time nor seed")
        if frame.facts.get("features") != [FEATURES_VERSION, WIDTH]:
            raise StateError("adaptation: of features of another version")
        budgeting = Budgeting(*self._budgeting.budgets)
        budgeting.restore(frame.part("budget"), now)
        drift = Drift()
        drift.restore(frame.part("drift"))
        with self._lock:
            if "reservoir" in frame.facts:
                self._local.restore(frame.part("reservoir"))
            self._clock, self._seed, self._raised = TrafficClock(now), seed, Raised(now)
            self._budgeting, self._drift = budgeting, drift
            self._rules = self._plan = None

    def _with_unknown(self, rules: RuleSet) -> RuleSet:
        if self._has_unknown and isinstance(rules.model, Model) and not has_unknown(rules):
            return with_unknown(rules, float("inf"))
        return rules

    def _adopt(self, rules: RuleSet, now: int) -> None:
        """Go on with other rules, as planned where there is a plan."""
        plan, self._plan = self._plan, None
        if plan is None or plan.rules.heads is not rules.heads:
            plan = Plan.make(rules, self._budgeting.snapshot(), self._features(), now)
        self._take(plan, now)

    def _planned(self, rules: RuleSet) -> tuple[Plan, int]:
        """A plan of what is known now, and the traffic time; the lock must not be held."""
        with self._lock:
            budgeting, features = self._budgeting.snapshot(), self._features()
            now = self._clock.now
        return Plan.make(rules, budgeting, features, now), now

    def _take(self, plan: Plan, now: int) -> None:
        rules, budgeting, forgotten = plan.rules, plan.budgeting, self._budgeting.forgotten
        if self._rules is None or self._rules.heads is not rules.heads:
            self._drift.score([pack.id for pack in rules.packs if pack.id != ID])
        if forgotten is not None and budgeting.forgotten != forgotten:
            budgeting.forget(*forgotten)
        if plan.shape is not None:
            self._shaped_at = now + SHAPE_PERIOD
        self._rules, self._budgeting, self._shape = rules, budgeting, plan.shape

    def _features(self) -> FloatArray:
        """float32 [m, F], the flows kept, where there is a budget."""
        return self._local.features if self._budgeting.is_on else np.zeros((0, WIDTH), np.float32)

    def _is_shape_old(self, rules: RuleSet) -> bool:
        """Whether the pack `unknown` needs a shape, and there are enough flows to give it one."""
        with self._lock:
            now = self._clock.now
            if not has_unknown(rules) or now < self._shaped_at:
                return False
            self._shaped_at = now + SHAPE_LOOK
            return len(self._local.features) >= LEAST

    def _watch(self, detections: Detections, times: Times, now: int) -> None:
        """Show the budget the flows it asks for."""
        floors = self._budgeting.floors
        if floors is None:
            return
        found = over(detections, times, floors, window=self._window, seed=self._seed, now=now)
        if len(found):
            self._budgeting.add(found, now)

    def _test(self, detections: Detections, traffic: int, now: int) -> None:
        """Test for drift, and on a drift let what was before it give way."""
        found = self._drift.add(detections.features, detections.scores, traffic)
        if found is None:
            return
        change, names = found
        moved = zip(names, change.distance.tolist(), strict=True)
        self._notices.append(
            Notice(
                NoticeKind.DRIFT,
                now,
                (traffic - change.since) / SECOND,
                change.statistic,
                tuple(Moved(name, distance) for name, distance in moved),
            )
        )
        self._shaped_at = traffic
        self._budgeting.forget(traffic, change.since)
        self._local.drift(change.since)
