"""`Flows` ↔ Parquet: encoded flows that need not fit in memory.

A file is a column per attribute of `Flows`, `features` a fixed-size list of float32, texts as
strings. Its metadata name the features in their order; a file of other features is refused. It is
read a row group at a time, so memory does not grow with the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metatap.features import FEATURES_VERSION, NAMES, WIDTH
from metatap.offline.writers import PartFile
from metatap_training.datasets.flows import LABELS, Flows, concat
from metatap_training.datasets.own import TEXT_MAX
from metatap_training.datasets.sources import DataError

GROUP_ROWS = 16_384
"""Flows of a row group written: 10 MB of features."""

GROUP_MAX = 131_072
"""Flows of a row group that is read, at most; of another writer's files, too."""

KEY = b"metatap.features"
SUFFIX = ".parquet"

_FEATURES: list[Any] = [FEATURES_VERSION, *NAMES]
_NUMBERS = {"label": np.int8, "ts": np.float64, "uid_hash": np.uint64}


def _schema() -> Any:
    numbers = {name: pa.from_numpy_dtype(np.dtype(dtype)) for name, dtype in _NUMBERS.items()}
    types = {"features": pa.list_(pa.float32(), WIDTH), **numbers}
    columns = [(item.name, types.get(item.name, pa.string())) for item in fields(Flows)]
    return pa.schema(columns, {KEY: json.dumps(_FEATURES).encode()})


def write_flows(path: Path, parts: Iterable[Flows]) -> int:
    """Write flows to a file, whole or not at all; returns their number.

    Args:
        path: The file.
        parts: The flows; a row group of them is in memory at a time.
    """
    part, whole, total = PartFile(path), False, 0
    try:
        with pq.ParquetWriter(str(part.part), _schema(), compression="zstd") as writer:
            for flows in _grouped(parts):
                writer.write_table(_table(flows), row_group_size=len(flows))
                total += len(flows)
        whole = True
    finally:
        part.end(whole=whole)
    return total


def find_parquet(path: Path) -> list[Path]:
    """The files of a folder in the order of their names, or the file itself.

    Raises:
        DataError: there are none.
    """
    found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not found or not all(file.is_file() for file in found):
        raise DataError(f"{path}: no {SUFFIX} file")
    return found


def read_flows(paths: Sequence[Path]) -> Iterator[Flows]:
    """The row groups of files, one after the other.

    Raises:
        DataError: a file is none of `write_flows`, is of other features, or is broken; names file
            and column.
    """
    for path in paths:
        try:
            with pq.ParquetFile(str(path), memory_map=False, pre_buffer=False) as file:
                _check(path, file)
                for at in range(file.metadata.num_row_groups):
                    yield _flows(path, file.read_row_group(at))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: {error}") from None


def _grouped(parts: Iterable[Flows]) -> Iterator[Flows]:
    """The same flows in parts of `GROUP_ROWS`, the last one excepted."""
    held: list[Flows] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= GROUP_ROWS:
            joined = concat(held)
            for start in range(0, size - GROUP_ROWS + 1, GROUP_ROWS):
                yield joined.take(np.arange(start, start + GROUP_ROWS))
            held = [joined.take(np.arange(size - size % GROUP_ROWS, size))]
            size = len(held[0])
    if size:
        yield concat(held)


def _table(flows: Flows) -> Any:
    schema = _schema()
    arrays = []
    for item in schema:
        values = getattr(flows, item.name)
        if item.name == "features":
            flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, WIDTH))
        else:
            arrays.append(pa.array(values, item.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _check(path: Path, file: Any) -> None:
    schema = file.schema_arrow
    try:
        features = json.loads((schema.metadata or {})[KEY])
    except (KeyError, ValueError):
        raise DataError(f"{path}: not a file of encoded flows") from None
    if features != _FEATURES:
        raise DataError(f"{path}: encoded with other features: encode the logs again")
    for item in _schema():
        at = schema.get_field_index(item.name)
        if at < 0 or schema.field(at).type != item.type:
            raise DataError(f"{path}: {item.name}: missing, or not {item.type}")
    for at in range(file.metadata.num_row_groups):
        if file.metadata.row_group(at).num_rows > GROUP_MAX:
            raise DataError(f"{path}: a row group of more than {GROUP_MAX} flows")


def _flows(path: Path, table: Any) -> Flows:
    arrays = {item.name: _values(path, item, table.column(item.name)) for item in _schema()}
    if len(table) and not 0 <= arrays["label"].min() <= arrays["label"].max() < len(LABELS):
        raise DataError(f"{path}: label: a code that is not known")
    return Flows(**arrays)


def _values(path: Path, item: Any, column: Any) -> Any:
    values = column.combine_chunks()
    if values.null_count:
        raise DataError(f"{path}: {item.name}: a value is missing")
    if item.name == "features":
        if values.flatten().null_count:
            raise DataError(f"{path}: {item.name}: a value is missing")
        return values.flatten().to_numpy(zero_copy_only=False).reshape(-1, WIDTH)
    if item.type == pa.string():
        if (pc.max(pc.utf8_length(values)).as_py() or 0) > TEXT_MAX:
            raise DataError(f"{path}: {item.name}: longer than {TEXT_MAX} characters")
        return values.to_numpy(zero_copy_only=False).astype(np.str_)
    return values.to_numpy(zero_copy_only=False)
