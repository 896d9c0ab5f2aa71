"""One flow as a mapping, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from metatap.errors import FlowError
from metatap.flow import FlowBatch, Origin, from_rows, to_row
from tests.agent.flow.samples import assert_same, batches, flow


def test_a_row_comes_back_as_it_went_in() -> None:
    """Under Zeek's names, in seconds and as text."""
    row = flow(3, duration=0.25, service="ssl", local_orig=True, ssl__version="TLSv13")
    assert to_row(from_rows([row]), 0) == row


def test_absent_values_stay_absent_beside_present_ones() -> None:
    """What one flow lacks is masked, not zero; what all lack is no column."""
    batch = from_rows([flow(duration=1.5), flow(duration=None)])
    assert "duration" not in to_row(batch, 1)
    assert "service" not in batch.columns
    assert batch.columns["duration"].mask().tolist() == [True, False]


def test_addresses_are_kept_in_sixteen_bytes() -> None:
    """IPv4 is mapped into IPv6 and written as IPv4 again."""
    batch = from_rows([flow(id__orig_h="192.0.2.7", id__resp_h="2001:db8::5")])
    column = batch.numeric("id.orig_h")
    assert column is not None
    assert column.values[0].tobytes() == b"\0" * 10 + b"\xff\xff" + bytes((192, 0, 2, 7))
    assert to_row(batch, 0)["id.resp_h"] == "2001:db8::5"


def test_long_text_is_cut_and_bytes_that_are_not_text_are_escaped() -> None:
    """Strings hold 256 bytes at most, of any kind."""
    batch = from_rows([flow(http__uri="/" * 300, http__host=b"\xff")])
    assert to_row(batch, 0)["http.uri"] == "/" * 256
    assert to_row(batch, 0)["http.host"] == "\\xff"


def test_names_that_are_no_columns_are_ignored_and_the_origin_is_kept() -> None:
    """A log may have more fields than the schema."""
    batch = from_rows([flow(tunnel_parents=[])], Origin("log", "conn.log", 3))
    assert "tunnel_parents" not in batch.columns
    assert batch.origin.node == "conn.log"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ts", "yesterday"),
        ("duration", True),
        ("id.resp_p", 65_536),
        ("orig_pkts", -1),
        ("orig_bytes", 1.5),
        ("local_orig", 1),
        ("conn_state", "S9"),
        ("id.orig_h", "10.0.0"),
        ("uid", 7),
        ("ts", 1e300),
    ],
)
def test_a_value_that_does_not_fit_names_flow_and_column(column: str, value: Any) -> None:
    """The message says which flow, counted from 0, and which column."""
    with pytest.raises(FlowError, match=f"flow 1: {column}: "):
        from_rows([flow(), flow() | {column: value}])


@given(batches(8))
def test_every_batch_has_rows(batch: FlowBatch) -> None:
    """Each value that is there is in the row, and nothing else."""
    for at in range(batch.rows):
        names = {name for name, column in batch.columns.items() if column.mask()[at]}
        assert set(to_row(batch, at)) == names


def test_no_rows_make_an_empty_batch() -> None:
    """Zero flows are a batch too."""
    assert_same(from_rows([]), FlowBatch(0, {}))
