"""A benchmark's Parquet file → `Results`, every column checked."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metatap.errors import MetatapError
from metatap_training.report.kinds import told_apart
from metatap_training.report.results import CELL, COUNTS, SHARES, TEXT, About, Results

MAX_BYTES = 256 << 20
MAX_ROWS = 2_000_000
MAX_TEXT = 200
MAX_GRID = 1_000
MAX_FACT = 4_000
MAX_DRAWS = 1_000
MAX_CELLS = 20_000
REQUIRED = ("table", "family", "network", "k", "draw", "method", "positives", "tpr")


class ReportError(MetatapError):
    """A file of results is refused; names the file and the column, key or line."""


def read_results(path: Path) -> Results:
    """All rows of a file.

    Raises:
        ReportError: It is no Parquet file, is too large, lacks a column of REQUIRED, or holds
            values out of range.
    """
    return from_arrow(read_table(path), str(path))


def read_table(path: Path) -> pa.Table:
    """The file as it is, within bounds.

    Raises:
        ReportError: It is no Parquet file, or too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReportError(f"{path}: larger than {MAX_BYTES} bytes")
        if pq.read_metadata(path).num_rows > MAX_ROWS:
            raise ReportError(f"{path}: more than {MAX_ROWS} rows")
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise ReportError(f"{path}: no readable Parquet file: {error}") from error


def from_arrow(table: pa.Table, name: str = "results") -> Results:
    """Results of an Arrow table whose schema's metadata says what `About` holds.

    Rows under attack are left out. Columns not of REQUIRED may be missing: text is then empty,
    shares NaN, counts 0.

    Args:
        table: One row a (cell, draw, method).
        name: What errors call it.

    Raises:
        ReportError: As `read_results`.
    """
    for column in REQUIRED:
        if column not in table.column_names:
            raise ReportError(f"{name}: no column {column}")
    if "attack" in table.column_names:
        table = table.filter(pc.equal(pc.fill_null(table["attack"], ""), ""))
    if not table.num_rows:
        raise ReportError(f"{name}: no rows")
    reader = _Columns(table, name)
    columns: dict[str, npt.NDArray[Any]] = {column: reader.text(column) for column in TEXT}
    columns |= {column: reader.count(column) for column in COUNTS}
    columns |= {column: reader.number(column, 1.0) for column in SHARES}
    places = (columns[column] for column in ("support_network", "network", "family"))
    columns["table"] = told_apart(columns["table"], *places)
    columns["seconds"] = reader.number("seconds", math.inf)
    columns["weak"] = reader.flag("weak")
    if "role" not in table.column_names:
        columns["role"] = np.full(table.num_rows, "test")
    about = _about(table.schema.metadata or {}, name)
    results = Results(columns, reader.curve(len(about.fpr_grid)), about)
    if len(results.first) > MAX_CELLS:
        raise ReportError(f"{name}: more than {MAX_CELLS} cells at a K")
    _no_doubles(results, name)
    return results


class _Columns:
    """Reads columns of one table."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self._table, self._name = table, name

    def text(self, column: str) -> npt.NDArray[np.str_]:
        if column not in self._table.column_names:
            return np.full(len(self._table), "")
        values = np.asarray(self._cast(column, pa.string(), ""), dtype=np.str_)
        if values.dtype.itemsize > 4 * MAX_TEXT:
            raise self._error(column, f"a text longer than {MAX_TEXT}")
        return values

    def count(self, column: str) -> npt.NDArray[np.int64]:
        if column not in self._table.column_names:
            return np.zeros(len(self._table), np.int64)
        values = np.asarray(self._cast(column, pa.int64(), 0), dtype=np.int64)
        if values.min() < 0 or (column == "draw" and values.max() >= MAX_DRAWS):
            raise self._error(column, "a count out of range")
        return values

    def number(self, column: str, greatest: float) -> npt.NDArray[np.float64]:
        if column not in self._table.column_names:
            return np.full(len(self._table), np.nan)
        values = np.asarray(self._cast(column, pa.float64(), math.nan), dtype=np.float64)
        known = values[~np.isnan(values)]
        if len(known) and not (known.min() >= 0 and known.max() <= greatest + 1e-6):
            raise self._error(column, f"a value outside [0, {greatest:g}]")
        return values

    def flag(self, column: str) -> npt.NDArray[np.bool_]:
        if column not in self._table.column_names:
            return np.zeros(len(self._table), np.bool_)
        return np.asarray(self._cast(column, pa.bool_(), False), dtype=np.bool_)  # noqa: FBT003

    def curve(self, points: int) -> npt.NDArray[np.float32]:
        found = np.full((len(self._table), points), np.nan, np.float32)
        if "curve" not in self._table.column_names:
            return found
        column = self._table.column("curve").combine_chunks()
        if not pa.types.is_list(column.type) or not pa.types.is_floating(column.type.value_type):
            raise self._error("curve", "no list of floats")
        lengths = np.asarray(column.value_lengths().fill_null(0))
        kept = lengths > 0
        if (lengths[kept] != points).any():
            raise self._error("curve", f"a list whose length is not the grid's, {points}")
        values = np.asarray(column.drop_null().flatten().fill_null(math.nan), np.float32)
        if ((values < 0) | (values > 1 + 1e-6)).any():
            raise self._error("curve", "a value outside [0, 1]")
        found[kept] = values.reshape(-1, points)
        return found

    def _cast(self, column: str, kind: pa.DataType, absent: object) -> Any:
        try:
            cast = self._table.column(column).cast(kind)
        except pa.ArrowException as error:
            raise self._error(column, f"not {kind}: {error}") from error
        return cast.fill_null(absent).combine_chunks().to_numpy(zero_copy_only=False)

    def _error(self, column: str, fault: str) -> ReportError:
        return ReportError(f"{self._name}: column {column}: {fault}")


def _about(metadata: dict[bytes, bytes], name: str) -> About:
    texts = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in metadata.items()
    }
    grid = _grid(texts.pop("fpr_grid", "[]"), name)
    try:
        prevalence = float(texts.pop("prevalence", "nan"))
    except ValueError as error:
        raise ReportError(f"{name}: metadata key prevalence: not a number") from error
    if not math.isnan(prevalence) and not 0 < prevalence < 1:
        raise ReportError(f"{name}: metadata key prevalence: {prevalence} is not between 0 and 1")
    facts = {
        key: value[:MAX_FACT]
        for key, value in sorted(texts.items())
        if key not in {"ARROW:schema", "pandas"}
    }
    return About(grid, prevalence, facts)


def _grid(text: str, name: str) -> tuple[float, ...]:
    fault = ReportError(f"{name}: metadata key fpr_grid: not a rising list of rates in (0, 1]")
    try:
        grid = json.loads(text)
    except ValueError as error:
        raise fault from error
    if not isinstance(grid, list) or len(grid) > MAX_GRID:
        raise fault
    if not all(isinstance(rate, int | float) and 0 < rate <= 1 + 1e-6 for rate in grid):
        raise fault
    if any(low >= high for low, high in pairwise(grid)):
        raise fault
    return tuple(float(rate) for rate in grid)


def _no_doubles(results: Results, name: str) -> None:
    _, method = np.unique(results["method"], return_inverse=True)
    keys = np.stack([results.cell, method, results["draw"]], axis=1)
    _, first, count = np.unique(keys, axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        row = int(first[count > 1][0])
        found = ", ".join(f"{key}={results[key][row]}" for key in (*CELL, "draw", "method"))
        raise ReportError(f"{name}: two rows for {found}")
