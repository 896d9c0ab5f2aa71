"""metatap.alerts.held: what is open, what is held for late hits and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.agent.alerts.scored import Clocks, detections, explain, flow

from metatap.alerts import Aggregator, Alert


def _aggregator(clocks: Clocks | None = None, **options: Any) -> Aggregator:
    clocks = clocks or Clocks()
    return Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic, **options)


def _kinds(alerts: Sequence[Alert]) -> list[str]:
    return [alert.kind.value for alert in alerts]


def test_when_full_the_oldest_closes_early() -> None:
    """Memory is bounded; what makes room says so, and closed ones are forgotten first."""
    clocks = Clocks()
    aggregator = _aggregator(clocks, max_open=2)
    rows = [flow(f"C{at}", id__orig_h=f"10.0.1.{at}") for at in range(3)]
    alerts = aggregator.add(detections(rows))
    assert [(alert.kind.value, alert.flow["uid"], alert.early) for alert in alerts] == [
        ("opened", "C0", False),
        ("opened", "C1", False),
        ("summary", "C0", True),
        ("opened", "C2", False),
    ]
    assert (len(aggregator), aggregator.closed_early) == (2, 1)
    clocks.wait(601)
    assert len(aggregator.expire()) == 2
    aggregator.add(detections([flow("C8", id__orig_h="10.0.2.1")]))
    alerts = aggregator.add(detections([flow("C9", id__orig_h="10.0.2.2")]))
    assert _kinds(alerts) == ["opened"]
    assert (len(aggregator), aggregator.closed_early) == (2, 1)


def test_an_alert_closed_early_goes_on_under_new_ids() -> None:
    """A pair that had to make room and comes again is the same alert with events of its own."""
    aggregator = _aggregator(max_open=1)
    other = flow("C2", id__orig_h="10.0.1.1")
    alerts = aggregator.add(detections([flow("C1"), other]))
    alerts += aggregator.add(detections([flow("C1")]))
    alerts += aggregator.flush()
    mine = [alert for alert in alerts if alert.orig == "10.0.0.1"]
    assert _kinds(mine) == ["opened", "summary", "opened", "summary"]
    assert [alert.revision for alert in mine] == [0, 0, 1, 1]
    assert len({alert.id for alert in mine}) == 1
    assert len({alert.event_id for alert in alerts}) == len(alerts) == 6


def test_the_queue_of_deadlines_is_bounded() -> None:
    """A flood of pairs does not pile up entries of aggregates that were closed early."""
    aggregator = _aggregator(max_open=4)
    for start in range(0, 64, 8):
        rows = [flow(f"C{at}", id__orig_h=f"10.0.1.{start + at}") for at in range(8)]
        aggregator.add(detections(rows))
    assert len(aggregator) == 4
    assert sum(map(len, aggregator._held._due.values())) <= 9
    assert len(aggregator.flush()) == 4


def test_few_closed_aggregates_are_held() -> None:
    """Of the closed ones, for late hits, only a tenth of the room is used."""
    clocks = Clocks()
    aggregator = _aggregator(clocks, max_open=20)
    aggregator.add(detections([flow(f"C{at}", id__orig_h=f"10.0.1.{at}") for at in range(9)]))
    clocks.wait(601)
    assert len(aggregator.expire()) == 9
    assert len(aggregator._held._all) == len(aggregator._held._closed) == 2
    assert len(aggregator) == 0


def test_late_hits_reopen_without_a_second_opening() -> None:
    """The same alert goes on: no `opened`, a further `summary` with an id of its own."""
    clocks = Clocks()
    aggregator = _aggregator(clocks)
    aggregator.add(detections([flow("C1", partial=True)]))
    clocks.wait(601)
    (first,) = aggregator.expire()
    assert aggregator.add(detections([flow("C1", duration=700.0)])) == []
    clocks.wait(601)
    (second,) = aggregator.expire()
    assert (first.revision, second.revision) == (0, 1)
    assert first.id == second.id
    assert first.event_id != second.event_id
    assert (first.count, second.count) == (1, 1)
