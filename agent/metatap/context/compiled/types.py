"""Types of what the entries are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from metatap.compiling import OPTIONS

inner: Callable[[Callable[..., Any]], Any] = numba.njit(**OPTIONS)
"""Part of an entry; cached with it."""


def array(kind: Any, dimensions: int = 1, *, read: bool = False) -> Any:
    """C-contiguous and aligned; one that is only read may be read-only or not."""
    return numba.types.Array(kind, dimensions, "C", readonly=read)


SLOT, SLOTS = array(numba.intp), array(numba.intp, 2)
I64, F64, BOOL = array(numba.int64), array(numba.float64), array(numba.boolean)
TABLE, BITS, KEY_TABLE = (array(kind, 2) for kind in (numba.float32, numba.int32, numba.uint64))
TAGS, TIMES, MARKS, DOUBLINGS = (
    numba.types.Array(kind, 2, "A")
    for kind in (numba.uint32, numba.int64, numba.uint16, numba.int8)
)
"""Parts of a set's line, see `slots.Slots`."""

READ_U8, READ_U16 = array(numba.uint8, read=True), array(numba.uint16, read=True)
READ_I64, READ_U64 = array(numba.int64, read=True), array(numba.uint64, read=True)
READ_F64 = array(numba.float64, read=True)
READ_BOOL, READ_PAIRS = array(numba.boolean, read=True), array(numba.uint64, 2, read=True)
COUNTS = numba.types.UniTuple(numba.intp, 2)
