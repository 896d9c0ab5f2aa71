"""Tests and intervals of paired methods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metatap_training.report.paired import Pair, behind, holm, ratio_interval


def _pair(own: list[list[float]], peer: list[list[float]]) -> Pair:
    first, second = np.array(own), np.array(peer)
    return Pair(np.arange(len(first)), first.mean(1), second.mean(1), first - second)


def test_many_positives_leave_the_spread_between_draws() -> None:
    """Where draws vary more than sampling does, z is that of the mean of the gaps."""
    own, peer = [[0.5, 0.6, 0.3, 0.7]], [[0.6, 0.9, 0.4, 0.8]]
    p = behind(_pair(own, peer), np.array([10_000_000]))
    t = stats.ttest_rel(own[0], peer[0]).statistic
    assert p[0] == pytest.approx(stats.norm.cdf(t), rel=1e-3)


def test_draws_that_agree_do_not_make_few_positives_many() -> None:
    """A gap of one positive in a hundred is no finding, were it the same in every draw."""
    p = behind(_pair([[0.50] * 5], [[0.51] * 5]), np.array([100]))
    assert p[0] > 0.1


def test_one_draw_compares_two_shares() -> None:
    """30 of 100 against 60 of 100 is far; against 31 it is not."""
    p = behind(_pair([[0.3], [0.3]], [[0.6], [0.31]]), np.array([100, 100]))
    assert p[0] < 1e-4
    assert p[1] > 0.4


def test_holm_by_hand() -> None:
    """0.01 ≤ 0.05/4 falls, 0.02 > 0.05/3 stands, and so do all above it."""
    assert holm(np.array([0.02, 0.01, 0.03, 0.04])).tolist() == [False, True, False, False]
    assert holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_lies_between_bonferroni_and_no_correction(p: list[float]) -> None:
    """Whatever Bonferroni rejects Holm rejects; nothing above the level falls."""
    values = np.array(p)
    rejected = holm(values)
    assert (rejected >= (values <= 0.05 / len(p))).all()
    assert not (rejected & (values > 0.05)).any()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_interval_lies_within_the_extreme_pairs(pairs: list[tuple[float, float]]) -> None:
    """A ratio of means is between the smallest and the greatest ratio of a pair."""
    own, peer = np.array(pairs).T
    peer = peer + 0.01
    low, high = ratio_interval(own, peer, rounds=200)
    assert (own / peer).min() - 1e-9 <= low <= high <= (own / peer).max() + 1e-9
