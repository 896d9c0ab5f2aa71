"""The agent's adaptation to its network: what a runtime sees of this package."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.adaptation.background import Background, background_of, embedded
from metatap.adaptation.budgeting import Budgeting
from metatap.adaptation.candidates import Candidates
from metatap.adaptation.clock import DAY, HOUR, MINUTE, SECOND, TrafficClock
from metatap.adaptation.drift import Drift
from metatap.adaptation.frame import Frame, joined
from metatap.adaptation.keys import alert_keys, host_keys
from metatap.adaptation.notice import Moved, Notice, NoticeKind
from metatap.adaptation.raised import Raised
from metatap.adaptation.reservoir import Reservoir
from metatap.adaptation.unknown import ID, LEAST, Unknown, has_unknown, score_unknown, with_unknown
from metatap.alerts.group import Times, flow_times
from metatap.detector import Detections, Model, RuleSet, Scorer
from metatap.errors import StateError
from metatap.features import FEATURES_VERSION, WIDTH

FloatArray = npt.NDArray[np.float32]

BACKGROUND_LEAST = 512
"""Flows in the sample, at least, to be a background; its size if that is less."""

RENEWED = 0.25
"""Share of the background that has to be new for it to have changed."""

CHANGE_LEAST = HOUR
"""ns of traffic time between two changes of the background."""

SHAPE_PERIOD = DAY
"""ns of traffic time after which the pack `unknown` is fitted to the background again."""

SHAPE_LOOK = 5 * MINUTE
"""ns of traffic time between two looks whether there are enough flows for it."""

DRIFTED_HALF_LIVES = 3.0
"""By how much flows from before a drift are aged in the sample."""

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
        self._reservoir = Reservoir(background, host_share, seed=seed) if background else None
        self._least = min(BACKGROUND_LEAST, background)
        self._budgeting = Budgeting(alerts_per_day, unknown_per_day)
        self._drift = Drift(seed=seed)
        self._clock = TrafficClock()
        self._raised = Raised()
        self._window = round(window * SECOND)
        self._has_unknown = unknown_per_day > 0.0
        self._shape: Unknown | None = None
        self._shaped_at = 0
        self._rules: RuleSet | None = None
        self._taken = np.zeros(0, np.int64)
        self._taken_at: int | None = None
        self._drifted = False
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._silenced: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def extend(self, rules: RuleSet) -> RuleSet:
        """New rules, before the first batch of them, with the pack `unknown` where it is asked for.

        From then on `thresholds` has those of the budget for them.
        """
        if self._has_unknown and isinstance(rules.model, Model) and not has_unknown(rules):
            rules = with_unknown(rules, float("inf"))
        with self._lock:
            self._adopt(rules, self._clock.now)
        return rules

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
            is_other = self._rules is None or self._rules.heads is not rules.heads
            if is_other or self._is_shape_old(rules, traffic):
                self._adopt(rules, traffic)
            self._sample(detections, traffic)
            self._watch(detections, times, traffic)
            self._test(detections, traffic, now)

    def recent(self, model: Scorer | None = None) -> FloatArray:
        """float32 [r, d], flows seen lately in the space of a model.

        They are those of the background, however few. Of one originator there are no more than its
        share, so an attack of one host is no larger part of them.

        Args:
            model: The model; that of the flows observed last if None.
        """
        found = self._snapshot(model)
        return np.zeros((0, 0), np.float32) if found is None else embedded(found[0], found[1])

    def background(self, model: Scorer | None = None) -> Background | None:
        """The network's background, None while there are too few flows; it is taken as used.

        Args:
            model: The model whose space it is in; that of the flows observed last if None.
        """
        found = self._snapshot(model)
        if found is None or len(found[1]) < self._least or not isinstance(found[0], Model):
            return None
        model, features, serials, since = found
        background = background_of(model, features, serials, since)
        with self._lock:
            self._taken, self._taken_at, self._drifted = serials, self._clock.now, False
        return background

    def changed(self) -> bool:
        """Whether the background is another one than that taken last, enough to adapt again."""
        with self._lock:
            if self._reservoir is None:
                return False
            if self._taken_at is None:
                return len(self._reservoir.serials) >= self._least > 0
            if self._clock.now - self._taken_at < CHANGE_LEAST:
                return False
            serials = self._reservoir.serials
            if len(serials) < self._least:
                return False
            renewed = 1.0 - np.isin(serials, self._taken).mean()
            return bool(self._drifted or renewed >= RENEWED)

    def thresholds(self, rules: RuleSet) -> FloatArray | None:
        """float32 [P'], thresholds by the budget; None: keep those in force.

        New ones come every ten minutes of traffic, and at once for rules that were not seen before.

        Args:
            rules: The rules in force; flows scored by them must have been observed.
        """
        with self._lock:
            if not self._budgeting.is_on:
                return None
            return self._budgeting.thresholds(rules, self._clock.now)

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
            reservoir, estimate = self._reservoir, self._budgeting.estimate
            rows = 0 if reservoir is None else len(reservoir.serials)
            hosts = 0 if reservoir is None else len(np.unique(reservoir.hosts))
            return {
                "traffic_days": round(self._clock.now / DAY, 3),
                "background": {"flows": rows, "hosts": hosts, "needed": self._least},
                "alerts_a_day": {
                    "expected": None if estimate is None else round(float(estimate.rates.sum()), 2),
                    "realised": round(self._raised.rate(self._clock.now), 2),
                },
                "drift": "learning" if self._drift.is_learning else "watching",
            }

    def save(self) -> bytes:
        """All that is known, to go on with after a restart."""
        with self._lock:
            now = self._clock.now
            parts = {"budget": self._budgeting.frame(now), "drift": self._drift.frame()}
            if self._reservoir is not None:
                parts["reservoir"] = self._reservoir.frame()
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
            if self._reservoir is not None and "reservoir" in frame.facts:
                self._reservoir.restore(frame.part("reservoir"))
            self._clock, self._seed, self._raised = TrafficClock(now), seed, Raised(now)
            self._budgeting, self._drift, self._rules = budgeting, drift, None

    def _adopt(self, rules: RuleSet, now: int) -> None:
        """Go on with other rules."""
        features = np.zeros((0, WIDTH), np.float32)
        if self._reservoir is not None and self._budgeting.is_on:
            features = self._reservoir.features
        self._shape = None
        if has_unknown(rules) and len(features) >= LEAST:
            self._shape = Unknown.fit(embedded(rules.model, features))
            self._shaped_at = now + SHAPE_PERIOD
        if self._rules is None or self._rules.heads is not rules.heads:
            self._drift.score([pack.id for pack in rules.packs if pack.id != ID])
        self._rules = rules
        if self._budgeting.is_on:
            self._budgeting.adopt(rules, features, self._shape, now)

    def _is_shape_old(self, rules: RuleSet, now: int) -> bool:
        """Whether the pack `unknown` needs a shape, and there are enough flows to give it one."""
        if not has_unknown(rules) or self._reservoir is None or now < self._shaped_at:
            return False
        self._shaped_at = now + SHAPE_LOOK
        return len(self._reservoir.serials) >= LEAST

    def _sample(self, detections: Detections, now: int) -> None:
        if self._reservoir is None:
            return
        rows, numbers = self._reservoir.draw(detections.batch.rows, now)
        if not len(rows):
            return
        hosts = host_keys(detections.batch, rows, self._seed)
        admitted = self._reservoir.admits(hosts, numbers)
        rows = rows[admitted]
        self._reservoir.add(detections.features[rows], hosts[admitted], numbers[admitted], now)

    def _watch(self, detections: Detections, times: Times, now: int) -> None:
        """Show the budget the flows it asks for."""
        floors = self._budgeting.floors
        if floors is None:
            return
        width = detections.scores.shape[1]
        least = np.full(width, np.inf, np.float32)
        least[: len(floors)] = floors
        over = np.flatnonzero(detections.scores >= least)
        if not len(over):
            return
        rows, packs = np.divmod(over, width)
        flows, which = np.unique(rows, return_inverse=True)
        hosts = host_keys(detections.batch, flows, self._seed)
        window = times.start[flows] // self._window
        keys = alert_keys(detections.batch, flows, hosts, window)
        time = np.full(len(rows), now, np.int64)
        scores = detections.scores[rows, packs]
        found = Candidates(packs.astype(np.int64), scores, keys[which], hosts[which], time)
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
        self._drifted = True
        self._shaped_at = traffic
        self._budgeting.forget(traffic, change.since)
        if self._reservoir is not None:
            self._reservoir.age(change.since, DRIFTED_HALF_LIVES)

    def _snapshot(
        self, model: Scorer | None
    ) -> tuple[Scorer, FloatArray, npt.NDArray[np.int64], int] | None:
        """A model, and features, serials and age of the sample; None where there is none."""
        with self._lock:
            if model is None and self._rules is not None:
                model = self._rules.model
            if model is None or self._reservoir is None:
                return None
            reservoir = self._reservoir
            return model, reservoir.features, reservoir.serials, reservoir.since
