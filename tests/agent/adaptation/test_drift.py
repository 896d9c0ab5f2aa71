"""Drift: quiet on the days of a network, heard when it changes."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np
import pytest

from metatap.adaptation.blocks import SAMPLE, Blocks
from metatap.adaptation.clock import DAY, HOUR, MINUTE
from metatap.adaptation.cusum import LIMIT, Cusum
from metatap.adaptation.drift import Drift
from metatap.adaptation.frame import Frame
from metatap.detector import Model, RuleSet, shipped_model
from metatap.errors import StateError
from metatap.features import NAMES, WIDTH
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs
from tests.agent.adaptation.test_budget_networks import read_hours
from tests.agent.adaptation.traffic import Seen, drawn, seen, stretched
from tests.agent.detector.networks import read_network

PACKS = ("dns-tunnel", "http-beacon", "port-scan", "ssh-bruteforce")


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet.build(Model(shipped_model()), load_folder(shipped_packs())[0], 1e-4)


def lab_hours(name: str, rules: RuleSet) -> list[Seen]:
    """Hours of 600 benign flows of a network of the lab."""
    network = read_network(f"{name}-logs", f"{name}.labels.csv")
    rows = np.flatnonzero(network.benign)
    return stretched(seen(network.flows.take(rows), network.features[rows], rules), 600)


def watch(drift: Drift, hours: Iterable[tuple[int, Seen]]) -> list[tuple[int, tuple[str, ...]]]:
    """Show hours minute by minute: when something was noticed, and what had moved."""
    notices = []
    for hour, part in hours:
        minute = part.time // MINUTE
        for number in np.unique(minute):
            rows = np.flatnonzero(minute == number)
            now = int(number) * MINUTE
            found = drift.add(part.features[rows], part.scores[rows], now)
            if found is not None:
                notices.append((now, found[1]))
        assert minute[-1] * MINUTE < (hour + 1) * HOUR
    return notices


@pytest.mark.untraced
def test_thirty_days_of_the_lab_are_quiet_and_a_change_is_found_within_an_hour(
    rules: RuleSet,
) -> None:
    """Hours of the office and the branch drawn at random; then the plant's flows instead."""
    rng = np.random.default_rng(0)
    hours = lab_hours("office", rules) + lab_hours("branch", rules)
    drift = Drift(PACKS, seed=0)
    notices = watch(drift, drawn(hours, 30 * 24, rng))
    assert len(notices) <= 1
    found = watch(drift, drawn(lab_hours("plant", rules), 2, rng, 30 * 24))
    assert found
    assert found[0][0] <= 30 * DAY + HOUR
    assert set(found[0][1]) <= {*NAMES, *(f"score.{pack}" for pack in PACKS)}


@pytest.mark.untraced
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "draws", "limit"), [("rita-testdata", 2, 60), ("vast-m57-zeek", 4, 120)]
)
def test_thirty_days_of_a_stored_network_are_quiet(
    rules: RuleSet, name: str, draws: int, limit: int
) -> None:
    """Thirty days in runs of two hours; then 600 flows an hour of another network.

    Where fewer than 30 flows come in five minutes, blocks are longer, and a change takes longer.
    """
    hours = read_hours(name, rules, 110_000, 1)
    other = lab_hours("plant", rules)
    notices, delays = 0, []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        drift = Drift(PACKS, seed=seed)
        notices += len(watch(drift, drawn(hours, 30 * 24, rng, length=2, seasonal=True)))
        drift = Drift(PACKS, seed=seed)
        early = watch(drift, drawn(hours, 36, rng, length=2, seasonal=True))
        notices += len(early)
        if early:
            continue
        found = watch(drift, drawn(other, 4, rng, 36))
        delays.append((found[0][0] - 36 * HOUR) / MINUTE)
    sys.stdout.write(
        f"\n{name}: {notices} notices in {31.5 * draws} days, a change found after {delays} min\n"
    )
    assert notices <= draws
    assert len(delays) > draws / 2
    assert max(delays) <= limit


def series(
    rng: np.random.Generator, hours: float, level: float = 0.0, begin: float = 0.0
) -> np.ndarray:
    """Blocks of five minutes of 40 series with a daily cycle, shifted by a level."""
    time = begin + np.arange(int(hours * 12)) / 12
    cycle = np.sin(2 * np.pi * time / 24)[:, None]
    return (cycle + level + 0.3 * rng.normal(size=(len(time), 40))).astype(np.float32)


