"""metatap.sinks.fitting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metatap.sinks.fitting import Fitting


@given(
    st.lists(st.binary(max_size=30), min_size=1, max_size=40),
    st.integers(min_value=1, max_value=30),
    st.integers(min_value=1, max_value=100),
    st.lists(st.booleans(), max_size=20),
)
def test_a_request_is_never_empty_and_never_too_large(
    parts: list[bytes], most: int, max_bytes: int, goes: list[bool]
) -> None:
    """Whatever became of those before; only a part that stands alone may be larger."""
    fitting = Fitting(most, max_bytes)
    for good in goes:
        count = fitting.count(parts)
        assert 1 <= count <= min(most, len(parts))
        assert count == 1 or sum(map(len, parts[:count])) <= max_bytes
        if good:
            fitting.was_good()
        else:
            fitting.was_too_much(count)
            assert fitting.count(parts) <= max(count // 2, 1)


def test_requests_grow_again() -> None:
    """Twice as large after each that was taken, up to what was there at first."""
    fitting, parts = Fitting(100, 1000), [b"x"] * 200
    fitting.was_too_much(100)
    counts = []
    for _ in range(3):
        counts.append(fitting.count(parts))
        fitting.was_good()
    assert counts == [50, 100, 100]
