"""metatap.detector.threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from metatap.detector.threshold import tail_threshold


@pytest.mark.parametrize(
    ("name", "rate"), [("exponential", 1e-3), ("exponential", 1e-4), ("normal", 1e-4)]
)
def test_extrapolates_to_the_rate(name: str, rate: float) -> None:
    """From 4,096 scores the threshold is exceeded at about the target rate by fresh ones."""
    rng = np.random.default_rng(7)
    draw = getattr(rng, name)
    rates = []
    for _ in range(40):
        threshold = tail_threshold(draw(size=4096), rate)
        rates.append(float((draw(size=400_000) > threshold).mean()))
    assert rate / 3 < np.median(rates) < rate * 3


def test_no_tail_keeps_the_threshold_at_the_top() -> None:
    """A background without spread gives its own value, not NaN."""
    assert tail_threshold(np.full(1000, 2.5), 1e-4) == 2.5


def test_few_scores() -> None:
    """With too few scores for a fit the highest one stands in."""
    assert tail_threshold(np.array([1.0, 3.0, 2.0]), 1e-4) == 3.0


@given(
    hnp.arrays(np.float32, st.integers(1, 400), elements=st.floats(-50, 50, width=32)),
    st.sampled_from([1e-2, 1e-3, 1e-5]),
)
def test_never_below_the_empirical_quantile(scores: np.ndarray, rate: float) -> None:
    """Whatever the scores, no more than the target share of them is over the threshold."""
    threshold = tail_threshold(scores, rate)
    assert np.isfinite(threshold)
    assert (scores > threshold).sum() <= np.ceil(rate * len(scores))


@given(hnp.arrays(np.float64, 700, elements=st.floats(-5, 5)))
def test_a_lower_rate_is_a_higher_threshold(scores: np.ndarray) -> None:
    """Fewer alerts allowed never lowers the threshold."""
    assert tail_threshold(scores, 1e-5) >= tail_threshold(scores, 1e-3) - 1e-9
