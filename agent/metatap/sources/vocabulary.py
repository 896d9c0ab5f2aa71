"""Words of a small vocabulary → their codes, without a loop over the flows."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from metatap.flow.columns import BoolArray, Strings
from metatap.flow.schema import BY_NAME

_WORD_BYTES = 8
_KEEP = np.array([*((1 << 8 * size) - 1 for size in range(_WORD_BYTES + 1)), 0], np.uint64)
"""Mask of the low `size` bytes, by size; nothing is kept of a longer word."""


def _packed(words: Strings) -> npt.NDArray[np.uint64]:
    """Each word as one little-endian integer, uint64 [n]; 0 for one of more than eight bytes."""
    data = np.concatenate([words.data, np.zeros(_WORD_BYTES, np.uint8)])
    # An integer at every byte of the data, overlapping: words start anywhere.
    every = np.ndarray((len(data) - _WORD_BYTES + 1,), "<u8", data, 0, (1,))
    starts, ends = words.offsets[:-1], words.offsets[1:]
    packed: npt.NDArray[np.uint64] = every.take(starts).astype(np.uint64, copy=False)
    packed &= _KEEP.take(ends - starts, mode="clip")
    return packed


@cache
def _table(
    column: str,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """A vocabulary's packed words, sorted, and the code and length of each."""
    words = [word.encode() for word in BY_NAME[column].vocabulary]
    if any(not 0 < len(word) <= _WORD_BYTES for word in words):
        raise ValueError(f"{column}: a word of the vocabulary is not 1 to {_WORD_BYTES} bytes long")
    items = Strings.from_items(words)
    packed = _packed(items)
    order = np.argsort(packed)
    return packed[order], order.astype(np.uint8), items.lengths()[order]


def codes_of(words: Strings, column: str) -> tuple[npt.NDArray[np.uint8], BoolArray]:
    """Codes of the words of an ENUM column.

    Args:
        words: n words; an absent one is empty.
        column: Name of the column, whose vocabulary has words of at most eight bytes.

    Returns:
        Codes, uint8 [n], and bool [n], True where the word is in the vocabulary; the code is
        meaningless elsewhere.
    """
    keys, codes, sizes = _table(column)
    packed = _packed(words)
    at = keys.searchsorted(packed)
    known: BoolArray = keys.take(at, mode="clip") == packed
    # A word with zero bytes at its end packs like the one without.
    known &= sizes.take(at, mode="clip") == words.offsets[1:] - words.offsets[:-1]
    return codes.take(at, mode="clip"), known
