"""metatap.alerts.folding: a host that reaches for many others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.agent.alerts.scored import SCAN, SSH, Clocks, alike, detections, explain, flow, rules

from metatap.alerts import Aggregator, Alert, folding
from metatap.alerts.folding import Destinations, Room


def _aggregator(**options: Any) -> Aggregator:
    clocks = Clocks()
    return Aggregator(
        "tap-1", explain, alike, clock=clocks.clock, monotonic=clocks.monotonic, **options
    )


def _scan(hosts: int, first: int = 0, **changes: Any) -> list[dict[str, Any]]:
    return [
        flow(f"C{at}", at / 100, id__resp_h=f"10.1.{at >> 8}.{at & 255}") | changes
        for at in range(first, first + hosts)
    ]


def _run(aggregator: Aggregator, rows: Sequence[dict[str, Any]], size: int) -> Iterator[Alert]:
    for begin in range(0, len(rows), size):
        yield from aggregator.add(detections(rows[begin : begin + size]))
        yield from aggregator.expire()
    yield from aggregator.flush()


@pytest.mark.parametrize("size", [50, 1000])
def test_a_scan_of_a_network_is_some_dozens_of_alerts(size: int) -> None:
    """The first 32 hosts have an alert each, the other 2,968 one: 66 events, whatever is scanned.

    No flow is lost on the way, and the one alert says how many hosts it stands for.
    """
    aggregator = _aggregator()
    alerts = list(_run(aggregator, _scan(3000), size))
    assert len(alerts) == 2 * 33
    assert (aggregator.opened, aggregator.folds, aggregator.hits.passed) == (33, 1, 3000)
    opened, summary = (alert for alert in alerts if alert.is_fold)
    assert (opened.destinations, opened.count, opened.resp) == (1, 1, "10.1.0.32")
    assert (summary.destinations, summary.count, summary.resp) == (2968, 2968, "10.1.0.32")
    assert not summary.at_least
    assert opened.id == summary.id
    assert len({alert.id for alert in alerts}) == 33


def test_known_pairs_go_on_in_their_own_alert() -> None:
    """Only what comes after the bound is folded: an attack that was there first stays visible."""
    aggregator = _aggregator(max_pairs=2)
    rows = [*_scan(5), *_scan(5)]
    summaries = list(_run(aggregator, rows, 3))[-3:]
    assert [(alert.resp, alert.count, alert.destinations) for alert in summaries] == [
        ("10.1.0.0", 2, 0),
        ("10.1.0.1", 2, 0),
        ("10.1.0.2", 6, 3),
    ]


def test_pack_originator_and_window_each_have_a_bound_of_their_own() -> None:
    """A scan folds nothing of another host, another pack or another window."""
    aggregator = _aggregator(max_pairs=1)
    both = rules(SSH, SCAN)
    rows = [
        *_scan(2),
        flow("C7", id__orig_h="10.0.0.9"),
        flow("C8", 300),
        flow("C9", id__resp_h="10.1.0.0"),
    ]
    scores = [[2.0, 0.0]] * 4 + [[0.0, 2.0]]
    opened = aggregator.add(detections(rows, scores, both))
    assert [alert.is_fold for alert in opened] == [False, True, False, False, False]


def test_a_fold_is_as_stable_as_any_alert() -> None:
    """Its id and its events' ids are the same in a second run, and differ from any pair's."""
    first, second = (list(_run(_aggregator(max_pairs=1), _scan(9), size)) for size in (2, 9))
    assert {alert.event_id for alert in first} == {alert.event_id for alert in second}
    assert len({alert.event_id for alert in first}) == 4


def test_how_many_hosts_is_known_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded; beyond, the number is the least it can be, and the alert says so."""
    monkeypatch.setattr(folding, "MAX_DESTINATIONS", 4)
    aggregator = _aggregator(max_pairs=1)
    summary = list(_run(aggregator, _scan(10), 3))[-1]
    assert (summary.destinations, summary.at_least, summary.count) == (4, True, 9)


def test_all_folds_share_one_store() -> None:
    """Many scanners at once can't fill the memory either, and places are given back."""
    room = Room(left=3)
    one, two = Destinations(room), Destinations(room)
    one.add([b"a", b"b", b"a"])
    two.add([b"a", b"b"])
    assert (one.count, one.at_least) == (2, False)
    assert (two.count, two.at_least) == (1, True)
    third = Destinations(room)
    third.add([b"a"])
    assert (third.count, third.at_least) == (1, True)
    one.release()
    assert (room.left, one.count) == (2, 2)


def test_an_originator_is_forgotten_with_its_alerts() -> None:
    """Nothing of a scan is held once its last alert is."""
    aggregator = _aggregator(max_pairs=2)
    list(_run(aggregator, _scan(9), 4))
    assert len(aggregator._held.origins) == 0
    assert aggregator._room.left == folding.MAX_ALL_DESTINATIONS
