"""The tail of scores, and the thresholds that follow from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.adaptation.budget import estimate, fill
from metatap.adaptation.candidates import BLOCK, HOST_KEYS, Candidates
from metatap.adaptation.clock import DAY, HOUR
from metatap.adaptation.frame import Frame
from metatap.adaptation.pareto import fit, level
from metatap.adaptation.tail import ROOM, Tail, counted
from metatap.errors import StateError

FLOORS = np.zeros(1, np.float32)
OWN = np.full(1, 0.9, np.float32)
ALL = np.array([0])


def found(
    score: np.ndarray, host: np.ndarray, now: int, key: np.ndarray | None = None, pack: int = 0
) -> Candidates:
    """One row a score."""
    count = len(score)
    keys = np.random.default_rng(now).integers(2**62, size=count) if key is None else key
    return Candidates(
        np.full(count, pack, np.int64),
        score.astype(np.float32),
        keys.astype(np.uint64),
        host.astype(np.uint64),
        np.full(count, now, np.int64),
    )


def ordinary(tail: Tail, days: float, rng: np.random.Generator, begin: int = 0) -> int:
    """Days of benign traffic: 480 keys a day of many hosts, scores exponential over 0.1."""
    now = begin
    for hour in range(int(days * 24)):
        now = begin + hour * HOUR
        tail.add(found(rng.exponential(0.1, 20), rng.integers(10**6, size=20), now), now)
    return now


def test_excesses_of_a_known_tail_are_fitted() -> None:
    """Shape and scale of an exponential and of a uniform are found, and a level beyond the data."""
    rng = np.random.default_rng(0)
    shape, scale = fit(np.sort(rng.exponential(0.5, 5000)))
    assert shape == pytest.approx(0.0, abs=0.06)
    assert scale == pytest.approx(0.5, abs=0.05)
    shape, _ = fit(np.sort(rng.random(5000) * 0.4))
    assert shape == pytest.approx(-0.5, abs=0.02)
    top = np.sort(rng.exponential(1.0, 10_000))[::-1][:201]
    assert level(top, 2.0) == pytest.approx(np.log(5000), abs=0.8)
    assert level(np.ones(5), 0.5) == 1.0


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=20),
    st.floats(0.01, 1000),
)
def test_shares_are_even_and_never_more_than_can_be_used(most: list[float], budget: float) -> None:
    """All of the budget is shared out if it can be used; who is not limited has the most."""
    limits = np.array(most)
    shares = fill(budget, limits)
    assert (shares <= limits + 1e-9).all()
    assert shares.sum() == pytest.approx(min(budget, limits.sum()))
    free = shares < limits - 1e-9
    if free.any():
        assert shares[free].max() == pytest.approx(shares[free].min())
        assert shares[free].min() >= shares.max() - 1e-6


def test_a_share_is_met_on_traffic_not_used() -> None:
    """After three days, ten alerts a day are asked for and about ten come on the next hundred."""
    rng = np.random.default_rng(0)
    tail = Tail(FLOORS, 0)
    now = ordinary(tail, 3, rng)
    threshold = estimate(tail, [(10.0, ALL)], FLOORS, OWN, now).thresholds[0]
    realised = (rng.exponential(0.1, 48_000) >= threshold).sum() / 100
    assert 0.7 * 10 <= realised <= 1.4 * 10


def test_a_few_hours_are_extrapolated() -> None:
    """After six hours two alerts a day are half a key: the level lies beyond all that was seen."""
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(30):
        tail = Tail(FLOORS, 0)
        now = ordinary(tail, 0.25, rng)
        own = np.zeros(1, np.float32)
        threshold = estimate(tail, [(2.0, ALL)], FLOORS, own, now).thresholds[0]
        rates.append(480 * np.exp(-threshold / 0.1))
    assert 0.5 <= np.median(rates) / 2.0 <= 2.0


def test_until_enough_is_seen_the_packs_own_threshold_holds() -> None:
    """In the first hour nothing is changed, in the first day nothing is lowered."""
    rng = np.random.default_rng(0)
    tail = Tail(FLOORS, 0)
    ordinary(tail, 2 / 24, rng)
    assert estimate(tail, [(400.0, ALL)], FLOORS, OWN, HOUR // 2).thresholds[0] == OWN[0]
    assert estimate(tail, [(400.0, ALL)], FLOORS, OWN, 2 * HOUR).thresholds[0] == OWN[0]
    now = ordinary(tail, 1.5, rng, 2 * HOUR)
    assert estimate(tail, [(400.0, ALL)], FLOORS, OWN, now).thresholds[0] < 0.1


def test_no_budget_lowers_a_threshold_below_the_floor() -> None:
    """A budget that can't be used up ends at the floor."""
    tail = Tail(np.full(1, 0.05, np.float32), 0)
    now = ordinary(tail, 2, np.random.default_rng(0))
    floors = np.full(1, 0.05, np.float32)
    assert estimate(tail, [(1e6, ALL)], floors, OWN, now).thresholds[0] == floors[0]


