"""FlowBatch ↔ Arrow."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

from metatap.errors import FlowError, MetatapError
from metatap.flow import FlowBatch, Numeric, Origin, Strings
from metatap.flow.arrow import arrow_type, from_arrow, to_arrow
from metatap.flow.schema import BY_NAME
from tests.agent.flow.samples import assert_same, batches, plain


@given(batches())
def test_a_batch_comes_back_from_arrow(batch: FlowBatch) -> None:
    """There and back again nothing is changed, and Arrow finds no fault with it."""
    record = to_arrow(batch)
    record.validate(full=True)
    assert_same(from_arrow(record), batch)


@given(batches())
def test_a_slice_comes_back_as_those_rows(batch: FlowBatch) -> None:
    """Arrow's slices have an offset into the same buffers."""
    part = to_arrow(batch).slice(batch.rows // 3, batch.rows // 2)
    index = np.arange(batch.rows // 3, batch.rows // 3 + part.num_rows)
    assert_same(from_arrow(part), batch.take(index))


def test_fixed_width_values_and_string_bytes_are_not_copied() -> None:
    """Both directions share the memory of values, offsets and bytes."""
    batch = plain(9)
    record = to_arrow(batch)
    back = from_arrow(record)
    for name in ("ts", "orig_pkts", "id.orig_h", "id.orig_p", "conn_state"):
        before, after = batch.columns[name], back.columns[name]
        assert isinstance(before, Numeric)
        assert isinstance(after, Numeric)
        assert np.shares_memory(before.values, after.values), name
    before, after = batch.columns["uid"], back.columns["uid"]
    assert isinstance(before, Strings)
    assert isinstance(after, Strings)
    assert np.shares_memory(before.data, after.data)
    assert np.shares_memory(before.offsets, after.offsets)


def test_arrow_sees_names_types_and_where_it_came_from() -> None:
    """Another program reads times as times, words as words, and the origin in the metadata."""
    batch = FlowBatch(3, plain(3).columns, Origin("zeek+zmq", "worker-1", 7))
    record = to_arrow(batch)
    assert record.schema.field("ts").type == pa.timestamp("ns", "UTC")
    assert record.column("conn_state").to_pylist() == ["SF"] * 3
    assert record.column("dns.query").to_pylist() == [b"example.com", None, None]
    assert record.schema.metadata[b"metatap.contract"] == b"1"
    assert from_arrow(record).origin == batch.origin


def test_a_dictionary_in_another_order_is_translated() -> None:
    """Another writer numbers the words as it meets them."""
    words = pa.array(["REJ", "SF", None, "SF"]).dictionary_encode()
    words = words.cast(arrow_type(BY_NAME["conn_state"]))
    column = from_arrow(pa.record_batch({"conn_state": words})).numeric("conn_state")
    assert column is not None
    states = BY_NAME["conn_state"].vocabulary
    assert [states[code] for code in column.values[[0, 1, 3]].tolist()] == ["REJ", "SF", "SF"]
    assert column.mask().tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"nonsense": pa.array([1])}, "nonsense: not a column"),
        ({"orig_pkts": pa.array([1])}, "orig_pkts: int64, not uint64"),
        (
            {"proto": pa.array(["sctp"]).dictionary_encode().cast(arrow_type(BY_NAME["proto"]))},
            "proto: a word",
        ),
    ],
)
def test_a_foreign_record_batch_is_refused(columns: dict[str, pa.Array], message: str) -> None:
    """The message names the column."""
    with pytest.raises(FlowError, match=message):
        from_arrow(pa.record_batch(columns))


def test_another_contract_version_is_refused() -> None:
    """A record batch of a later metatap is not guessed at."""
    record = to_arrow(plain(1)).replace_schema_metadata({b"metatap.contract": b"2"})
    with pytest.raises(FlowError, match="contract version 2"):
        from_arrow(record)


def test_without_pyarrow_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow is optional."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MetatapError, match=r"metatap\[lake\]"):
        to_arrow(plain(1))
