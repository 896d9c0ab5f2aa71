"""metatap.alerts.aggregate, .aggregation, .flow_time, .group and .ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.agent.alerts.scored import (
    EXPLANATION,
    SCAN,
    SSH,
    T0,
    Clocks,
    detections,
    explain,
    flow,
    rules,
)

from metatap.alerts import Aggregator, Alert, AlertKind, aggregation
from metatap.detector import Detections

NS = 10**9


def _aggregator(clocks: Clocks | None = None, **options: Any) -> Aggregator:
    clocks = clocks or Clocks()
    return Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic, **options)


def _kinds(alerts: Sequence[Alert]) -> list[str]:
    return [alert.kind.value for alert in alerts]


def test_the_first_hit_opens_at_once() -> None:
    """An alert about the first flow comes with its batch, with all an analyst needs."""
    aggregator = _aggregator()
    alerts = aggregator.add(detections([flow("C7"), flow("C8", 1)], [[2.0], [3.0]]))
    assert _kinds(alerts) == ["opened"]
    alert = alerts[0]
    assert (alert.count, alert.uids, alert.score, alert.max_score) == (1, ("C7",), 2.0, 2.0)
    assert (alert.orig, alert.resp) == ("10.0.0.1", "10.0.0.2")
    assert (alert.first, alert.last) == (T0 * NS, T0 * NS + 2_500_000_000)
    assert alert.window_start == T0 * NS
    assert alert.rule.sha256 == SSH.sha256
    assert alert.model.version == "1.0.0"
    assert alert.threshold == 1.0
    assert alert.threshold_source == "reference"
    assert alert.explanation is EXPLANATION
    assert alert.flow["service"] == "ssh"
    assert alert.community_id.startswith("1:")


def test_a_summary_counts_what_followed() -> None:
    """It has the first flow again, and count, times, uids and the highest score of all."""
    aggregator = _aggregator(max_uids=2)
    opened = aggregator.add(detections([flow("C1"), flow("C2", 10)], [[2.0], [5.0]]))
    assert aggregator.add(detections([flow("C3", 60)])) == []
    (summary,) = aggregator.flush()
    assert summary.kind is AlertKind.SUMMARY
    assert summary.id == opened[0].id
    assert summary.event_id != opened[0].event_id
    assert (summary.count, summary.uids) == (3, ("C1", "C2"))
    assert (summary.max_score, summary.max_uid) == (5.0, "C2")
    assert (summary.score, summary.flow["uid"]) == (2.0, "C1")
    assert (summary.first, summary.last) == (T0 * NS, (T0 + 62) * NS + NS // 2)
    assert aggregator.flush() == []


def test_pack_pair_and_window_each_make_an_aggregate_of_their_own() -> None:
    """Another pack, another host on either side, another window: another alert."""
    aggregator = _aggregator()
    both = rules(SSH, SCAN)
    rows = [
        flow("C1"),
        flow("C2", id__orig_h="10.0.0.3"),
        flow("C3", id__resp_h="2001:db8::1"),
        flow("C4", 300),
        flow("C5", 299),
    ]
    scores = [[2.0, 2.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]
    alerts = aggregator.add(detections(rows, scores, both))
    assert [(alert.rule.id, alert.flow["uid"]) for alert in alerts] == [
        ("ssh-bruteforce", "C1"),
        ("port-scan", "C1"),
        ("ssh-bruteforce", "C2"),
        ("ssh-bruteforce", "C3"),
        ("ssh-bruteforce", "C4"),
    ]
    assert len({alert.id for alert in alerts}) == 5
    assert len(aggregator) == 5


def test_ids_are_the_same_after_a_restart() -> None:
    """Two agents that see the same flows at other times give the same ids.

    Another flow that opens the same alert makes another event.
    """
    later = Clocks()
    later.wait(86_400)
    one = _aggregator().add(detections([flow("C1")]))[0]
    two = _aggregator(later).add(detections([flow("C1")]))[0]
    assert (one.id, one.event_id) == (two.id, two.event_id)
    third = _aggregator().add(detections([flow("C2", 20)]))[0]
    assert third.id == one.id
    assert third.event_id != one.event_id
    assert len(one.id) == len(one.event_id) == 32
    other = Aggregator("tap-2", explain).add(detections([flow("C1")]))[0]
    assert other.id != one.id


def test_an_aggregate_closes_one_window_after_its_end() -> None:
    """Flow time moves by the ends of flows, hits or not; late hits of the window still count."""
    aggregator = _aggregator()
    aggregator.add(detections([flow("C1")]))
    aggregator.add(detections([flow("C2", 590, duration=None)], [[0.0]]))
    assert aggregator.expire() == []
    aggregator.add(detections([flow("C3", 100)]))
    aggregator.add(detections([flow("C4", 889, duration=None)], [[0.0]]))
    assert aggregator.expire() == []
    aggregator.add(detections([flow("C5", 890, duration=None)], [[0.0]]))
    (summary,) = aggregator.expire()
    assert summary.count == 2
    assert len(aggregator) == 0


def test_a_quiet_network_closes_its_aggregates() -> None:
    """Without any flow the clock moves flow time on."""
    clocks = Clocks()
    aggregator = _aggregator(clocks)
    aggregator.add(detections([flow("C1", duration=None)]))
    clocks.wait(599)
    assert aggregator.expire() == []
    clocks.wait(2)
    assert _kinds(aggregator.expire()) == ["summary"]


def test_flow_time_can_be_given() -> None:
    """`expire(now)` takes the caller's flow time."""
    aggregator = _aggregator()
    aggregator.add(detections([flow("C1")]))
    assert _kinds(aggregator.expire((T0 + 600) * NS)) == ["summary"]


