"""metatap.metrics.histogram against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.metrics.histogram import Histogram, quantile

BOUNDS = (0.1, 0.5, 1.0, 10.0)
VALUES = st.lists(st.floats(-1, 100), max_size=50)


@given(VALUES)
def test_values_are_counted_by_their_bounds(values: list[float]) -> None:
    """A bound belongs to its bucket, as Prometheus' `le` says; what is negative is 0."""
    found = Histogram(BOUNDS)
    for value in values:
        found.observe(value)
    kept = [max(0.0, value) for value in values]
    upto = [sum(value <= bound for value in kept) for bound in (*BOUNDS, float("inf"))]
    assert list(np.cumsum(found.counts)) == upto
    assert found.total == pytest.approx(sum(kept))


@given(VALUES, st.floats(0.01, 1))
def test_a_quantile_is_in_the_bucket_of_the_value(values: list[float], share: float) -> None:
    """The value of that rank lies between the bounds that the estimate does."""
    found = Histogram(BOUNDS)
    for value in values:
        found.observe(value)
    estimate = quantile(found.bounds, found.counts, share)
    if not values:
        assert estimate is None
        return
    assert estimate is not None
    exact = sorted(max(0.0, v) for v in values)[
        max(0, int(np.ceil(share * len(values) - 1e-9)) - 1)
    ]
    edges = (0.0, *BOUNDS)
    at = int(np.searchsorted(BOUNDS, exact))
    if at == len(BOUNDS):
        assert estimate == BOUNDS[-1]
    else:
        assert edges[at] <= estimate <= BOUNDS[at] + 1e-12
