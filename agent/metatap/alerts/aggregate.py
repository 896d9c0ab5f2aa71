"""Hits → alerts: one aggregate a pack, pair of hosts and window.

The first hit of an aggregate gives an `opened` alert at once; when the aggregate closes, a
`summary` says how many flows followed. Windows are tumbling in flow time: a flow belongs to the
window of its `ts`, so the same flows give the same alerts however they are batched. An aggregate
closes one window after its own window's end or its last hit, whichever is later, in flow time (see
`flow_time`). Later hits of a closed aggregate that is still held open it again.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from metatap.alerts.aggregation import Aggregate
from metatap.alerts.alert import Alert, AlertKind, ModelRef, Rule
from metatap.alerts.community_id import flow_community_id
from metatap.alerts.flow_time import FlowTime
from metatap.alerts.group import Group, Times, flow_times, group_hits
from metatap.alerts.ids import alert_id, event_id
from metatap.counters import Counters
from metatap.detector.detections import Detections
from metatap.detector.explain import explain as explain_hit
from metatap.detector.explanation import Explanation
from metatap.flow import to_row

NS = 1_000_000_000

EXPLAIN_PER_BATCH = 256
"""Alerts explained in one batch, at most: an explanation costs as much as scoring some dozens of
flows, and a flood of new pairs must not stall the sensor."""

CLOSED_SHARE = 10
"""Of `max_open` aggregates, one in so many may be closed and held for late hits."""

Explain = Callable[[Detections, int, int], Explanation]
"""(detections, row, pack index) → why."""

_Key = tuple[str, bytes, int]


class Aggregator:
    """The aggregation stage.

    Attributes:
        hits: Pairs of flow and pack over the threshold: received = in an aggregate + dropped.
        opened: `opened` alerts so far.
        summaries: `summary` alerts so far.
        closed_early: Those of them that made room for new aggregates.
        unexplained: `opened` alerts without an explanation, since they came in a burst.
    """

    def __init__(
        self,
        sensor: str,
        explain: Explain = explain_hit,
        *,
        window: float = 300.0,
        max_open: int = 10_000,
        max_uids: int = 16,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """An aggregator without aggregates.

        Args:
            sensor: Name of the sensor; part of every alert's id.
            explain: Says why a flow reached a pack's threshold.
            window: Length of a window, s.
            max_open: Aggregates held, at most. When full, those closed already are forgotten
                first, then the oldest is closed early.
            max_uids: Zeek uids listed in an alert, at most.
            clock: The agent's clock, ns since the epoch.
            monotonic: A clock that is never set, ns.
        """
        self.hits = Counters()
        self.opened = 0
        self.summaries = 0
        self.closed_early = 0
        self.unexplained = 0
        self._sensor = sensor
        self._window = round(window * NS)
        self._max_open = max_open
        self._max_uids = max_uids
        self._explain = explain
        self._time = FlowTime(clock, monotonic)
        self._held: OrderedDict[_Key, Aggregate] = OrderedDict()
        self._closed: OrderedDict[_Key, None] = OrderedDict()
        self._due: dict[bool, list[tuple[int, int, _Key]]] = {True: [], False: []}
        self._serial = 0

    def __len__(self) -> int:
        """Open aggregates."""
        return len(self._held) - len(self._closed)

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
        detections = self._known(detections)
        if not len(detections.rows):
            return []
        alerts: list[Alert] = []
        budget = EXPLAIN_PER_BATCH
        for group in group_hits(detections, times, self._window):
            pack = detections.rules.packs[group.pack]
            key = (pack.sha256 or pack.id, group.pair, group.window)
            held = self._held.get(key)
            if held is None:
                alerts += self._make_room(now)
                alert = self._alert(detections, group, times, now, explained=budget > 0)
                alerts.append(alert)
                budget -= 1
                held = self._held[key] = Aggregate.of(alert, timed=group.timed)
            elif not held.is_open:
                held.is_open = True
                held.revision += 1
                del self._closed[key]
            held.update(detections.batch, group, self._max_uids)
            self._postpone(key, held)
            self.hits.passes(len(group.rows))
        return alerts

    def expire(self, now: int | None = None) -> list[Alert]:
        """Close the aggregates whose time is over.

        Args:
            now: Flow time, ns since the epoch; what the flows and the clocks say if None.

        Returns:
            Their `summary` alerts, by deadline.
        """
        alerts: list[Alert] = []
        for timed, due in self._due.items():
            if not due:
                continue
            limit = self._time.now(timed=timed) if now is None else now
            while due and due[0][0] <= limit:
                _, serial, key = heapq.heappop(due)
                held = self._held.get(key)
                if held is None or held.serial != serial:
                    continue
                if held.deadline > limit:
                    self._queue(key, held)
                else:
                    alerts.append(self._close(key, held))
        return alerts

    def flush(self) -> list[Alert]:
        """Close all open aggregates, e.g. at the end of the agent; their `summary` alerts."""
        alerts = [self._close(key, held) for key, held in [*self._held.items()] if held.is_open]
        self._held.clear()
        self._closed.clear()
        self._due = {True: [], False: []}
        return alerts

    def _known(self, detections: Detections) -> Detections:
        """The detections without hits on the padding after the last pack."""
        known = detections.packs < len(detections.rules.packs)
        if known.all():
            return detections
        self.hits.drop("no_pack", int((~known).sum()))
        return replace(detections, rows=detections.rows[known], packs=detections.packs[known])

    def _postpone(self, key: _Key, held: Aggregate) -> None:
        """Set an aggregate's deadline after a hit, and queue it if it is not."""
        now = self._time.now(timed=held.timed)
        rest = held.opened.window_start + self._window - now
        deadline = now + min(max(rest, 0), self._window) + self._window
        held.deadline = max(held.deadline, deadline)
        if not held.serial:
            self._queue(key, held)

    def _queue(self, key: _Key, held: Aggregate) -> None:
        """Queue a deadline; one that has moved on is queued anew when it comes up."""
        self._serial += 1
        held.serial = self._serial
        due = self._due[held.timed]
        heapq.heappush(due, (held.deadline, held.serial, key))
        if len(due) > 2 * self._max_open:
            due[:] = [entry for entry in due if self._is_queued(entry)]
            heapq.heapify(due)

    def _is_queued(self, entry: tuple[int, int, _Key]) -> bool:
        held = self._held.get(entry[2])
        return held is not None and held.serial == entry[1]

    def _make_room(self, now: int) -> list[Alert]:
        """Forget or close the oldest aggregate if there is no place for a further one."""
        if len(self._held) < self._max_open:
            return []
        if self._closed:
            self._forget_closed()
            return []
        key, held = next(iter(self._held.items()))
        self.closed_early += 1
        self.summaries += 1
        del self._held[key]
        return [held.summary(now, early=True)]

    def _close(self, key: _Key, held: Aggregate) -> Alert:
        held.is_open = False
        held.serial = 0
        self._closed[key] = None
        if len(self._closed) > max(self._max_open // CLOSED_SHARE, 1):
            self._forget_closed()
        self.summaries += 1
        return held.summary(self._time.clock(), early=False)

    def _forget_closed(self) -> None:
        key, _ = self._closed.popitem(last=False)
        del self._held[key]

    def _alert(
        self, detections: Detections, group: Group, times: Times, now: int, *, explained: bool
    ) -> Alert:
        """The `opened` event of a group's first hit."""
        rules, row = detections.rules, int(group.rows[0])
        pack, meta = rules.packs[group.pack], rules.model.meta
        flow = to_row(detections.batch, row)
        uid = str(flow.get("uid", ""))
        score = float(detections.scores[row, group.pack])
        explanation = self._explain(detections, row, group.pack) if explained else None
        self.unexplained += explanation is None
        self.opened += 1
        start = group.window * self._window
        name = alert_id(self._sensor, pack.id, pack.sha256, group.pair, start)
        return Alert(
            kind=AlertKind.OPENED,
            id=name,
            event_id=event_id(name, AlertKind.OPENED, 0),
            revision=0,
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
        )