def test_what_a_quiet_pack_leaves_goes_to_the_others() -> None:
    """One pack that never comes near its floor costs the other next to nothing."""
    rng = np.random.default_rng(0)
    tail = Tail(np.zeros(2, np.float32), 0)
    now = ordinary(tail, 3, rng)
    both = estimate(tail, [(20.0, np.array([0, 1]))], np.zeros(2, np.float32), OWN.repeat(2), now)
    assert both.rates[0] == pytest.approx(19, abs=1)
    assert both.thresholds[1] == 0.0


@pytest.mark.parametrize("alerts", [12, 400])
def test_an_attack_going_on_does_not_hide_itself(alerts: int) -> None:
    """Six hours of one host, with any number of alerts, move the threshold by two places."""
    rng = np.random.default_rng(0)
    tail = Tail(FLOORS, 0)
    now = ordinary(tail, 3, rng)
    before = estimate(tail, [(10.0, ALL)], FLOORS, OWN, now).thresholds[0]
    top = np.sort(tail.highest(now, OWN)[0][0])[::-1]
    for hour in range(6):
        at = now + hour * HOUR
        tail.add(found(np.full(alerts, 0.95), np.full(alerts, 7), at), at)
        after = estimate(tail, [(10.0, ALL)], FLOORS, OWN, at).thresholds[0]
        assert after <= 0.95
        assert after <= top[max(np.searchsorted(-top, -before) - 4, 0)]


def test_a_host_that_goes_on_for_days_is_what_the_network_is_like() -> None:
    """A service that is flagged every five minutes for three days is no longer, after a day."""
    rng = np.random.default_rng(0)
    tail = Tail(FLOORS, 0)
    kept = []
    threshold = 0.0
    for hour in range(72):
        now = hour * HOUR
        tail.add(found(rng.exponential(0.1, 20), rng.integers(10**6, size=20), now), now)
        tail.add(found(np.full(12, 0.95), np.full(12, 7), now), now)
        threshold = estimate(tail, [(10.0, ALL)], FLOORS, OWN, now).thresholds[0]
        kept.append(threshold <= 0.95)
    assert all(kept[:12])
    assert not any(kept[36:])
    assert threshold < 1.0


def test_a_key_counts_once_however_many_flows_it_has() -> None:
    """An alert of a thousand flows is one alert, with its highest score."""
    tail = Tail(FLOORS, 0)
    scores = np.linspace(0.1, 0.8, 1000)
    for part in np.array_split(np.arange(1000), 7):
        tail.add(found(scores[part], np.full(len(part), 7), 0, np.full(len(part), 5)), 0)
    kept, whole = tail.highest(0, OWN)[0]
    assert whole
    assert kept.tolist() == [pytest.approx(0.8)]


