"""metatap.offline.teach_sample, and packs of what queries and alerts give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from metatap.context import CONTEXT_WIDTH
from metatap.errors import TeachError
from metatap.flow import FlowBatch, from_rows
from metatap.offline.query import parse_query
from metatap.offline.teach import Lesson, check_lesson, make_pack
from metatap.offline.teach_sample import Examples, FloatArray, Matches, diverse
from metatap.offline.uids import uid_texts
from metatap.packs import Severity

LESSON = Lesson(
    id="big-answers",
    name="Big answers",
    description="",
    author="",
    created=date(2026, 11, 24),
    severity=Severity.LOW,
    attack=(),
    references=(),
    uids=(),
)


def stream(flows: int, size: int = 7, **more: Any) -> Iterator[tuple[FlowBatch, FloatArray]]:
    """Flows C0, C1, … with `orig_bytes` as their number; the context's first column is it too."""
    for begin in range(0, flows, size):
        numbers = range(begin, min(begin + size, flows))
        rows = [{"uid": f"C{at}", "orig_bytes": at, "partial": False} | more for at in numbers]
        context = np.full((len(rows), CONTEXT_WIDTH), np.nan, np.float32)
        context[:, 0] = list(numbers)
        yield from_rows(rows), context


def found(matches: Matches) -> list[str]:
    return uid_texts(matches.examples().flows)


def test_matches_come_with_their_context_in_order() -> None:
    """Of a stream in batches, whatever their size."""
    matches = Matches(parse_query("orig_bytes >= 20 and orig_bytes < 30"))
    for batch, context in stream(50):
        matches.add(batch, context)
    assert found(matches) == [f"C{at}" for at in range(20, 30)]
    assert matches.examples().context[:, 0].tolist() == [*range(20, 30)]
    assert matches.found == 10


def test_memory_is_bounded_and_what_is_kept_is_a_uniform_sample() -> None:
    """Every match has the same chance, early or late; the same seed keeps the same ones."""
    query = parse_query("has(orig_bytes)")
    times = np.zeros(60)
    for seed in range(400):
        matches = Matches(query, pool=6, seed=seed)
        for batch, context in stream(60):
            matches.add(batch, context)
            assert len(matches._draws) < 12 + 7
        assert matches.found == 60
        kept = found(matches)
        assert len(kept) == 6
        assert kept == sorted(kept, key=lambda uid: int(uid[1:]))
        times[[int(uid[1:]) for uid in kept]] += 1
    # 40 expected each, binomial(400, 0.1): standard deviation 6.
    assert times.min() > 40 - 5 * 6
    assert times.max() < 40 + 5 * 6
    assert abs(times[:30].sum() - 1200) < 5 * np.sqrt(400 * 6 * 0.25)


def test_partial_records_do_not_match() -> None:
    """The connection's final record comes later."""
    matches = Matches(parse_query("has(uid)"))
    for batch, context in stream(5, partial=True):
        matches.add(batch, context)
    assert matches.found == 0


def test_a_few_are_unlike_each_other() -> None:
    """Three tight kinds of 1,000, 10 and 3 flows: four rows hold all three, nearly always."""
    rng = np.random.default_rng(1)
    centres = np.array([[0, 0], [10, 0], [0, 10]], np.float32)
    kind = np.repeat([0, 1, 2], [1000, 10, 3])
    points = (centres[kind] + rng.normal(0, 0.05, (1013, 2))).astype(np.float32)
    whole = 0
    for seed in range(50):
        rows = diverse(points, 4, seed)
        assert rows.tolist() == diverse(points, 4, seed).tolist()
        assert len(set(rows.tolist())) == 4
        whole += len(set(kind[rows].tolist())) == 3
    assert whole >= 40


def test_equal_flows_can_be_told_apart_by_nothing() -> None:
    """Where all are alike, so many different rows are taken all the same."""
    rows = diverse(np.zeros((100, 3), np.float32), 5)
    assert len(set(rows.tolist())) == 5
    assert diverse(np.zeros((3, 3), np.float32), 5).tolist() == [0, 1, 2]


def test_a_pack_of_uids_alerts_and_a_query() -> None:
    """Named ones first; of the query's, as many as there is room for, each uid once."""
    alert = Examples(
        from_rows([{"uid": "A1", "orig_bytes": 1}]), np.zeros((1, CONTEXT_WIDTH), np.float32)
    )
    lesson = replace(
        LESSON,
        uids=("C9", "C3"),
        alerts=alert,
        where=parse_query("orig_bytes < 20"),
        not_where=parse_query("orig_bytes > 90"),
        most=8,
    )
    check_lesson(lesson)
    pack, picked = make_pack(lesson, stream(100))
    assert uid_texts(pack.flows) == ["C9", "C3", "A1", "C0", "C1", "C2", "C4", "C5"]
    assert pack.context is not None
    assert pack.context[:, 0].tolist() == [9, 3, 0, 0, 1, 2, 4, 5]
    assert pack.not_like is not None
    assert uid_texts(pack.not_like) == [f"C{at}" for at in range(91, 99)]
    assert picked.seen == 100
    assert picked.flows.rows == 16
    assert picked.matched is not None
    assert (picked.matched.found, picked.matched.taken) == (20, 5)
    assert picked.not_matched is not None
    assert (picked.not_matched.found, picked.not_matched.taken) == (9, 8)


def test_a_pack_of_alerts_alone_needs_no_stream() -> None:
    """Nothing is read."""
    alerts = Examples(
        from_rows([{"uid": "A1"}, {"uid": "A1"}, {"uid": "A2"}]),
        np.zeros((3, CONTEXT_WIDTH), np.float32),
    )
    lesson = replace(LESSON, alerts=alerts)
    assert not lesson.is_from_stream
    check_lesson(lesson)
    pack, picked = make_pack(lesson, ())
    assert uid_texts(pack.flows) == ["A1", "A2"]
    assert pack.not_like is None
    assert picked.seen == 0


def test_a_query_that_finds_nothing_is_an_error() -> None:
    """It says how many flows were asked."""
    lesson = replace(LESSON, where=parse_query('service == "dns"'))
    with pytest.raises(TeachError, match='no flow of 30 matches: service == "dns"'):
        make_pack(lesson, stream(30))


def test_a_flow_is_not_both() -> None:
    """Neither by two queries nor by a query and a name."""
    both = replace(
        LESSON, where=parse_query("orig_bytes > 3"), not_where=parse_query("uid == 'C7'")
    )
    with pytest.raises(TeachError, match=r"1 flows match .* e\.g\. uid C7"):
        make_pack(both, stream(30))
    named = replace(LESSON, where=parse_query("orig_bytes > 3"), not_like=("C7",))
    with pytest.raises(TeachError, match="as support flow and as counter-example: uid C7"):
        make_pack(named, stream(30))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, "no uid is given, no query and no alert"),
        ({"not_where": parse_query("has(uid)")}, "no uid is given, no query and no alert"),
        (
            {"uids": ("C1", "C2"), "where": parse_query("has(uid)"), "most": 2},
            "2 support flows are named: no room for those of a query",
        ),
    ],
)
def test_what_can_not_become_a_pack_is_told_before_reading(
    changes: dict[str, Any], fault: str
) -> None:
    """As for uids."""
    with pytest.raises(TeachError, match=fault):
        check_lesson(replace(LESSON, **changes))
