"""Medians, quartiles and turns."""

from __future__ import annotations

import pytest
from benchmarks.timing import Spread, in_turns, timed


def test_a_spread_is_the_median_and_the_quartiles() -> None:
    spread = Spread.of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (spread.median, spread.low, spread.high) == (3.0, 2.0, 4.0)


def test_a_ratio_is_of_the_two_times_of_one_turn() -> None:
    """A turn in which the machine was slow for both says the same as one in which it was not."""
    assert Spread.ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0]) == Spread(2.0, 2.0, 2.0)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_median_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no finite values"):
        Spread.of(values)


def test_a_ratio_needs_pairs_and_no_zero() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Spread.ratio([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="not above 0"):
        Spread.ratio([1.0], [0.0])


def test_jobs_take_turns_in_alternating_order_after_a_warm_up() -> None:
    order: list[str] = []

    def job(name: str, value: float) -> float:
        order.append(name)
        return value

    times = in_turns({"a": lambda: job("a", 1.0), "b": lambda: job("b", 2.0)}, 3, warm=1)
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert order == ["a", "b", *("a", "b"), *("b", "a"), *("a", "b")]


def test_turns_go_on_until_the_time_is_over() -> None:
    clock = iter(range(100))
    assert timed(lambda: None, lambda: float(next(clock))) == 1.0
    assert len(in_turns({"a": lambda: 1.0}, 1, seconds=0.01)["a"]) > 1