def test_memory_is_bounded_and_the_floor_rises() -> None:
    """Of any number of keys the `ROOM` highest are kept; lower flows are not asked for any more."""
    rng = np.random.default_rng(0)
    tail = Tail(FLOORS, 0)
    scores = rng.random(50_000)
    for part in np.array_split(scores, 50):
        tail.add(
            found(
                part, rng.integers(2**40, size=len(part)), 0, rng.integers(2**62, size=len(part))
            ),
            0,
        )
    kept, whole = tail.highest(0, OWN)[0]
    assert not whole
    assert len(kept) == ROOM
    np.testing.assert_array_equal(kept, np.sort(scores.astype(np.float32))[::-1][:ROOM])
    assert tail.floors[0] == np.nextafter(kept[-1], np.float32(np.inf))
    tail.add(found(np.full(5000, 2.0), np.full(5000, 7), 0), 0)
    assert len(tail.frame(0).arrays["pack"]) == ROOM
    assert (tail.frame(0).arrays["score"] == 2.0).sum() == HOST_KEYS


def test_what_is_older_than_the_horizon_is_forgotten() -> None:
    """A day with high scores no longer counts after three others; nor does what a drift ended."""
    tail = Tail(FLOORS, 0)
    tail.add(found(np.full(50, 0.9), np.arange(50), 0), 0)
    tail.add(found(np.full(50, 0.3), np.arange(50), DAY), DAY)
    assert len(tail.highest(2 * DAY, OWN)[0][0]) == 100
    assert tail.highest(3 * DAY + 1, OWN)[0][0].max() == pytest.approx(0.3)
    tail.forget(3 * DAY + 1, 2 * DAY)
    assert not len(tail.highest(3 * DAY + 1, OWN)[0][0])
    assert tail.start[0] == 2 * DAY


def test_a_large_budget_is_estimated_from_a_share_of_the_keys() -> None:
    """Two thousand alerts a day are more than there is room for; they are met by a sample."""
    rng = np.random.default_rng(0)
    tail = Tail(FLOORS, 0)
    threshold = 0.0
    for hour in range(48):
        now = hour * HOUR
        scores = rng.exponential(0.1, 500)
        tail.add(
            found(scores, rng.integers(2**40, size=500), now, rng.integers(2**62, size=500)), now
        )
        threshold = float(estimate(tail, [(2000.0, ALL)], FLOORS, OWN, now).thresholds[0])
    assert tail.share < 0.1
    realised = 12_000 * np.exp(-threshold / 0.1)
    assert 0.7 <= realised / 2000 <= 1.4


def test_presence_is_counted_at_the_height_of_the_score() -> None:
    """A host that was long there with low scores is new where it scores high."""
    score = np.array([0.9, 0.9, 0.9, 0.2, 0.2, 0.2], np.float32)
    block = np.array([3, 3, 3, 2, 1, 0])
    counts = counted(score, np.zeros(6, np.uint64), block, np.full(6, 0.5, np.float32))
    assert counts.tolist() == [True, False, False, True, True, True]
    unlikely = counted(score, np.zeros(6, np.uint64), block, np.ones(6, np.float32))
    assert unlikely.tolist() == [True, True, False, True, True, True]
    again = counted(
        np.full(6, 0.9, np.float32), np.zeros(6, np.uint64), block, np.full(6, 0.5, np.float32)
    )
    assert again.tolist() == [True, True, True, True, True, True]
    assert not len(counted(score[:0], np.zeros(0, np.uint64), block[:0], score[:0]))


def test_it_goes_on_after_a_restart() -> None:
    """The same thresholds follow from what was kept; what is no tail is refused."""
    tail = Tail(FLOORS, 0)
    now = ordinary(tail, 3, np.random.default_rng(0))
    frame = Frame.decode(tail.frame(now).encode())
    other = Tail.restore(frame, now)
    for budget in (3.0, 30.0):
        one = estimate(tail, [(budget, ALL)], FLOORS, OWN, now)
        two = estimate(other, [(budget, ALL)], FLOORS, OWN, now)
        np.testing.assert_array_equal(one.thresholds, two.thresholds)
    for change in (
        {"pack": frame.arrays["pack"] + 1},
        {"score": frame.arrays["score"] * np.nan},
        {"time": frame.arrays["time"] + 9 * BLOCK},
        {"key": frame.arrays["key"][1:]},
    ):
        with pytest.raises(StateError):
            Tail.restore(Frame(frame.facts, {**frame.arrays, **change}), now)
    with pytest.raises(StateError):
        Tail.restore(Frame({"share": 0.0}, frame.arrays), now)
