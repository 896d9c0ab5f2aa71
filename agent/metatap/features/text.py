"""Columns of strings as numbers: counts of byte classes, distinct values. All vectorised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.flow.columns import Strings

FloatArray = npt.NDArray[np.float32]

_POWERS = (np.uint64(0x9E3779B97F4A7C15) ** np.arange(1, 257, dtype=np.uint64)).astype(np.uint64)


def byte_classes(*classes: bytes) -> npt.NDArray[np.uint8]:
    """A table uint8 [256]: byte → 1 + index of its class, 0 for a byte in none.

    With uint8 codes there can be at most 255 classes; later classes win.
    """
    table = np.zeros(256, np.uint8)
    for at, members in enumerate(classes):
        table[np.frombuffer(members, np.uint8)] = at + 1
    return table


def class_counts(
    strings: Strings, table: npt.NDArray[np.uint8], classes: int
) -> npt.NDArray[np.float64]:
    """How many bytes of each class every string has.

    Args:
        strings: n strings.
        table: uint8 [256] from `byte_classes`.
        classes: Number of classes, c.

    Returns:
        float64 [n, c], bytes of each class; bytes of no class are not counted.
    """
    n = len(strings)
    start, end = int(strings.offsets[0]), int(strings.offsets[-1])
    codes = table[strings.data[start:end]].astype(np.int64)
    rows = np.repeat(np.arange(n, dtype=np.int64) * (classes + 1), strings.lengths())
    counts = np.bincount(rows + codes, minlength=n * (classes + 1))
    return counts.reshape(n, classes + 1)[:, 1:].astype(np.float64)


def distinct(strings: Strings) -> tuple[npt.NDArray[np.intp], list[bytes]]:
    """The distinct strings of a column and which one each flow has.

    Strings are told apart by a 64-bit polynomial hash of their first 256 bytes and their length.

    Returns:
        intp [n] index into the list, and the list; an absent string is b"".
    """
    n = len(strings)
    lengths = strings.lengths()
    start, end = int(strings.offsets[0]), int(strings.offsets[-1])
    keys = np.zeros(n, np.uint64)
    if end > start:
        positions = np.arange(end - start) - np.repeat(strings.offsets[:-1] - start, lengths)
        terms = (strings.data[start:end].astype(np.uint64) + np.uint64(1)) * _POWERS[
            np.minimum(positions, 255)
        ]
        filled = np.flatnonzero(lengths)
        keys[filled] = np.add.reduceat(terms, strings.offsets[:-1][filled] - start)
    _, first, codes = np.unique(keys, return_index=True, return_inverse=True)
    return codes, [strings.item(int(row)) or b"" for row in first]
