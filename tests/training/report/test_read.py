"""What a file of results must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metatap_training.report import read
from metatap_training.report.read import ReportError, from_arrow, read_results
from tests.training.report.synthetic import GRID, row, table


def test_a_file_reads_back(tmp_path: Path) -> None:
    """Columns, curve and metadata; what is null is NaN."""
    curve = [at / len(GRID) for at in range(len(GRID))]
    path = tmp_path / "results.parquet"
    pq.write_table(table([row(tpr=0.25, curve=curve), row(draw=1)]), path)
    results = read_results(path)
    assert results["tpr"].tolist() == [0.25, 0.5]
    np.testing.assert_allclose(results.curve[0], curve, rtol=1e-6)
    assert np.isnan(results.curve[1]).all()
    assert np.isnan(results["tpr_1e4"]).all()
    assert results.about.fpr_grid == GRID
    assert results.about.prevalence == 0.01
    assert results.about.facts["date"] == "2026-01-01"


def test_columns_that_are_not_required_may_be_missing() -> None:
    """A table of a future or partial run still shows."""
    whole = table([row()])
    few = whole.drop_columns(["ece", "curve", "weak", "role", "hosts", "scope"])
    results = from_arrow(few)
    assert np.isnan(results["ece"]).all()
    assert results["role"].tolist() == ["test"]


def _changed(name: str, values: pa.Array) -> pa.Table:
    whole = table([row()])
    return whole.set_column(whole.column_names.index(name), name, values)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (table([row()]).drop_columns(["tpr"]), "no column tpr"),
        (table([row()]).slice(0, 0), "no rows"),
        (table([row(), row()]), "two rows for table=random, fold=fold-1, family=made-up-worm"),
        (_changed("tpr", pa.array([1.5])), "column tpr: a value outside"),
        (_changed("tpr", pa.array([float("inf")])), "column tpr: a value outside"),
        (_changed("k", pa.array(["five"])), "column k: not int64"),
        (_changed("draw", pa.array([10**7])), "column draw: a count out of range"),
        (_changed("family", pa.array(["x" * 201])), "column family: a text longer than 200"),
        (_changed("curve", pa.array([[0.5]])), "column curve: a list whose length"),
        (_changed("curve", pa.array(["a"])), "column curve: no list of floats"),
        (table([row()], fpr_grid="[1, 0.5]"), "metadata key fpr_grid"),
        (table([row()], fpr_grid="{"), "metadata key fpr_grid"),
        (table([row()], prevalence="2"), "metadata key prevalence"),
        (table([row()], prevalence="much"), "metadata key prevalence"),
    ],
)
def test_a_fault_is_named(found: pa.Table, fault: str) -> None:
    """File and column stand in the error."""
    with pytest.raises(ReportError, match=rf"^bad\.parquet: .*{fault}"):
        from_arrow(found, "bad.parquet")


def test_rows_under_attack_are_left_out() -> None:
    """A file of nothing else has no rows."""
    hurt = row(tpr=0.1) | {"attack": "split"}
    assert from_arrow(table([row() | {"attack": ""}, hurt]))["tpr"].tolist() == [0.5]
    with pytest.raises(ReportError, match="no rows"):
        from_arrow(table([hurt]))


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """By name, without a traceback of the reader."""
    path = tmp_path / "results.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(ReportError, match=r"results\.parquet: no readable Parquet"):
        read_results(path)


def test_the_number_of_cells_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell is a line of the page."""
    monkeypatch.setattr(read, "MAX_CELLS", 2)
    with pytest.raises(ReportError, match="more than 2 cells"):
        from_arrow(table([row(family=name) for name in ("a", "b", "c")]))


def test_tables_of_two_kinds_are_told_apart() -> None:
    """Null packs of hosts and the lab's technique have names of their own, pooled rows too."""
    rows = [
        row(table="null", family="west", support_network="west", network="east"),
        row(table="null", family="west host", support_network="west", network="west"),
        row(table="null", family="west host", support_network="west", network="*"),
        row(table="technique", family="scan", support_network="lab-a", network="lab-b"),
        row(table="technique", family="scan", support_network="west", network="east"),
    ]
    found = from_arrow(table(rows))
    assert found["table"].tolist() == [
        "null",
        "null-host",
        "null-host",
        "technique-lab",
        "technique",
    ]
