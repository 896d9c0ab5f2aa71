"""The two forms of a column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import FlowError
from metatap.flow import Numeric, Strings
from metatap.flow.columns import concat_numeric, concat_strings

ITEMS = st.lists(st.none() | st.binary(min_size=1, max_size=9), max_size=12)


def items(column: Strings) -> list[bytes | None]:
    return [column.item(at) for at in range(len(column))]


@given(ITEMS)
def test_strings_give_back_their_items(texts: list[bytes | None]) -> None:
    """What went in comes out, absent ones as None."""
    column = Strings.from_items(texts)
    assert items(column) == texts
    assert column.mask().tolist() == [text is not None for text in texts]
    assert column.lengths().tolist() == [len(text or b"") for text in texts]


@given(ITEMS, st.data())
def test_take_picks_and_repeats_rows(texts: list[bytes | None], data: st.DataObject) -> None:
    """`take` is indexing: any order, with repeats."""
    index = data.draw(st.lists(st.integers(0, len(texts) - 1))) if texts else []
    taken = Strings.from_items(texts).take(np.array(index, np.intp))
    assert items(taken) == [texts[at] for at in index]


@given(ITEMS, ITEMS)
def test_concat_joins_strings(first: list[bytes | None], second: list[bytes | None]) -> None:
    """Joining columns joins their items, also when one is the middle of a larger buffer."""
    part = Strings.from_items([b"skipped", *second])
    middle = Strings(part.offsets[1:], part.data, None if part.valid is None else part.valid[1:])
    assert items(concat_strings([Strings.from_items(first), middle])) == first + second


def test_lengths_make_empty_strings_absent() -> None:
    """On the wire an empty string is an absent one."""
    column = Strings.from_lengths(np.array([2, 0, 1]), np.frombuffer(b"abc", np.uint8))
    assert items(column) == [b"ab", None, b"c"]


@pytest.mark.parametrize("lengths", [[1], [4], [5, -2]])
def test_lengths_that_do_not_add_up_are_refused(lengths: list[int]) -> None:
    """Lengths must be those of the bytes, none negative."""
    with pytest.raises(FlowError, match="lengths add up"):
        Strings.from_lengths(np.array(lengths), np.frombuffer(b"abc", np.uint8))


def test_numeric_mask_is_made_only_when_asked_for() -> None:
    """No mask means that every value is there."""
    column = Numeric(np.arange(3))
    assert column.valid is None
    assert column.mask().all()
    assert column.take(np.array([2, 0])).values.tolist() == [2, 0]


def test_concat_numeric_fills_in_masks() -> None:
    """A part without a mask is all there in the whole."""
    absent = Numeric(np.zeros(2, np.int64), np.array([True, False]))
    whole = concat_numeric([Numeric(np.ones(1, np.int64)), absent])
    assert whole.mask().tolist() == [True, True, False]
    assert concat_numeric([Numeric(np.ones(1))] * 2).valid is None
