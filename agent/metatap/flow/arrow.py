"""FlowBatch ↔ Arrow RecordBatch, for a log lake.

Fixed-width values and the bytes and offsets of strings are handed over without copying; only masks
and bools are, since Arrow packs them into bits. Needs pyarrow, the extra `metatap[lake]`.

| kind | Arrow type |
|---|---|
| time, interval | timestamp[ns, UTC], duration[ns] |
| count, port | uint64, uint16 |
| addr | fixed_size_binary[16], IPv4 as ::ffff:a.b.c.d |
| bool | bool |
| enum | dictionary of uint8 → string |
| string | large_binary, since not all of it is UTF-8 |
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from metatap.errors import FlowError, MetatapError
from metatap.flow.batch import FlowBatch, Origin
from metatap.flow.columns import BoolArray, Column, Numeric, Strings
from metatap.flow.schema import BY_NAME, COLUMNS, CONTRACT_VERSION, DTYPES, ColumnSpec, Kind

VERSION_KEY, ORIGIN_KEY = b"metatap.contract", b"metatap.origin"
"""Keys of the schema's metadata: the contract version, and the origin as JSON."""


def _pyarrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MetatapError("Arrow needs pyarrow: pip install 'metatap[lake]'") from None
    return pa


def arrow_type(spec: ColumnSpec) -> Any:
    """The `pyarrow.DataType` of a column.

    Raises:
        MetatapError: pyarrow is not installed.
    """
    pa = _pyarrow()
    return {
        Kind.TIME: pa.timestamp("ns", "UTC"),
        Kind.INTERVAL: pa.duration("ns"),
        Kind.COUNT: pa.uint64(),
        Kind.PORT: pa.uint16(),
        Kind.ADDR: pa.binary(16),
        Kind.BOOL: pa.bool_(),
        Kind.ENUM: pa.dictionary(pa.uint8(), pa.string()),
        Kind.STRING: pa.large_binary(),
    }[spec.kind]


def to_arrow(batch: FlowBatch) -> Any:
    """A `pyarrow.RecordBatch` of the batch's columns, in schema order, under their own names.

    Columns the batch has not are left out. Contract version and origin are in the metadata.

    Raises:
        MetatapError: pyarrow is not installed.
    """
    pa = _pyarrow()
    fields, arrays = [], []
    for spec in COLUMNS:
        column = batch.columns.get(spec.name)
        if column is not None:
            fields.append(pa.field(spec.name, arrow_type(spec)))
            arrays.append(_array(pa, spec, column))
    metadata = {
        VERSION_KEY: str(CONTRACT_VERSION).encode(),
        ORIGIN_KEY: json.dumps(asdict(batch.origin)).encode(),
    }
    schema = pa.schema(fields, metadata)
    if not fields:
        # Without a column a RecordBatch can't say how many rows it has.
        return pa.record_batch(pa.StructArray.from_buffers(pa.struct([]), batch.rows, [None]))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def from_arrow(record: Any) -> FlowBatch:
    """A batch from a `pyarrow.RecordBatch` whose columns have schema names and types.

    Raises:
        FlowError: an unknown column, or one of another type; names it.
        MetatapError: pyarrow is not installed.
    """
    pa = _pyarrow()
    metadata = record.schema.metadata or {}
    version = metadata.get(VERSION_KEY, str(CONTRACT_VERSION).encode())
    if version != str(CONTRACT_VERSION).encode():
        raise FlowError(f"contract version {version.decode()}, not {CONTRACT_VERSION}")
    origin = Origin(**json.loads(metadata[ORIGIN_KEY])) if ORIGIN_KEY in metadata else Origin()
    columns: dict[str, Column] = {}
    for name, array in zip(record.schema.names, record.columns, strict=True):
        spec = BY_NAME.get(name)
        if spec is None:
            raise FlowError(f"{name}: not a column of the schema")
        if array.type != arrow_type(spec):
            raise FlowError(f"{name}: {array.type}, not {arrow_type(spec)}")
        columns[name] = _column(pa, spec, array)
    return FlowBatch(record.num_rows, columns, origin)


def _bitmap(pa: Any, valid: BoolArray | None) -> Any:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def _array(pa: Any, spec: ColumnSpec, column: Column) -> Any:
    """One column as an Arrow array."""
    bitmap = _bitmap(pa, column.valid)
    if isinstance(column, Strings):
        offsets = np.ascontiguousarray(column.offsets)
        buffers = [bitmap, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(column.data))]
        return pa.Array.from_buffers(arrow_type(spec), len(column), buffers)
    values = np.ascontiguousarray(column.values)
    if spec.kind is Kind.BOOL:
        values = np.packbits(values.astype(np.bool_), bitorder="little")
    kind = pa.uint8() if spec.kind is Kind.ENUM else arrow_type(spec)
    array = pa.Array.from_buffers(kind, len(column), [bitmap, pa.py_buffer(values)])
    if spec.kind is Kind.ENUM:
        return pa.DictionaryArray.from_arrays(array, pa.array(spec.vocabulary, pa.string()))
    return array


def _valid(array: Any) -> BoolArray | None:
    """The mask of an array, None if every value is there."""
    if not array.null_count:
        return None
    return _bits(array.buffers()[0], array.offset, len(array))


def _bits(buffer: Any, offset: int, size: int) -> BoolArray:
    packed = np.frombuffer(buffer, np.uint8)
    bits = np.unpackbits(packed, count=offset + size, bitorder="little")
    return bits[offset:].astype(np.bool_)


def _column(pa: Any, spec: ColumnSpec, array: Any) -> Column:
    """One Arrow array as a column."""
    valid, size, at = _valid(array), len(array), array.offset
    if spec.kind is Kind.STRING:
        _, offsets, data = array.buffers()
        ends = np.zeros(1, np.int64)
        if size:
            ends = np.frombuffer(offsets, np.int64, size + 1, at * 8)
        return Strings(ends, np.frombuffer(data or b"", np.uint8), valid)
    if spec.kind is Kind.ENUM:
        return Numeric(_codes(pa, spec, array, valid), valid)
    values = array.buffers()[1]
    if spec.kind is Kind.BOOL:
        return Numeric(_bits(values, at, size) if size else np.zeros(0, np.bool_), valid)
    width = 16 if spec.kind is Kind.ADDR else 1
    dtype = np.dtype(DTYPES[spec.kind])
    flat = np.frombuffer(values or b"", dtype, size * width, at * width * dtype.itemsize)
    return Numeric(flat.reshape(size, 16) if width > 1 else flat, valid)


def _codes(pa: Any, spec: ColumnSpec, array: Any, valid: BoolArray | None) -> Any:
    """Codes, uint8 [n], whatever the order of the array's own dictionary."""
    indices = array.indices
    codes = np.frombuffer(indices.buffers()[1] or b"", np.uint8, len(array), indices.offset)
    words = array.dictionary.to_pylist()
    if words == list(spec.vocabulary):
        return codes
    foreign = pa.array([word not in spec.vocabulary for word in words], pa.bool_())
    used = codes if valid is None else codes[valid]
    if foreign.take(pa.array(used)).true_count:
        raise FlowError(f"{spec.name}: a word that is not in the vocabulary")
    code_of = [spec.vocabulary.index(w) if w in spec.vocabulary else 0 for w in words] or [0]
    return np.array(code_of, np.uint8)[np.minimum(codes, len(code_of) - 1)]
