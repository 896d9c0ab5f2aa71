"""The lab's traffic as one Zeek sent it over the wire and as the same Zeek logged it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metatap.flow import FlowBatch, Numeric, Strings, concat
from metatap.flow.schema import COLUMNS, Kind
from metatap.sources import open_source

LAB = Path(__file__).parents[3] / "data" / "lab"
TIMES = (Kind.TIME, Kind.INTERVAL)
MICROSECOND = 1000


def read_all(text: str) -> FlowBatch:
    source = open_source(text)
    parts = []
    while not source.done:
        batch = source.read(1.0)
        if batch is not None:
            parts.append(batch)
    source.close()
    assert source.flows.balanced
    assert source.flows.passed == source.flows.received
    return concat(parts)


def by_uid(batch: FlowBatch) -> FlowBatch:
    column = batch.strings("uid")
    assert column is not None
    uids = np.array([column.item(row) for row in range(batch.rows)])
    assert len(np.unique(uids)) == batch.rows
    return batch.take(np.argsort(uids, kind="stable"))


@pytest.fixture(scope="module")
def both() -> tuple[FlowBatch, FlowBatch]:
    wire = read_all(str(LAB / "office.mtrec"))
    logged = read_all(str(LAB / "office-logs"))
    return by_uid(wire), by_uid(logged)


def test_the_flows_are_the_same_ones(both: tuple[FlowBatch, FlowBatch]) -> None:
    """Every connection that was sent was logged, and the other way round."""
    wire, logged = both
    assert wire.rows == logged.rows > 3000


@pytest.mark.parametrize("name", [spec.name for spec in COLUMNS])
def test_a_column_is_the_same(both: tuple[FlowBatch, FlowBatch], name: str) -> None:
    """Each value is the same: times within a microsecond, all else exactly; absent is absent."""
    wire, logged = (batch.columns.get(name) for batch in both)
    if wire is None or logged is None:
        empty = wire if logged is None else logged
        assert empty is None or not empty.mask().any()
        return
    np.testing.assert_array_equal(wire.mask(), logged.mask())
    there = np.flatnonzero(wire.mask())
    rows = there.tolist()
    spec = next(spec for spec in COLUMNS if spec.name == name)
    if isinstance(wire, Strings):
        assert isinstance(logged, Strings)
        assert [wire.item(row) for row in rows] == [logged.item(row) for row in rows]
        return
    assert isinstance(wire, Numeric)
    assert isinstance(logged, Numeric)
    if spec.kind in TIMES:
        gap = np.abs(wire.values[there].astype(np.int64) - logged.values[there].astype(np.int64))
        assert gap.max() <= MICROSECOND
    else:
        np.testing.assert_array_equal(wire.values[there], logged.values[there])
