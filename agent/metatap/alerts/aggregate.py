"""Hits → alerts: one aggregate a pack, pair of hosts and window.

The first hit of an aggregate gives an `opened` alert at once; when the aggregate closes, a
`summary` says how many flows followed. Windows are tumbling in flow time: a flow belongs to the
window of its `ts`, so the same flows give the same alerts however they are batched. An aggregate
closes one window after its own window's end or its last hit, whichever is later, in flow time (see
`flow_time`). Later hits of a closed aggregate that is still held open it again. An originator that
reaches for many hosts has one aggregate for the further ones (see `folding`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from metatap.alerts.aggregation import Aggregate
from metatap.alerts.alert import Alert, AlertKind, ModelRef, Rule
from metatap.alerts.community_id import flow_community_id
from metatap.alerts.explaining import Explain, Explainer, Nearest, nearest
from metatap.alerts.flow_time import FlowTime
from metatap.alerts.folding import Destinations, Key, Room
from metatap.alerts.group import ADDRESS, Group, Times, flow_times, group_hits, pair_hits
from metatap.alerts.held import Held
from metatap.alerts.ids import alert_id
from metatap.counters import Counters
from metatap.detector.detections import Detections
from metatap.detector.explain import explain as explain_hit
from metatap.detector.explanation import Explanation
from metatap.flow import to_row

NS = 1_000_000_000

SUPPRESSED = "suppressed"
"""Reason under which a hit is dropped that a rule of a list matches."""

log = structlog.get_logger(__name__)


class Aggregator:
    """The aggregation stage.

    Attributes:
        hits: Pairs of flow and pack over the threshold: received = in an aggregate + dropped.
        opened: `opened` alerts so far.
        summaries: `summary` alerts so far.
        closed_early: Those of them that made room for new aggregates.
        folds: Those `opened` alerts that stand for many destinations.
        suppressed: Aggregates closed without a summary, since a rule of a list matches them.
        keep: Gives a scored batch without the hits that are to be suppressed, now (ns since the
            epoch by the agent's clock): `Lists.apply`. May be replaced between two batches.
    """

    def __init__(
        self,
        sensor: str,
        explain: Explain = explain_hit,
        alike: Nearest = nearest,
        *,
        window: float = 300.0,
        max_open: int = 10_000,
        max_pairs: int = 32,
        max_uids: int = 16,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """An aggregator without aggregates.

        Args:
            sensor: Name of the sensor; part of every alert's id.
            explain: Says why a flow reached a pack's threshold.
            alike: Says what a flow is most like, where there is no time to say why.
            window: Length of a window, s.
            max_open: Aggregates held, at most. When full, those closed already are forgotten
                first, then the oldest is closed early.
            max_pairs: Destinations of one originator, pack and window with an aggregate of their
                own, at most; further ones share one.
            max_uids: Zeek uids listed in an alert, at most.
            clock: The agent's clock, ns since the epoch.
            monotonic: A clock that is never set, ns.
        """
        self.hits = Counters()
        self.opened = 0
        self.summaries = 0
        self.closed_early = 0
        self.folds = 0
        self.suppressed = 0
        self.keep: Callable[[Detections, int], Detections] = lambda detections, _: detections
        self._sensor = sensor
        self._window = round(window * NS)
        self._max_uids = max_uids
        self._explainer = Explainer(explain, alike, monotonic)
        self._time = FlowTime(clock, monotonic)
        self._held = Held(max_open, max_pairs, self._window, self._time)
        self._room = Room()

    def __len__(self) -> int:
        """Open aggregates."""
        return len(self._held)

    @property
    def unexplained(self) -> int:
        """`opened` alerts without reasons, since they came in a burst."""
        return self._explainer.unexplained

    def add(self, detections: Detections) -> list[Alert]:
        """Take the hits of one batch.

        Args:
            detections: The scored batch.

        Returns:
            `opened` alerts of new aggregates in the order of their first hit, and `summary` alerts
            of aggregates closed early to make room.
        """
        now = self._time.clock()
        times = flow_times(detections.batch, now)
        self._time.advance(times)
        detections = self._kept(self._known(detections), now)
        if not len(detections.rows):
            return []
        keys, addresses, groups = self._gather(detections, times)
        new = [_hit(group) for group in groups if self._held.get(keys[group.target]) is None]
        why = self._explainer.explain(detections, new)
        alerts: list[Alert] = []
        for group in groups:
            key = keys[group.target]
            held = self._held.get(key)
            if held is None:
                alerts += self._make_room(now)
                hit = _hit(group)
                reason = why.get(hit) or self._explainer.explain(detections, [hit])[hit]
                alert = self._alert(detections, group, key, times, now=now, explanation=reason)
                alerts.append(alert)
                held = self._open(key, Aggregate.of(alert, timed=group.timed))
            elif not held.is_open:
                self._held.reopen(key, held)
            held.update(detections.batch, group, self._max_uids, addresses[group.target])
            self._held.postpone(key, held)
            self.hits.passes(len(group.rows))
        return alerts

    def expire(self, now: int | None = None) -> list[Alert]:
        """Close the aggregates whose time is over.

        Args:
            now: Flow time, ns since the epoch; what the flows and the clocks say if None.

        Returns:
            Their `summary` alerts, by deadline.
        """
        alerts = []
        for key, held in self._held.due(now):
            alerts.append(self._summary(held))
            self._held.close(key, held)
        return alerts

    def flush(self) -> list[Alert]:
        """Close all open aggregates, e.g. at the end of the agent; their `summary` alerts."""
        return [self._summary(held) for held in self._held.clear()]

    def suppress(self, closing: Callable[[Sequence[Alert], int], Sequence[str | None]]) -> int:
        """Close open aggregates that a rule of a list matches now, without a summary.

        Their flows stay counted as in an aggregate; the log says how many they are. Later hits that
        no rule matches open such an aggregate anew, with a higher revision.

        Args:
            closing: Says of open aggregates, by their `opened` event and the time (ns since the
                epoch by the agent's clock), which rule matches it: `Lists.closing`.

        Returns:
            How many were closed.
        """
        held = self._held.open()
        rules = closing([one.opened for _, one in held], self._time.clock())
        over = [(key, one) for (key, one), rule in zip(held, rules, strict=True) if rule]
        for key, _ in over:
            self._held.forget(key)
        if over:
            flows = sum(one.count for _, one in over)
            log.info("aggregates_suppressed", aggregates=len(over), flows=flows)
        self.suppressed += len(over)
        return len(over)

    def _kept(self, detections: Detections, now: int) -> Detections:
        """The detections without suppressed hits, which are counted."""
        kept = self.keep(detections, now)
        hits = len(detections.rows) - len(kept.rows)
        if hits:
            self.hits.drop(SUPPRESSED, hits)
        return kept

    def _known(self, detections: Detections) -> Detections:
        """The detections without hits on the padding after the last pack."""
        known = detections.packs < len(detections.rules.packs)
        if known.all():
            return detections
        hits = int((~known).sum())
        if "no_pack" not in self.hits.dropped:
            log.warning("hits_dropped", reason="no_pack", hits=hits)
        self.hits.drop("no_pack", hits)
        return replace(detections, rows=detections.rows[known], packs=detections.packs[known])

    def _gather(
        self, detections: Detections, times: Times
    ) -> tuple[list[Key], list[list[bytes]], list[Group]]:
        """The aggregates of a batch's hits, for each the folded responders, and the groups."""
        pairs, index = pair_hits(detections, times, self._window)
        packs = [pack.sha256 or pack.id for pack in detections.rules.packs]
        numbers: dict[Key, int] = {}
        addresses: list[list[bytes]] = []
        targets = []
        for pack, hosts, window in pairs:
            key = self._held.place(Key(packs[pack], hosts, window))
            number = numbers.setdefault(key, len(numbers))
            if number == len(addresses):
                addresses.append([])
            if key.is_fold:
                addresses[number].append(hosts[ADDRESS:])
            targets.append(number)
        groups = group_hits(detections, times, index, targets)
        return [*numbers], addresses, groups

    def _open(self, key: Key, held: Aggregate) -> Aggregate:
        """Hold a new aggregate."""
        if key.is_fold:
            held.destinations = Destinations(self._room)
            self.folds += 1
        self.opened += 1
        self._held.put(key, held)
        return held

    def _make_room(self, now: int) -> list[Alert]:
        oldest = self._held.make_room()
        if oldest is None:
            return []
        self.closed_early += 1
        self.summaries += 1
        return [oldest.summary(now, early=True)]

    def _summary(self, held: Aggregate) -> Alert:
        self.summaries += 1
        return held.summary(self._time.clock(), early=False)

    def _alert(
        self,
        detections: Detections,
        group: Group,
        key: Key,
        times: Times,
        *,
        now: int,
        explanation: Explanation,
    ) -> Alert:
        """The `opened` event of a group's first hit."""
        rules, row = detections.rules, int(group.rows[0])
        pack, meta = rules.packs[group.pack], rules.model.meta
        flow = to_row(detections.batch, row)
        uid = str(flow.get("uid", ""))
        score = float(detections.scores[row, group.pack])
        start = key.window * self._window
        return Alert(
            kind=AlertKind.OPENED,
            id=alert_id(self._sensor, pack.id, pack.sha256, key.hosts, start),
            revision=self._held.revision(key),
            sensor=self._sensor,
            created=now,
            rule=Rule.of(pack),
            model=ModelRef(meta.name, meta.version, rules.model.sha256),
            orig=flow.get("id.orig_h", ""),
            resp=flow.get("id.resp_h", ""),
            window_start=start,
            window=self._window,
            first=int(times.start[row]),
            last=int(times.end[row]),
            flow_start=int(times.start[row]),
            flow_end=int(times.end[row]),
            count=1,
            uids=(uid,) if uid else (),
            score=score,
            threshold=float(rules.thresholds[group.pack]),
            threshold_source=rules.threshold_source,
            max_score=score,
            max_uid=uid,
            flow=flow,
            community_id=flow_community_id(flow),
            explanation=explanation,
            destinations=int(key.is_fold),
            features=detections.features[row].copy(),
        )


def _hit(group: Group) -> tuple[int, int]:
    """Row and pack of a group's first hit."""
    return int(group.rows[0]), group.pack
