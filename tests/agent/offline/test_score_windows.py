"""`offline.score_windows`: windows of pairs of hosts, cut out of a mixed stream."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.flow import from_rows
from metatap.offline.score_windows import CELLS, Due, Windows, pair_keys

LENGTH = 3


def cut(pairs: list[int], parts: int, held: int = 1000, step: int = 1) -> list[Due]:
    """The windows of a stream whose flow i is of pair pairs[i] and has feature i."""
    windows = Windows(LENGTH, 1, held=held, step=step)
    keys = np.zeros((len(pairs), 4), np.uint64)
    keys[:, 2] = pairs
    features = np.arange(len(pairs), dtype=np.float32).reshape(-1, 1)
    found: list[Due] = []
    for part in np.array_split(np.arange(len(pairs)), parts):
        found += windows.add(keys[part], features[part])
    return found + list(windows.end())


def flows(found: list[Due]) -> list[list[int]]:
    """Places of the flows of each window."""
    return [due.number[due.window == at].tolist() for due in found for at in range(len(due.mask))]


@given(st.lists(st.integers(0, 4), max_size=60), st.integers(1, 9))
def test_windows_are_consecutive_flows_of_a_pair(pairs: list[int], parts: int) -> None:
    """However the stream comes in parts: every flow once, three at a time, the rest padded."""
    expected = defaultdict(list)
    for at, pair in enumerate(pairs):
        expected[pair].append(at)
    chunks = [
        places[at : at + LENGTH]
        for places in expected.values()
        for at in range(0, len(places), LENGTH)
    ]
    found = cut(pairs, parts)
    assert sorted(flows(found)) == sorted(chunks)
    for due in found:
        assert (np.diff(due.mask, axis=1) <= 0).all()
        np.testing.assert_array_equal(due.mask.sum(1), np.bincount(due.window))
        np.testing.assert_array_equal(due.sequences[due.mask > 0][:, 0], due.number)
        assert not due.sequences[due.mask == 0].any()


@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 12), st.integers(1, 8))
def test_what_waits_is_bounded(pairs: list[int], held: int, step: int) -> None:
    """A window is let go once so many flows came after its first one; none is lost or twice."""
    windows = Windows(LENGTH, 1, held=held, step=step)
    gone: set[int] = set()
    for at, pair in enumerate(pairs):
        keys = np.array([[pair, 0, 0, 0]], np.uint64)
        for due in windows.add(keys, np.zeros((1, 1), np.float32)):
            new = set(due.number.tolist())
            assert not new & gone
            gone |= new
        waiting = set(range(at + 1)) - gone
        assert all(number > at - held - step for number in waiting)
    for due in windows.end():
        gone |= set(due.number.tolist())
    assert gone == set(range(len(pairs)))


def test_a_full_window_does_not_wait_for_the_end() -> None:
    """It is due with its last flow, others stay."""
    windows = Windows(LENGTH, 1, step=1)
    keys = np.zeros((4, 4), np.uint64)
    keys[1, 0] = 7
    assert flows(list(windows.add(keys, np.zeros((4, 1), np.float32)))) == [[0, 2, 3]]
    assert flows(list(windows.end())) == [[1]]
    assert not flows(list(windows.end()))


def test_a_pair_is_originator_and_responder() -> None:
    """The two directions are two pairs; a flow without addresses is of the pair of nobody."""
    ends = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1"), (None, None), ("10.0.0.1", None)]
    rows = [
        {k: v for k, v in (("uid", "C"), ("id.orig_h", a), ("id.resp_h", b)) if v} for a, b in ends
    ]
    keys = pair_keys(from_rows(rows))
    assert len({row.tobytes() for row in keys}) == 4
    assert not keys[2].any()
    np.testing.assert_array_equal(pair_keys(from_rows([{"uid": "C"}])), np.zeros((1, 4)))


@pytest.mark.parametrize("count", [1, 1024, 1025, 3000])
def test_many_windows_come_in_parts(count: int) -> None:
    """A scan of thousands of hosts is not laid out at once."""
    found = cut(list(range(count)), 1, held=10, step=10**6)
    assert max(len(due.mask) for due in found) <= 1024
    assert sum(len(due.mask) for due in found) == count


def test_wide_windows_are_laid_out_fewer_at_once() -> None:
    """What one part holds is bounded by values, not by windows; none is lost."""
    length, width, count = 64, 147, 300
    windows = Windows(length, width, step=10**6)
    keys = np.zeros((count, 4), np.uint64)
    keys[:, 0] = np.arange(count)
    found = list(windows.add(keys, np.zeros((count, width), np.float32))) + list(windows.end())
    assert max(due.sequences.size for due in found) <= CELLS
    assert sorted(np.concatenate([due.number for due in found])) == list(range(count))
