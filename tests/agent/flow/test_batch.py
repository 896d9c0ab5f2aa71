"""FlowBatch: what it accepts, and how it is cut and joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatap.errors import FlowError
from metatap.flow import FlowBatch, Numeric, Origin, Strings, concat
from tests.agent.flow.samples import assert_same, batches, plain, uids


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("no.such", Numeric(np.zeros(2)), "not a column"),
        ("orig_pkts", Numeric(np.zeros(3, np.uint64)), "3 rows in a batch of 2"),
        ("orig_pkts", Numeric(np.zeros(2, np.int64)), "dtype int64"),
        ("orig_pkts", Numeric(np.zeros(2, np.uint64), np.ones(1, np.bool_)), "mask of 1"),
        ("orig_pkts", Strings.from_items([b"a", b"b"]), "Strings can't hold a count"),
        ("uid", Numeric(np.zeros(2, np.uint64)), "Numeric can't hold a string"),
    ],
)
def test_a_column_that_breaks_the_schema_is_refused(
    name: str, column: Numeric | Strings, message: str
) -> None:
    """Name, form, dtype and length are checked, and the message names the column."""
    with pytest.raises(FlowError, match=f"^{name}: .*{message}"):
        FlowBatch(2, {name: column})


def test_columns_are_looked_up_by_form() -> None:
    """A string column is no numeric one, and an absent column is None."""
    batch = plain(3)
    assert batch.strings("uid") is not None
    assert batch.numeric("uid") is None
    assert batch.numeric("http.requests") is None
    assert len(batch) == 3


@given(batches(), st.integers(1, 9))
def test_chunks_joined_are_the_batch(batch: FlowBatch, rows: int) -> None:
    """Cutting into chunks and joining them again changes nothing."""
    chunks = list(batch.chunks(rows))
    assert all(chunk.rows <= rows for chunk in chunks)
    assert_same(concat(chunks), batch)


@given(st.lists(batches(12), min_size=1, max_size=4))
def test_concat_keeps_every_flow_and_masks_what_a_part_lacks(parts: list[FlowBatch]) -> None:
    """Row r of part p is where it belongs in the whole."""
    whole = concat(parts)
    start = 0
    for part in parts:
        index = np.arange(start, start + part.rows)
        assert_same(whole.take(index), part)
        start += part.rows
    assert whole.rows == start


def test_concat_of_nothing_is_an_empty_batch() -> None:
    """No batches make a batch of no flows."""
    assert concat([]).rows == 0


def test_parts_keep_the_origin() -> None:
    """A part says where it came from, a joined batch where its first part did."""
    batch = FlowBatch(4, plain(4).columns, Origin("zeek+zmq", "worker-1", 7))
    assert batch.take(np.array([3])).origin == batch.origin
    assert concat([batch, plain(1)]).origin == batch.origin
    assert uids(batch.take(np.array([3, 0]))) == [b"C00000003", b"C00000000"]
