"""Columns of strings held against some bytes; all over whole columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metatap.flow import Strings

BoolArray = npt.NDArray[np.bool_]


def _at(
    column: Strings, rows: npt.NDArray[np.intp], starts: npt.NDArray[np.int64], wanted: Any
) -> BoolArray:
    """bool [n], rows whose bytes from a start on are the wanted ones; all must be long enough."""
    found = np.zeros(len(column), np.bool_)
    for at, byte in enumerate(wanted):
        same = column.data[starts + at] == byte
        rows, starts = rows[same], starts[same]
    found[rows] = True
    return found


def equals(column: Strings, wanted: npt.NDArray[np.uint8]) -> BoolArray:
    """bool [n], strings that are the wanted bytes, uint8 [m], m ≥ 1."""
    rows = np.flatnonzero(column.lengths() == len(wanted))
    return _at(column, rows, column.offsets[:-1][rows], wanted)


def begins(column: Strings, wanted: npt.NDArray[np.uint8]) -> BoolArray:
    """bool [n], strings that begin with the wanted bytes."""
    rows = np.flatnonzero(column.lengths() >= len(wanted))
    return _at(column, rows, column.offsets[:-1][rows], wanted)


def ends(column: Strings, wanted: npt.NDArray[np.uint8]) -> BoolArray:
    """bool [n], strings that end with them."""
    rows = np.flatnonzero(column.lengths() >= len(wanted))
    return _at(column, rows, column.offsets[1:][rows] - len(wanted), wanted)


def contains(column: Strings, wanted: npt.NDArray[np.uint8]) -> BoolArray:
    """bool [n], strings that have them somewhere."""
    first, last = int(column.offsets[0]), int(column.offsets[-1])
    starts = np.flatnonzero(column.data[first : max(last - len(wanted) + 1, first)] == wanted[0])
    starts = starts + first
    rows = np.searchsorted(column.offsets, starts, "right") - 1
    fits = starts + len(wanted) <= column.offsets[rows + 1]
    return _at(column, rows[fits], starts[fits], wanted)
