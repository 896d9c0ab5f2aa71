"""metatap.packs.sized."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metatap.packs.sized import SizedCache


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60))), st.integers(1, 100))
def test_never_more_than_the_limit(steps: list[tuple[int, int]], limit: int) -> None:
    """What is held is what was put last, and its sizes are those counted."""
    cache: SizedCache[int, int] = SizedCache(limit)
    sizes: dict[int, int] = {}
    for key, size in steps:
        cache.put(key, size, size)
        sizes[key] = size
        assert cache.size <= limit
        held = {known: value for known in sizes if (value := cache.get(known)) is not None}
        assert sum(held.values()) == cache.size
        assert all(sizes[known] == value for known, value in held.items())
        assert (size <= limit) == (key in held)


def test_what_is_used_is_kept() -> None:
    """The value that was longest not asked for goes first."""
    cache: SizedCache[str, str] = SizedCache(2)
    cache.put("a", "A", 1)
    cache.put("b", "B", 1)
    assert cache.get("a") == "A"
    cache.put("c", "C", 1)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")
    assert len(cache) == 2
