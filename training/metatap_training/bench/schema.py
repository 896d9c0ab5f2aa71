"""The results: one row is one method on one draw of one cell; tidy, in Parquet.

A row whose network is `*` pools the networks of its job. Figures that are not measured are null:
`tpr_1e4` and its like stand in pooled rows only, intervals (`tpr_low`, `tpr_high`) in draw 0 only
and only where the positives are of at least two originators whose draws differ, curves in the first
`CURVES` draws. `attack` is empty in ordinary rows; see `attacks`. Numbers are rounded to `DIGITS`
digits after the point.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metatap_training.bench.folds import BenchError

POOLED = "*"
CURVES = 5
DIGITS = 4

TEXT = ("table", "role", "fold", "family", "group", "support_network", "network", "scope", "method",
        "attack", "split")  # fmt: skip
COUNTS = ("k", "draw", "positives", "negatives", "hosts")
FIGURES = ("tpr", "tpr_1e4", "tpr_background", "fpr_background", "tpr_background_1e4",
           "fpr_background_1e4", "auprc", "recall_budget", "precision_budget", "ece", "tpr_low",
           "tpr_high")  # fmt: skip

SCHEMA = pa.schema(
    [
        *((name, pa.dictionary(pa.int16(), pa.string())) for name in TEXT),
        *((name, pa.int32()) for name in COUNTS),
        ("weak", pa.bool_()),
        *((name, pa.float32()) for name in FIGURES),
        ("curve", pa.list_(pa.float32())),
        ("seconds", pa.float32()),
    ]
)

Row = dict[str, Any]


def write_rows(path: Path, rows: Sequence[Row], facts: Mapping[str, str]) -> None:
    """Write rows to a file, whole or not at all.

    Args:
        path: The file.
        rows: By names of `SCHEMA`; what a row lacks is null.
        facts: Metadata of the file.
    """
    rounded = [{name: _round(row.get(name)) for name in SCHEMA.names} for row in rows]
    write_table(path, pa.Table.from_pylist(rounded, SCHEMA), facts)


def write_table(path: Path, table: pa.Table, facts: Mapping[str, str]) -> None:
    """Write a table of `SCHEMA`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    keyed = table.replace_schema_metadata({key.encode(): v.encode() for key, v in facts.items()})
    pq.write_table(keyed, part, compression="zstd", compression_level=12)
    part.replace(path)


def read_table(path: Path) -> tuple[pa.Table, dict[str, str]]:
    """A table and its metadata.

    Raises:
        BenchError: the file can't be read or has other columns.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BenchError(f"{path}: {error}") from None
    missing = sorted(set(SCHEMA.names) - set(table.column_names))
    if missing:
        raise BenchError(f"{path}: lacks the columns {', '.join(missing)}")
    facts = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    return table.select(SCHEMA.names), facts


def grid_text(grid: Sequence[float]) -> str:
    """False-positive rates of the curves, for the metadata."""
    return json.dumps([float(f"{rate:.6g}") for rate in grid])


def _round(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, list):
        return [round(one, DIGITS) for one in value]
    return value
