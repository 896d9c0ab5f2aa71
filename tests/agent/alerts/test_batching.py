"""Properties of metatap.alerts.aggregate that hold for whatever flows come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.alerts.scored import SCAN, SSH, Clocks, alike, detections, explain, flow, rules

from metatap.alerts import Aggregator, Alert, AlertKind
from metatap.detector import Detections

Hit = tuple[int, int, int, int]
"""(pack, originator, responder, start)"""

HITS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 5), st.integers(0, 1200)),
    max_size=40,
)
BOTH = rules(SSH, SCAN)


def _batch(hits: Sequence[Hit], first: int = 0, *, uids: bool = True) -> Detections:
    rows = [
        flow(
            f"C{at}" if uids else "",
            start,
            id__orig_h=f"10.0.1.{orig}",
            id__resp_h=f"10.0.2.{resp}",
            duration=None if at % 2 else 2.5,
        )
        for at, (_, orig, resp, start) in enumerate(hits, first)
    ]
    scores = [
        [2.0 + at if pack == p else 0.0 for p in range(2)]
        for at, (pack, *_) in enumerate(hits, first)
    ]
    return detections(rows, scores, BOTH)


def _aggregator(clocks: Clocks, max_open: int, max_pairs: int) -> Aggregator:
    return Aggregator(
        "tap-1",
        explain,
        alike,
        max_open=max_open,
        max_pairs=max_pairs,
        clock=clocks.clock,
        monotonic=clocks.monotonic,
    )


@pytest.mark.untraced
@pytest.mark.parametrize("max_pairs", [1, 2, 32])
@settings(deadline=None)
@given(hits=HITS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_batching_changes_nothing(hits: list[Hit], cuts: list[int], max_pairs: int) -> None:
    """However flows are cut into batches, the alerts, ids and counts are the same."""

    def run(bounds: list[int]) -> list[Alert]:
        aggregator = _aggregator(Clocks(), 10_000, max_pairs)
        alerts: list[Alert] = []
        for begin, end in pairwise(bounds):
            if begin < end:
                alerts += aggregator.add(_batch(hits[begin:end], begin))
        alerts += aggregator.flush()
        assert aggregator.hits.balanced
        assert aggregator.hits.received == len(hits)
        return alerts

    whole = run([0, len(hits)])
    parts = run(sorted({0, len(hits), *(min(cut, len(hits)) for cut in cuts)}))
    assert sorted(whole, key=lambda a: a.event_id) == sorted(parts, key=lambda a: a.event_id)
    assert Counter(
        (alert.rule.id, alert.window_start, alert.count)
        for alert in whole
        if alert.kind is AlertKind.SUMMARY
    ) == _expected(hits, max_pairs)


def _expected(hits: list[Hit], max_pairs: int) -> Counter[tuple[str, int, int]]:
    """(pack, window, flows) of each aggregate, in plain words: the first pairs, then the rest."""
    pairs: dict[tuple[int, int, int], dict[int, int]] = {}
    for pack, orig, resp, start in hits:
        seen = pairs.setdefault((pack, orig, start // 300), {})
        place = resp if resp in seen or len(seen) < max_pairs else -1
        seen[place] = seen.get(place, 0) + 1
    found: Counter[tuple[str, int, int]] = Counter()
    for (pack, _, window), seen in pairs.items():
        for count in seen.values():
            name = (SSH, SCAN)[pack].id
            found[name, (1_700_000_100 + window * 300) * 10**9, count] += 1
    return found


@pytest.mark.untraced
@pytest.mark.parametrize("uids", [True, False])
@settings(deadline=None)
@given(
    batches=st.lists(st.tuples(HITS, st.sampled_from((0, 1, 700))), max_size=8),
    max_open=st.integers(1, 4),
    max_pairs=st.integers(1, 3),
)
def test_no_two_events_have_one_id(
    batches: list[tuple[list[Hit], int]], max_open: int, max_pairs: int, *, uids: bool
) -> None:
    """Whatever is closed early, forgotten, reopened or opened anew."""
    clocks = Clocks()
    aggregator = _aggregator(clocks, max_open, max_pairs)
    alerts: list[Alert] = []
    for hits, seconds in batches:
        alerts += aggregator.add(_batch(hits, uids=uids))
        clocks.wait(seconds)
        alerts += aggregator.expire()
        assert len(aggregator) <= max_open
    alerts += aggregator.flush()
    assert len({alert.event_id for alert in alerts}) == len(alerts)
    assert len(aggregator._held.origins) == 0
    assert aggregator.hits.received == sum(len(hits) for hits, _ in batches)