def test_old_recordings_close_as_new_ones_do() -> None:
    """Flows of 1999 after flows of 2026 are not closed at once: time counts from their arrival."""
    clocks = Clocks()
    aggregator = _aggregator(clocks)
    aggregator.add(detections([flow("C1")]))
    aggregator.add(detections([flow("C2", ts=930_000_000.0)]))
    assert aggregator.expire() == []
    assert len(aggregator) == 2
    clocks.wait(301)
    assert [alert.flow["uid"] for alert in aggregator.expire()] == ["C2"]


def test_a_flow_from_the_far_future_does_not_close_everything() -> None:
    """A broken clock on a tap moves flow time by an hour at most, and its own alert closes too."""
    clocks = Clocks()
    aggregator = _aggregator(clocks)
    aggregator.add(detections([flow("C1", ts=9_000_000_000.0)]))
    assert aggregator.expire() == []
    clocks.wait(601)
    assert _kinds(aggregator.expire()) == ["summary"]


def test_a_flow_without_time_belongs_to_the_agents_clock() -> None:
    """Where a source has no `ts`, windows are those of the agent's clock."""
    clocks = Clocks()
    aggregator = _aggregator(clocks)
    opened = aggregator.add(detections([flow("C1", ts=None, duration=None)]))
    assert opened[0].first == opened[0].last == clocks.now
    assert opened[0].window_start == T0 * NS
    clocks.wait(596)
    assert aggregator.expire() == []
    clocks.wait(2)
    assert _kinds(aggregator.expire()) == ["summary"]


def test_a_living_connection_counts_once() -> None:
    """Interim records and the final one of a uid are one flow, also over batches."""
    aggregator = _aggregator()
    aggregator.add(
        detections(
            [flow("C1", partial=True), flow("C1", partial=True, duration=60.0), flow("C2", 1)]
        )
    )
    aggregator.add(detections([flow("C1", duration=90.0), flow("C3", 2)]))
    (summary,) = aggregator.flush()
    assert summary.count == 3
    assert summary.uids == ("C1", "C2", "C3")
    assert aggregator.hits.passed == 5


def test_of_many_living_connections_some_count_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of them is bounded; flows without uid are never taken for another."""
    monkeypatch.setattr(aggregation, "MAX_LIVING", 1)
    aggregator = _aggregator()
    rows = [flow("C1", partial=True), flow("C2", partial=True), flow("", partial=True)]
    for _ in range(2):
        aggregator.add(detections(rows))
    (summary,) = aggregator.flush()
    assert summary.count == 5


def test_flows_with_and_without_time_share_an_aggregate() -> None:
    """One pair in one window is one alert, whichever clock says so."""
    aggregator = _aggregator()
    alerts = aggregator.add(detections([flow("C1"), flow("C2", ts=None)]))
    assert _kinds(alerts) == ["opened"]
    (summary,) = aggregator.flush()
    assert summary.count == 2


def test_hits_on_padding_are_dropped_and_counted() -> None:
    """A pack index past the last pack is no pack; the first time it is logged."""
    aggregator = _aggregator()
    scored = detections([flow("C1")])
    odd = Detections(
        scored.batch,
        scored.rules,
        scored.features,
        scored.scores,
        np.array([0, 0]),
        np.array([0, 7]),
    )
    with capture_logs() as logs:
        assert len(aggregator.add(odd)) == 1
        assert aggregator.add(odd) == []
    assert aggregator.hits.dropped == {"no_pack": 2}
    assert aggregator.hits.balanced
    assert [(line["event"], line["reason"]) for line in logs] == [("hits_dropped", "no_pack")]


def test_missing_columns_are_no_fault() -> None:
    """Flows without addresses, uid or times still give an alert."""
    aggregator = _aggregator()
    (opened,) = aggregator.add(detections([{"proto": "tcp"}, {"proto": "udp"}]))
    assert (opened.orig, opened.resp, opened.uids, opened.community_id) == ("", "", (), "")
    (summary,) = aggregator.flush()
    assert summary.count == 2


def test_a_batch_without_hits_is_nothing() -> None:
    """No hits, no alerts; an empty batch neither."""
    aggregator = _aggregator()
    assert aggregator.add(detections([flow("C1")], [[0.0]])) == []
    assert aggregator.add(detections([])) == []
    assert aggregator.expire() == []
