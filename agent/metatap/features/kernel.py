"""The compiled twin of `encode.encode`. Extra `fast`.

Same arguments, same result to the bit; the loops are in `compiled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.context import CONTEXT_WIDTH
from metatap.errors import FlowError
from metatap.features.columns import has_group
from metatap.features.compiled import CODES, COUNTS, FLAGS, GROUPS, TEXTS, encode_rows
from metatap.features.table import WIDTH
from metatap.flow import FlowBatch, Numeric, Strings
from metatap.flow.schema import BY_NAME, DTYPES

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

_NO_MASK = np.zeros(0, np.bool_)
_NO_OFFSETS = np.zeros(0, np.int64)
_NO_BYTES = np.zeros(0, np.uint8)
_NO_CONTEXT = np.zeros((0, CONTEXT_WIDTH), np.float32)
_NOTHING = {
    name: np.zeros(0, DTYPES[BY_NAME[name].kind])
    for name in (*COUNTS, *FLAGS, *CODES, "duration", "id.resp_p")
}


def encode(batch: FlowBatch, context: FloatArray | None = None) -> FloatArray:
    """As `encode.encode`.

    Raises:
        FlowError: the strings of a column do not lie one after another within its bytes.
        ValueError: the context is of another shape.
    """
    known = _NO_CONTEXT if context is None else np.ascontiguousarray(context, np.float32)
    if context is not None and known.shape != (batch.rows, CONTEXT_WIDTH):
        raise ValueError(f"a context of shape {known.shape} for {batch.rows} flows")
    out = np.empty((batch.rows, WIDTH), np.float32)
    columns = _columns(batch)
    try:
        wrong = encode_rows(*columns, known, out)
    except TypeError:
        # A column is strided or unaligned: the one compiled form takes no such array.
        wrong = encode_rows(*_plain(columns), known, out)
    if wrong >= 0:
        raise FlowError(f"{TEXTS[wrong]}: its offsets are not in order")
    return out


def recompile() -> None:
    """Compile anew, whatever is cached."""
    encode_rows.recompile()


def _columns(batch: FlowBatch) -> tuple[Any, ...]:
    """All but the last two arguments of `encode_rows`."""
    texts = [_text(batch, name) for name in TEXTS]
    groups = [has_group(batch, group) for group in GROUPS]
    return (
        *_numerics(batch, COUNTS),
        *_numerics(batch, FLAGS),
        *_numerics(batch, CODES),
        *zip(*texts, strict=True),
        tuple(_NO_MASK if has is None else has for has in groups),
        *_numeric(batch, "duration"),
        *_numeric(batch, "id.resp_p"),
    )


def _numerics(
    batch: FlowBatch, names: tuple[str, ...]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    values, masks = zip(*[_numeric(batch, name) for name in names], strict=True)
    return values, masks


def _numeric(batch: FlowBatch, name: str) -> tuple[Array, Array]:
    """Values and mask of a column; no values where there is none, no mask where all have one."""
    column = batch.columns.get(name)
    if not isinstance(column, Numeric):
        return _NOTHING[name], _NO_MASK
    return column.values, _NO_MASK if column.valid is None else column.valid


def _text(batch: FlowBatch, name: str) -> tuple[Array, Array, Array]:
    """Bytes, offsets and mask of a column; no offsets where there is none."""
    column = batch.columns.get(name)
    if not isinstance(column, Strings):
        return _NO_BYTES, _NO_OFFSETS, _NO_MASK
    return column.data, column.offsets, _NO_MASK if column.valid is None else column.valid


def _plain(columns: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arrays as `encode_rows` takes them: contiguous and aligned."""
    return tuple(
        tuple(_flat(one) for one in column) if isinstance(column, tuple) else _flat(column)
        for column in columns
    )


def _flat(values: Array) -> Array:
    values = np.ascontiguousarray(values, np.int64 if values.dtype.kind == "i" else None)
    return values if values.flags.aligned else values.copy()
