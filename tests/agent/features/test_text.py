"""metatap.features.text."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metatap.features.text import byte_classes, class_counts, distinct
from metatap.flow import Strings

ITEMS = st.lists(st.none() | st.binary(max_size=40), max_size=30)


@given(ITEMS)
def test_counts_equal_python(items: list[bytes | None]) -> None:
    """Counts of byte classes are those a loop over the bytes gives."""
    got = class_counts(Strings.from_items(items), byte_classes(b"0123456789", b"abc"), 2)
    want = [
        [sum(b in b"0123456789" for b in item or b""), sum(b in b"abc" for b in item or b"")]
        for item in items
    ]
    np.testing.assert_array_equal(got, np.array(want, float).reshape(-1, 2))


@given(ITEMS)
def test_distinct_gives_every_string_back(items: list[bytes | None]) -> None:
    """Indexing the list of distinct strings by the codes restores the column."""
    codes, values = distinct(Strings.from_items(items))
    assert [values[code] for code in codes] == [item or b"" for item in items]
    assert len(set(values)) == len(values)


def test_distinct_on_a_slice() -> None:
    """Offsets that do not start at 0 (a view of a larger column) are read right."""
    whole = Strings.from_items([b"skip", b"http", b"dns", b"http"])
    view = Strings(whole.offsets[1:], whole.data)
    codes, values = distinct(view)
    assert [values[code] for code in codes] == [b"http", b"dns", b"http"]
