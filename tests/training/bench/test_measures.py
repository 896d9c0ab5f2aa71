"""`bench.measures`, `budget` and `calibration` against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap_training.bench.budget import BUDGET, SHARE, at_budget
from metatap_training.bench.calibration import adaptive_ece
from metatap_training.bench.measures import (
    GRID,
    POOLED_RATE,
    Found,
    curve,
    host_interval,
    pooled,
    pooled_figures,
)
from metatap_training.bench.problem import Problem, Scores, Services

SCORES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60).map(np.array)
RATE = 1e-3


def counted(positive: np.ndarray, negative: np.ndarray, rate: float) -> float:
    """Best share found by any threshold that lets no more than the rate through."""
    best = 0.0
    for threshold in np.unique(np.concatenate([positive, negative])):
        if (negative > threshold).sum() <= rate * len(negative) + 1e-9:
            best = max(best, float((positive > threshold).mean()))
    return best


@given(SCORES, SCORES)
def test_a_curve_is_what_thresholds_allow(positive: np.ndarray, negative: np.ndarray) -> None:
    """At each rate of the grid; at a rate of 1 everything is found."""
    found = curve(Found(negative, positive, negative))
    for rate, share in zip(GRID[:-1], found, strict=False):
        assert share == pytest.approx(counted(positive, negative, rate))
    assert found[-1] == 1
    assert np.all(np.diff(found) >= 0)


def test_pooled_networks_share_a_threshold_in_units_of_their_own() -> None:
    """A network whose scores all lie higher by a constant changes nothing."""
    rng = np.random.default_rng(0)
    one = Found(rng.normal(size=2000), rng.normal(3, 1, 50), rng.normal(size=3000))
    lifted = Found(one.background + 7, one.positive + 7, one.negative + 7)
    together = pooled([one, lifted])
    twice = pooled([one, one])
    for part in ("background", "positive", "negative"):
        assert np.allclose(getattr(together, part), getattr(twice, part))
    figures = pooled_figures(together)
    assert figures["tpr_1e4"] == pytest.approx(
        counted(together.positive, together.negative, POOLED_RATE)
    )
    assert figures["fpr_background"] == pytest.approx(float((together.negative > 0).mean()))


def test_a_host_with_many_false_alerts_counts_once() -> None:
    """As the agent folds them."""
    hosts = np.repeat(np.arange(100), 10)
    negative = np.zeros(1000)
    negative[hosts == 7] = 5
    found = at_budget(np.array([1.0, 6.0]), negative, hosts, 0.01)
    assert found["recall_budget"] == 1
    assert found["precision_budget"] == pytest.approx(0.01 / (0.01 + 0.99 * 0.01))


@given(SCORES, SCORES, st.integers(1, 40))
def test_the_budget_is_never_exceeded(
    positive: np.ndarray, negative: np.ndarray, hosts: int
) -> None:
    """Nor is a threshold higher than it allows."""
    names = np.arange(len(negative)) % hosts
    found = at_budget(positive, negative, names, 0.01)
    highest = np.array([negative[names == one].max() for one in np.unique(names)])
    allowed = min(BUDGET, int(SHARE * len(highest)))
    shares = [
        float((positive > threshold).mean())
        for threshold in highest
        if (highest > threshold).sum() <= allowed
    ]
    assert found["recall_budget"] == pytest.approx(max(shares))


def test_stated_chances_that_come_true_have_no_error() -> None:
    """And those that are always sure and half wrong have half of all there is."""
    assert adaptive_ece(np.ones(50), np.zeros(50)) == 0
    assert adaptive_ece(np.ones(50), np.ones(50)) == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    chance = rng.random(40_000)
    hit = rng.random(40_000) < chance
    assert adaptive_ece(chance[hit], chance[~hit]) < 0.02


def asked(hosts: np.ndarray, scores: np.ndarray, positives: int) -> tuple[float, float] | None:
    """The interval of some queries' scores."""
    none, nobody = np.zeros((0, 1), np.float32), np.zeros(0, np.intp)
    text = np.zeros(0, np.str_)
    problem = Problem(
        support=none, background=none, queries=none, positives=positives,
        services=Services(text, text, text), hosts=hosts, ground_hosts=nobody, seed=0,
    )  # fmt: skip
    return host_interval(problem, Scores(np.zeros(0), scores))


def test_hosts_that_can_not_tell_give_no_interval() -> None:
    """Neither one originator of all positives, nor many whose flows are all found."""
    rng = np.random.default_rng(0)
    scores = np.r_[rng.normal(2, 1, 40), rng.normal(0, 1, 2000)]
    others = 100 + np.arange(2000) % 50
    assert asked(np.r_[np.zeros(40, np.intp), others], scores, 40) is None
    found = np.r_[np.full(40, 99.0), scores[40:]]
    several = np.r_[np.arange(40) % 8, others]
    assert asked(several, found, 40) is None
    interval = asked(several, scores, 40)
    assert interval is not None
    assert 0 <= interval[0] < interval[1] <= 1