def feed(cusum: Cusum, blocks: np.ndarray, begin: int = 0) -> list[int]:
    """Numbers of the blocks at which a change was found."""
    step = 5 * MINUTE
    found = []
    for at, block in enumerate(blocks):
        start = begin + at * step
        if cusum.add(block, start, start + step) is not None:
            found.append(at)
    return found


def test_the_hours_of_the_day_are_no_change() -> None:
    """A cycle as large as three times the scatter is what the reference knows."""
    cusum = Cusum(np.full(40, 0.01, np.float32))
    assert not feed(cusum, series(np.random.default_rng(0), 24 * 20))


def test_one_series_of_many_is_found_with_its_beginning() -> None:
    """One of forty moves out of its range: found within an hour, named first, dated to a block."""
    rng = np.random.default_rng(0)
    cusum = Cusum(np.full(40, 0.01, np.float32))
    assert not feed(cusum, series(rng, 48))
    blocks = series(rng, 2)
    blocks[:, 7] += 6.0
    begin, step = 2 * DAY, 5 * MINUTE
    for at, block in enumerate(blocks):
        change = cusum.add(block, begin + at * step, begin + (at + 1) * step)
        if change is not None:
            break
    assert change is not None
    assert at <= 11
    assert change.series[0] == 7
    assert change.distance[0] > 3
    assert change.statistic >= LIMIT
    assert abs(change.since - begin) <= 2 * step
    assert cusum.is_learning


def test_one_wild_hour_quarter_is_no_change() -> None:
    """Three blocks a thousand spreads away are wild, not a change."""
    rng = np.random.default_rng(0)
    cusum = Cusum(np.full(40, 0.01, np.float32))
    feed(cusum, series(rng, 48))
    blocks = series(rng, 3)
    blocks[5:8] = 1000.0
    assert not feed(cusum, blocks, 2 * DAY)


def test_what_is_not_known_says_nothing() -> None:
    """Series that are absent in the reference or in the blocks neither move nor break the rest."""
    rng = np.random.default_rng(0)
    cusum = Cusum(np.full(40, 0.01, np.float32))
    blocks = series(rng, 48)
    blocks[:, 0] = np.nan
    feed(cusum, blocks)
    after = series(rng, 2)
    after[:, 0] = 99.0
    after[:, 1] = np.nan
    assert not feed(cusum, after, 2 * DAY)
    assert feed(cusum, series(rng, 2, 9.0), 3 * DAY)


def test_what_was_learned_survives_a_restart() -> None:
    """A learned reference, or half of one, goes on; one of other series is refused."""
    rng = np.random.default_rng(0)
    for hours in (12, 48):
        cusum = Cusum(np.full(40, 0.01, np.float32))
        feed(cusum, series(rng, hours))
        other = Cusum(np.full(40, 0.01, np.float32))
        other.restore(Frame.decode(cusum.frame().encode()))
        assert other.is_learning == cusum.is_learning == (hours == 12)
        rest = series(rng, 24, begin=hours)
        begin = hours * HOUR
        assert feed(other, rest, begin) == feed(cusum, rest, begin) == []
        shifted = series(rng, 2, 9.0, hours)
        assert feed(other, shifted, begin + DAY) == feed(cusum, shifted, begin + DAY) != []
    with pytest.raises(StateError):
        Cusum(np.full(39, 0.01, np.float32)).restore(cusum.frame())
    frame = cusum.frame()
    with pytest.raises(StateError):
        cusum.restore(Frame(frame.facts, {**frame.arrays, "spread": np.zeros(41)}))


def test_a_block_is_an_even_sample_of_its_flows() -> None:
    """However many flows come, few are looked at, and each with the same chance."""
    blocks = Blocks(seed=0)
    scores = np.zeros((1000, 1), np.float32)
    for part in range(100):
        features = np.full((1000, WIDTH), part / 100, np.float32)
        assert blocks.add(features, scores, part * MINUTE // 25) is None
        assert blocks._held <= 2 * SAMPLE + 1000
    block = blocks.add(features, scores, 5 * MINUTE)
    assert block is not None
    flags = block.features[-20:]
    assert np.abs(flags - 0.495).max() < 0.06


def test_few_flows_make_longer_blocks() -> None:
    """Ten flows in five minutes wait for more, for an hour at most."""
    blocks = Blocks(seed=0)
    features, scores = np.zeros((10, WIDTH), np.float32), np.zeros((10, 1), np.float32)
    ends = [at for at in range(60) if blocks.add(features, scores, at * 5 * MINUTE)]
    assert ends[0] == 3
    assert np.diff(ends).max() == 3
    blocks = Blocks(seed=0)
    ends = [at for at in range(60) if blocks.add(features[:1], scores[:1], at * 5 * MINUTE)]
    assert ends[0] == 12
