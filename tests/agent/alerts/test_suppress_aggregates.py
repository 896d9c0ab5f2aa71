"""What lists keep from the aggregator, and what becomes of aggregates that are open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from tests.agent.alerts.scored import SSH, Clocks, detections, explain, flow

from metatap.alerts import Aggregator, AlertKind
from metatap.alerts.aggregate import SUPPRESSED
from metatap.lists import ListFile, ListRule, Lists
from metatap.lists.values import network


def aggregator(clocks: Clocks, **options: Any) -> Aggregator:
    return Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic, **options)


def lists_of(*rules: ListRule) -> Lists:
    return Lists([ListFile(Path("a.yaml"), "", rules)])


QUIET = ListRule("quiet", "test", orig=(network("10.0.0.1"),))


def test_a_suppressed_hit_is_counted_and_raises_no_alert() -> None:
    """received = in an aggregate + dropped, and the rule knows how many."""
    stage, lists = aggregator(Clocks()), lists_of(QUIET)
    stage.keep = lists.apply
    alerts = stage.add(detections([flow("C1"), flow("C2", id__orig_h="10.0.0.7"), flow("C3")]))
    assert [alert.uids for alert in alerts] == [("C2",)]
    assert stage.hits.dropped == {SUPPRESSED: 2}
    assert (stage.hits.received, stage.hits.passed) == (3, 1)
    assert stage.hits.balanced
    assert lists.status()["suppressed"] == 2
    assert stage.add(detections([flow("C4")])) == []


def test_open_aggregates_that_match_close_without_a_summary() -> None:
    """At once; the others go on, and it is counted and logged how many flows it was."""
    stage, lists = aggregator(Clocks()), lists_of(QUIET)
    stage.add(detections([flow("C1"), flow("C2"), flow("C3", id__orig_h="10.0.0.7")]))
    with capture_logs() as logs:
        assert stage.suppress(lists.closing) == 1
    assert len(stage) == 1
    assert stage.suppressed == 1
    [entry] = logs
    assert (entry["event"], entry["aggregates"], entry["flows"]) == ("aggregates_suppressed", 1, 2)
    [summary] = stage.flush()
    assert (summary.kind, summary.orig) == (AlertKind.SUMMARY, "10.0.0.7")
    assert lists.status()["by_rule"][0]["aggregates"] == 1
    assert lists.status()["aggregates_closed"] == 1
    assert stage.suppress(lists.closing) == 0


def test_expiry_is_by_the_agents_clock() -> None:
    """Not by the time of the flows: a rule for a week is one for a week."""
    clocks = Clocks()
    rule = ListRule("quiet", "test", orig=QUIET.orig, expires=clocks.now + 60 * 10**9)
    stage, lists = aggregator(clocks), lists_of(rule)
    stage.keep = lists.apply
    assert stage.add(detections([flow("C1", at=-9999)])) == []
    clocks.wait(60)
    assert len(stage.add(detections([flow("C2", at=-9999)]))) == 1
    assert stage.suppress(lists.closing) == 0


def test_a_closed_aggregate_opens_anew_with_another_event() -> None:
    """Once the rule is gone: the same alert, no event of it twice."""
    stage = aggregator(Clocks())
    [first] = stage.add(detections([flow("C1")]))
    assert stage.suppress(lists_of(QUIET).closing) == 1
    [again] = stage.add(detections([flow("C1")]))
    assert again.id == first.id
    assert (again.kind, again.revision) == (AlertKind.OPENED, 1)
    assert again.event_id != first.event_id


def test_deadlines_of_suppressed_aggregates_do_no_harm() -> None:
    """Their entries in the queue are stale; an aggregate opened anew has its own."""
    clocks = Clocks()
    stage = aggregator(clocks)
    stage.add(detections([flow("C1")]))
    assert stage.suppress(lists_of(QUIET).closing) == 1
    clocks.wait(200)
    stage.add(detections([flow("C2", at=199)]))
    clocks.wait(2000)
    [summary] = stage.expire()
    assert summary.count == 1
    assert stage.expire() == []
    assert stage.flush() == []


def test_a_fold_is_not_closed_for_its_first_destination() -> None:
    """It stands for many hosts, of which a rule may mean one; the originator is all of them."""
    stage = aggregator(Clocks(), max_pairs=1)
    stage.add(detections([flow(f"C{n}", id__resp_h=f"10.0.1.{n}") for n in range(5)]))
    assert len(stage) == 2
    by_resp = ListRule("resp", "test", resp=(network("10.0.1.1"),))
    assert stage.suppress(lists_of(by_resp).closing) == 0
    by_pack = ListRule("pack", "test", pack=(SSH.id,))
    assert stage.suppress(lists_of(by_pack).closing) == 2
    assert len(stage._held.origins) == 0
    assert stage._room.left == type(stage._room)().left


def test_an_aggregate_whose_summary_is_out_is_left_alone() -> None:
    """It is held for late hits only: there is nothing to keep quiet, and nothing to count."""
    clocks, lists = Clocks(), lists_of(QUIET)
    stage = aggregator(clocks)
    stage.add(detections([flow("C1")]))
    clocks.wait(2000)
    assert len(stage.expire()) == 1
    assert stage.suppress(lists.closing) == 0
    assert lists.status()["aggregates_closed"] == 0
