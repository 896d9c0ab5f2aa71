"""The sample of the network's own flows."""

from __future__ import annotations

import numpy as np
import pytest

from metatap.adaptation.clock import DAY, HOUR
from metatap.adaptation.frame import Frame
from metatap.adaptation.reservoir import Reservoir
from metatap.errors import StateError

WIDTH = 3


def offer(sample: Reservoir, kind: np.ndarray, host: np.ndarray, now: int) -> None:
    """Show flows whose first feature is their kind."""
    rows, numbers = sample.draw(len(kind), now)
    hosts = host[rows].astype(np.uint64)
    admitted = sample.admits(hosts, numbers)
    features = np.repeat(kind[rows][admitted, None], WIDTH, axis=1).astype(np.float32)
    sample.add(features, hosts[admitted], numbers[admitted], now)


def test_kinds_keep_their_natural_weights() -> None:
    """Of flows of one time a tenth of the stream is a tenth of the sample."""
    rng = np.random.default_rng(0)
    sample = Reservoir(2000, 1.0, width=WIDTH, seed=0)
    for _ in range(100):
        offer(sample, rng.random(1000) < 0.1, rng.integers(10_000, size=1000), 0)
    assert len(sample.features) == 2000
    assert sample.seen == 100_000
    assert sample.features[:, 0].mean() == pytest.approx(0.1, abs=0.03)


def test_one_host_has_its_share_at_most() -> None:
    """A host that sends half of all flows has 5 % of the sample, and others fill it."""
    rng = np.random.default_rng(0)
    sample = Reservoir(1000, 0.05, width=WIDTH, seed=0)
    for _ in range(50):
        busy = rng.random(1000) < 0.5
        offer(sample, busy, np.where(busy, 7, 100 + rng.integers(500, size=1000)), 0)
    assert len(sample.features) == 1000
    assert (sample.hosts == 7).sum() == 50
    _, counts = np.unique(sample.hosts, return_counts=True)
    assert counts.max() <= 50


def test_few_hosts_make_a_small_sample() -> None:
    """With three hosts the cap leaves the sample small: it never lends one host another's share."""
    sample = Reservoir(1000, 0.05, width=WIDTH, seed=0)
    for _ in range(20):
        offer(sample, np.zeros(300), np.arange(300) % 3, 0)
    assert len(sample.features) == 150


def test_the_old_gives_way_by_half_lives() -> None:
    """After two half-lives of the same traffic the first one's flows are a fifth of the sample."""
    rng = np.random.default_rng(0)
    sample = Reservoir(2000, 1.0, half_life=DAY, width=WIDTH, seed=0)
    for hour in range(72):
        offer(sample, np.full(1000, hour // 24), rng.integers(10_000, size=1000), hour * HOUR)
    shares = np.bincount(sample.features[:, 0].astype(int), minlength=3) / 2000
    assert shares == pytest.approx([1 / 7, 2 / 7, 4 / 7], abs=0.05)


def test_batches_do_not_matter() -> None:
    """The same numbers give the same sample, however late the cut comes."""
    rng = np.random.default_rng(0)
    numbers = rng.gumbel(size=4000)
    hosts = rng.integers(40, size=4000).astype(np.uint64)
    kind = np.repeat(np.arange(4000, dtype=np.float32)[:, None], WIDTH, axis=1)
    found = []
    for step in (10, 333, 4000):
        sample = Reservoir(500, 0.05, width=WIDTH, seed=0)
        for at in range(0, 4000, step):
            part = slice(at, at + step)
            sample.add(kind[part], hosts[part], numbers[part], 0)
        found.append(sorted(sample.features[:, 0].tolist()))
    assert found[0] == found[1] == found[2]


def test_what_was_before_a_change_gives_way() -> None:
    """Aged by three half-lives, eight old flows weigh as much as one new one."""
    sample = Reservoir(1000, 1.0, width=WIDTH, seed=0)
    hosts = np.arange(5000)
    offer(sample, np.zeros(5000), hosts, 0)
    sample.age(HOUR, 3.0)
    offer(sample, np.ones(5000), hosts, HOUR)
    assert sample.features[:, 0].mean() > 0.8


def test_it_goes_on_after_a_restart() -> None:
    """What was kept is the same sample, and it goes on: numbers under which flows came are new."""
    rng = np.random.default_rng(0)
    sample = Reservoir(500, 0.1, width=WIDTH, seed=0)
    offer(sample, rng.random(5000), rng.integers(90, size=5000), HOUR)
    other = Reservoir(500, 0.1, width=WIDTH, seed=1)
    other.restore(Frame.decode(sample.frame().encode()))
    np.testing.assert_array_equal(other.features, sample.features)
    assert (other.since, other.seen) == (sample.since, sample.seen)
    before = set(other.serials.tolist())
    offer(other, rng.random(5000), rng.integers(90, size=5000), 2 * HOUR)
    new = set(other.serials.tolist()) - before
    assert new
    assert min(new) > max(before)
    small = Reservoir(100, 0.1, width=WIDTH)
    small.restore(sample.frame())
    assert len(small.features) == 100


def test_a_kept_sample_that_is_none_is_refused() -> None:
    """Another width, lengths that differ, values that are no numbers: an error, nothing taken."""
    sample = Reservoir(500, 0.1, width=WIDTH, seed=0)
    offer(sample, np.arange(100.0), np.arange(100), HOUR)
    good = sample.frame()
    bad: list[dict[str, np.ndarray]] = [
        {"features": np.zeros((100, WIDTH + 1), np.float32)},
        {"host": np.zeros(99, np.uint64)},
        {"number": np.full(100, np.nan)},
        {"serial": np.full(100, 100, np.int64)},
        {"features": np.full((100, WIDTH), np.inf, np.float32)},
    ]
    for change in bad:
        with pytest.raises(StateError):
            sample.restore(Frame(good.facts, {**good.arrays, **change}))
    with pytest.raises(StateError):
        sample.restore(Frame({"seen": -1, "serials": 100}, good.arrays))
    assert len(sample.features) == 100
