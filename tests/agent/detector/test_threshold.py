"""metatap.detector.threshold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metatap.detector.threshold import MARGIN, pack_threshold

NONE = np.zeros(0)
SCORES = hnp.arrays(np.float32, st.integers(1, 300), elements=st.floats(-50, 50, width=32))


@pytest.mark.parametrize(
    ("rate", "threshold"), [(0.1, 89.0), (0.01, 98.0), (1e-4, 99.0)], ids=["10%", "1%", "1e-4"]
)
def test_no_gap_is_the_quantile(rate: float, threshold: float) -> None:
    """Where the threat scores no higher than the background, the rate alone decides."""
    found = pack_threshold(np.arange(100.0), NONE, np.zeros(5), rate)
    assert found == pytest.approx(threshold, abs=1.01)
    assert (np.arange(100.0) >= found).mean() <= rate


def test_inside_the_gap() -> None:
    """Between the highest background score and the threat's own, nearer to the threat."""
    found = pack_threshold(np.array([-1.0, 0.0]), NONE, np.full(4, 1.0), 1e-4)
    assert found == pytest.approx(MARGIN)


def test_counter_examples_raise_the_floor() -> None:
    """What the pack says is not the threat does not reach the threshold."""
    counter = np.array([0.6])
    found = pack_threshold(np.array([-1.0, 0.0]), counter, np.full(4, 1.0), 1e-4)
    assert 0.6 < found < 1.0


def test_one_odd_support_flow_does_not_decide() -> None:
    """A single support flow that scores low does not pull the threshold down."""
    held_out = np.array([-5.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert pack_threshold(np.array([0.0]), NONE, held_out, 1e-4) == MARGIN


@given(SCORES, SCORES, st.sampled_from([1e-1, 1e-2, 1e-4]))
def test_never_over_the_rate(
    ground: npt.NDArray[np.float32], held_out: npt.NDArray[np.float32], rate: float
) -> None:
    """Whatever the scores, no more than the target share of the background is over it."""
    threshold = pack_threshold(ground, NONE, held_out, rate)
    assert (ground > threshold).sum() <= rate * len(ground) + 1e-9


@given(SCORES, SCORES)
def test_a_lower_rate_never_lowers_it(
    ground: npt.NDArray[np.float32], held_out: npt.NDArray[np.float32]
) -> None:
    """Fewer alerts allowed is a threshold at least as high."""
    rates = (1e-1, 1e-2, 1e-3)
    found = [pack_threshold(ground, NONE, held_out, rate) for rate in rates]
    assert found == sorted(found)
