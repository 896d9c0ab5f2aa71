"""When flows are due."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.schedule import Schedule
from hypothesis import given
from hypothesis import strategies as st

phases = st.lists(st.tuples(st.floats(1.0, 1e6), st.floats(0.1, 1e3)), min_size=1, max_size=4).map(
    tuple
)


def test_phases_follow_each_other() -> None:
    schedule = Schedule(((10.0, 2.0), (100.0, 1.0), (10.0, 1.0)))
    assert (schedule.seconds, schedule.flows) == (4.0, 130)
    assert schedule.due([0, 10, 20, 120, 130, 140]).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [schedule.rate(n) for n in (0, 19, 20, 119, 120, 1000)] == [10, 10, 100, 100, 10, 10]
    assert schedule.told([3.0, 99.0]).tolist() == [120.0, 130.0]


@given(phases, st.floats(0.0, 1.0))
def test_told_is_the_inverse_of_due(given_: tuple[tuple[float, float], ...], share: float) -> None:
    schedule = Schedule(given_)
    at = share * schedule.seconds
    assert float(schedule.due(schedule.told(at))) == pytest.approx(at, rel=1e-6, abs=1e-6)


@given(phases)
def test_time_goes_on(given_: tuple[tuple[float, float], ...]) -> None:
    schedule = Schedule(given_)
    numbers = np.linspace(0, 2 * schedule.flows + 10, 50)
    assert (np.diff(schedule.due(numbers)) >= 0).all()


@pytest.mark.parametrize("bad", [(), ((0.0, 1.0),), ((1.0, -1.0),)])
def test_a_phase_has_a_rate_and_a_time(bad: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Schedule(bad)
