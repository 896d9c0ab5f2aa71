"""Lists in force: what is counted, and what expires."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.agent.alerts.scored import SCAN, SSH, detections, explain, flow, rules

from metatap.alerts import Aggregator
from metatap.detector import Detections
from metatap.lists import ListFile, ListRule, Lists, lists
from metatap.lists.values import network

S = 10**9


def lists_of(*given: ListRule) -> Lists:
    return Lists([ListFile(Path("a.yaml"), "", given)])


def rule(name: str, address: str, expires: int | None = None) -> ListRule:
    return ListRule(
        name, f"why {name}", Path("a.yaml"), 3, orig=(network(address),), expires=expires
    )


def batch(*addresses: str) -> Detections:
    return detections([flow(f"C{at}", id__orig_h=one) for at, one in enumerate(addresses)])


def test_each_hit_counts_under_the_first_rule_that_matches() -> None:
    """With its first and last time; rules that did nothing are listed too."""
    given = lists_of(rule("host", "10.0.0.1"), rule("net", "10.0.0.0/8"), rule("none", "9.0.0.1"))
    left = given.apply(batch("10.0.0.1", "10.0.0.2", "10.0.0.1", "172.16.0.1"), 5 * S)
    assert left.rows.tolist() == [3]
    given.apply(batch("10.0.0.1"), 8 * S)
    status = given.status(9 * S)
    assert status["suppressed"] == 4
    assert status["suppressed"] == 4
    place = {"file": "a.yaml", "line": 3, "aggregates": 0}
    assert status["by_rule"] == [
        {"id": "host", "reason": "why host", "hits": 3, "first": 5.0, "last": 8.0, **place},
        {"id": "net", "reason": "why net", "hits": 1, "first": 5.0, "last": 5.0, **place},
        {"id": "none", "reason": "why none", "hits": 0, **place},
    ]


def test_scores_and_other_packs_stay_as_they_are() -> None:
    """Only pairs of flow and pack are taken out, never flows."""
    given = lists_of(replace(rule("one", "10.0.0.1"), pack=(SCAN.id,)))
    before = detections([flow("C1")], [[2.0, 2.0]], rules(SSH, SCAN))
    after = given.apply(before, 0)
    assert (after.rows.tolist(), after.packs.tolist()) == ([0], [0])
    assert after.scores is before.scores
    assert after.batch is before.batch


def test_an_expired_rule_matches_no_more() -> None:
    """From the second on that it names; another rule behind it gets its turn."""
    given = lists_of(rule("short", "10.0.0.1", 10 * S), rule("longer", "10.0.0.1", 20 * S))
    for now in (10 * S - 1, 10 * S, 20 * S):
        given.apply(batch("10.0.0.1"), now)
    assert [one["hits"] for one in given.status(20 * S)["by_rule"]] == [1, 1]
    assert given.status(20 * S)["suppressed"] == 2


def test_expired_rules_are_named_once() -> None:
    """In the log when it happens, with or without traffic, and from then on in the status."""
    given = lists_of(rule("short", "10.0.0.1", 10 * S), rule("longer", "10.0.0.1", 20 * S))
    nothing = detections([flow("C1")], [[0.0]])
    with capture_logs() as logs:
        for now in (9 * S, 10 * S, 11 * S):
            given.apply(nothing, now)
    assert [entry["rules"] for entry in logs if entry["event"] == "list_rules_expired"] == [
        ["short"]
    ]
    assert given.status(11 * S)["expired"] == ["short"]
    again = lists_of(*given.rules)
    again.take_over(given)
    with capture_logs() as logs:
        again.apply(nothing, 20 * S)
    assert [entry["rules"] for entry in logs] == [["longer"]]
    assert again.status(20 * S)["expired"] == ["short", "longer"]


def test_the_first_hit_of_a_rule_is_logged() -> None:
    """With its id; further ones are counted only."""
    given = lists_of(rule("host", "10.0.0.1"))
    with capture_logs() as logs:
        given.apply(batch("10.0.0.1"), 0)
        given.apply(batch("10.0.0.1"), 1)
    [entry] = logs
    assert (entry["event"], entry["rules"], entry["count"]) == ("hits_suppressed", ["host"], 1)


def test_counts_outlive_a_reload() -> None:
    """Those of a rule that stays; of one that is gone they stay in the sum."""
    old = lists_of(rule("stays", "10.0.0.1"), rule("goes", "10.0.0.2"))
    old.apply(batch("10.0.0.1", "10.0.0.2", "10.0.0.2"), 5 * S)
    new = lists_of(rule("new", "10.0.0.2"), rule("stays", "10.0.0.1"))
    new.take_over(old)
    new.apply(batch("10.0.0.1", "10.0.0.2"), 6 * S)
    status = new.status(6 * S)
    assert {one["id"]: one["hits"] for one in status["by_rule"]} == {"new": 1, "stays": 2}
    assert status["suppressed"] == 5


def test_a_status_has_a_bounded_number_of_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that did something first; the rest is a number."""
    monkeypatch.setattr(lists, "MAX_SHOWN", 2)
    given = lists_of(*(rule(f"rule-{n}", f"10.0.0.{n}") for n in range(5)))
    given.apply(batch("10.0.0.3"), 5 * S)
    status = given.status(5 * S)
    assert [one["id"] for one in status["by_rule"]] == ["rule-3", "rule-0"]
    assert (status["rules"], status["not_shown"]) == (5, 3)


def test_an_alert_is_matched_by_the_flow_it_shows() -> None:
    """One alert or many; of a fold only originator and pack are known of all its flows."""
    by_resp = replace(rule("resp", "10.0.0.1"), resp=(network("10.0.0.2"),))
    aggregator = Aggregator("tap-1", explain, max_pairs=1)
    rows = [
        flow("C1"),
        flow("C2", id__resp_h="10.0.0.3"),
        flow("C3", id__resp_h="10.0.0.2", at=400),
    ]
    rows.append(flow("C4", id__resp_h="10.0.0.9", at=400))
    pair, fold, _, _ = aggregator.add(detections(rows))
    assert (pair.is_fold, fold.is_fold) == (False, True)
    fold = replace(fold, flow=pair.flow, resp=pair.resp)
    assert lists_of(by_resp).matching([pair, fold], 0) == ["resp", None]
    assert lists_of(by_resp).matching([fold], 0) == [None]
    assert lists_of(rule("orig", "10.0.0.1")).matching([pair, fold], 0) == ["orig", "orig"]
    assert lists_of(rule("orig", "10.0.0.1", 5)).matching([pair], 5) == [None]


def test_no_lists_change_nothing() -> None:
    """The very same object comes back."""
    before = batch("10.0.0.1")
    assert Lists().apply(before, 0) is before
    assert Lists().status(0)["by_rule"] == []
