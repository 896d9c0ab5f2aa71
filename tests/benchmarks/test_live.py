"""What is concluded from a live run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from benchmarks.agents import dropped
from benchmarks.live import Live
from benchmarks.overload import disorder, recovery, shed
from benchmarks.schedule import Schedule
from benchmarks.tail import Tail
from benchmarks.watch import counted, opened

from benchmarks import proc, soak

SCHEDULE = Schedule(((100.0, 5.0), (1000.0, 10.0), (100.0, 10.0)))
"""500 flows, then 10,000, then 1,000."""


def live(
    order: list[int],
    delays: list[float],
    status: list[tuple[float, int, int]] | None = None,
    *,
    scored: int = 11_500,
    lost: int = 0,
) -> Live:
    numbers = np.array(order, np.int64)
    seen = SCHEDULE.due(numbers) + np.array(delays)
    process = np.array([(t, 100.0 + t, 0.5 * t) for t in range(30)], np.float64)
    return Live(
        *(SCHEDULE, 5.0, 11_500, scored, {"source.0.flows: lost": lost} if lost else {}),
        *(0.0, 0.1, numbers, seen, process),
        np.array(status or [(24.0, 11_400, 0)], np.float64).reshape(-1, 3),
    )


def test_delays_are_from_when_a_flow_was_due_and_without_the_warm_up() -> None:
    found = live([100, 600, 1500], [9.0, 0.25, 0.5])
    due, delays = found.delays()
    assert due.tolist() == [5.1, 6.0]
    assert delays == pytest.approx([0.25, 0.5])
    assert found.percentiles(100) == pytest.approx([500.0])


def test_without_an_alert_there_is_no_percentile() -> None:
    with pytest.raises(ValueError, match="no alert"):
        live([], []).percentiles(50)


def test_missing_is_what_was_not_scored_and_uncounted_what_nobody_names() -> None:
    found = live([], [], scored=11_000, lost=400)
    assert (found.missing, found.uncounted) == (500, 100)
    assert shed(found, 5.0, 15.0) == 0.05


def test_an_agent_is_behind_by_the_flows_that_came_and_were_not_scored() -> None:
    assert live([], [], [(20.0, 11_000, 0)]).behind == pytest.approx(0.0)
    assert live([], [], [(20.0, 10_900, 0)]).behind == pytest.approx(1.0)
    assert live([], [], [(20.0, 10_800, 100)]).behind == pytest.approx(1.0)
    assert live([], [], [(99.0, 11_500, 0)]).behind == float("inf")


def test_memory_and_processor_are_of_the_time_that_counts() -> None:
    found = live([], [])
    during = found.while_sent()
    assert (during[0, 0], during[-1, 0]) == (5.0, 25.0)
    assert found.cpu == pytest.approx(0.5)
    assert proc.slope(during[:, 0], during[:, 1]) == pytest.approx(60.0)


def test_recovered_is_when_nothing_is_slow_or_lost_any_more() -> None:
    assert recovery(live([600, 10_600], [0.1, 0.1]), 15.0) == 0.0
    # An alert of the overload that comes late is a sign too; one that came before its end is not.
    assert recovery(live([10_000], [2.5]), 15.0) == pytest.approx(2.0)
    assert recovery(live([5000], [2.5]), 15.0) == 0.0
    losing = [(14.0, 500, 9), (16.0, 900, 20), (18.0, 950, 20)]
    assert recovery(live([], [], losing), 15.0) == pytest.approx(1.0)


def test_order_is_broken_by_an_alert_behind_a_later_flow() -> None:
    assert disorder(live([1, 5, 5, 9], [0.0] * 4)) == 0
    assert disorder(live([1, 9, 5, 6, 10], [0.0] * 5)) == 2
    assert disorder(live([], [])) == 0


def test_holding_is_losing_nothing_and_not_piling_up() -> None:
    assert soak.holds(live([], [], [(20.0, 10_990, 0)]))
    assert not soak.holds(live([], [], [(20.0, 10_990, 0)], scored=11_499))
    assert not soak.holds(live([], [], [(20.0, 10_500, 0)]))


@pytest.mark.parametrize("limit", [1500.0, 90_000.0, 183_000.0, 1_000_000.0])
def test_the_search_ends_just_below_what_can_be_held(limit: float) -> None:
    search = soak.Search(183_000.0)
    tries = 0
    while not search.done():
        search.take(is_held=search.rate <= limit)
        tries += 1
    assert limit / soak.CLOSE <= search.held <= limit
    assert tries < 20


def test_the_search_gives_up_where_nothing_is_held() -> None:
    search = soak.Search(183_000.0)
    while not search.done():
        search.take(is_held=False)
    assert search.held == 0.0


def test_a_tail_gives_whole_lines_as_they_come(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "f")
    assert tail.lines()[1] == []
    with (tmp_path / "f").open("ab", buffering=0) as file:
        file.write(b"one\ntw")
        assert tail.lines()[1] == [b"one"]
        file.write(b"o\n\nthree")
        assert tail.lines()[1] == [b"two", b""]
    assert tail.lines()[1] == []
    tail.close()


def test_only_alerts_that_open_are_taken() -> None:
    def line(**own: object) -> bytes:
        return json.dumps({"rule": {"id": "x"}, "metatap": {"alert": own}}).encode()

    assert opened(line(kind="opened", uids=["C1", "C2"])) == "C1"
    assert not opened(line(kind="summary", uids=["C1"]))
    assert not opened(line(kind="opened", uids=[]))
    assert not opened(b"{")


def test_counters_are_taken_from_status_lines() -> None:
    stages = {
        "source.0.flows": {"received": 9, "passed": 7, "dropped": {"lost": 2}},
        "detector.flows": {"received": 7, "passed": 7, "dropped": {}},
    }
    line = json.dumps({"event": "agent_status", "flows": 7, "stages": stages}).encode()
    assert counted(line) == (7, 2)
    assert counted(line[:-3]) is None
    assert counted(b'{"event": "other"}') is None
    assert dropped({"stages": stages}) == {"source.0.flows: lost": 2}


def test_a_process_has_memory_and_a_gone_one_has_none() -> None:
    assert proc.rss(os.getpid()) > 10
    assert proc.cpu(os.getpid()) > 0
    assert (proc.rss(2**22 + 1), proc.cpu(2**22 + 1)) == (0.0, 0.0)
    with pytest.raises(ValueError, match="two points"):
        proc.slope(np.array([1.0]), np.array([1.0]))
