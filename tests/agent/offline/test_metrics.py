"""`offline.metrics` and the weighted figures of the bootstrap, against simpler computations."""

from __future__ import annotations

import numpy as np
import pytest

from metatap.offline.bootstrap import Weighted, percentiles
from metatap.offline.metrics import auprc, tpr_at, wilson


def test_wilson_is_the_published_interval() -> None:
    """Values of Newcombe, Statistics in Medicine 1998, table I: 81/263, 15/148, 0/20, 1/29."""
    for hits, total, expected in (
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ):
        assert wilson(hits, total) == pytest.approx(expected, abs=5e-5)


def test_wilson_takes_parts_of_a_trial() -> None:
    """Between the intervals of the whole numbers next to it."""
    for at in (0, 1):
        assert wilson(3, 8)[at] < wilson(3.5, 8)[at] < wilson(4, 8)[at]


def test_every_round_is_told() -> None:
    """As often as there are rounds, and the figures are as many."""
    told: list[None] = []
    flows = np.arange(4)
    weighted = Weighted(
        system=np.zeros(4, np.float32),
        alerted=np.ones(4, np.bool_),
        host=flows.astype(np.int32),
        benign=flows[:0],
        sets=[flows],
        rate=1e-3,
    )
    drawn = weighted.rounds(4, rounds=7, on_round=lambda: told.append(None))
    assert len(told) == len(drawn.recall) == 7


def test_wilson_holds_its_share() -> None:
    """Also at 0 and 1, where rounding might put it beside."""
    for total in (1, 3, 1000):
        for hits in (0, total // 2, total):
            low, high = wilson(hits, total)
            assert 0 <= low <= hits / total <= high <= 1


@pytest.mark.parametrize("seed", range(5))
def test_weights_are_repetitions(seed: int) -> None:
    """A weighted figure is that of flows repeated as often as their host is drawn, with ties."""
    rng = np.random.default_rng(seed)
    size, hosts, rate = 1500, 40, 0.01
    system = rng.normal(0, 1, size).round(1).astype(np.float32)
    host = rng.integers(0, hosts, size).astype(np.int32)
    group = rng.integers(-4, 3, size)
    alerted = system > 1
    benign, malicious = np.flatnonzero(group < 0), np.flatnonzero(group >= 0)
    sets = [malicious, *(np.flatnonzero(group == at) for at in range(3))]
    weighted = Weighted(
        system=system, alerted=alerted, host=host, benign=benign, sets=sets, rate=rate
    )
    weight = np.bincount(rng.integers(hosts, size=hosts), minlength=hosts).astype(np.float64)
    figures = weighted.figures(weight)
    times = weight[host].astype(int)
    negative = np.repeat(benign, times[benign])
    for at, flows in enumerate(sets):
        positive = np.repeat(flows, times[flows])
        share = len(positive) / (len(positive) + len(negative))
        area = auprc(system[positive], system[negative], share)
        assert figures.auprc[at] == pytest.approx(area)
        assert figures.tpr[at] == tpr_at(system[positive], system[negative], rate)
        assert figures.recall[at] == pytest.approx(alerted[positive].mean())
    hits, false = times[malicious][alerted[malicious]].sum(), alerted[negative].sum()
    precision, recall = hits / (hits + false), hits / times[malicious].sum()
    f1 = 2 * precision * recall / (precision + recall)
    expected = [precision, f1, false / len(negative)]
    np.testing.assert_allclose(figures.totals, expected)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 samples of 60 hosts with a recall of their own, about 95 % hold the true mean."""
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        host = np.repeat(np.arange(60, dtype=np.int32), 10)
        alerted = rng.random(600) < np.repeat(rng.beta(2, 2, 60), 10)
        flows = np.arange(600)
        weighted = Weighted(
            system=alerted.astype(np.float32),
            alerted=alerted,
            host=host,
            benign=flows[:0],
            sets=[flows],
            rate=1e-3,
        )
        drawn = weighted.rounds(60, rounds=200, seed=seed).recall[:, 0]
        ends = percentiles(drawn, float(alerted.mean()))
        assert ends is not None
        covered += ends[0] <= 0.5 <= ends[1]
    assert 178 <= covered <= 199


def test_hosts_that_agree_give_no_interval() -> None:
    """A bootstrap in which nothing moves says nothing; undefined rounds are left out."""
    assert percentiles(np.array([1.0, 1.0, np.nan]), 1.0) is None
    assert percentiles(np.array([np.nan]), 1.0) is None
    assert percentiles(np.array([0.2, 0.4, np.nan]), 0.5) == pytest.approx((0.205, 0.5))
