"""Columns of strings as numbers: counts of byte classes, known words. All vectorised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metatap.flow.columns import Strings

FloatArray = npt.NDArray[np.float32]

LOWER = np.array(list(bytes(range(256)).lower()), np.uint8)
"""uint8 [256]: byte → the same in lower case, A to Z only."""

WORD_MAX = 8
"""Bytes of the longest word that can be told: it is compared as one number."""

SPLIT_MAX_BYTES = 64
"""How far into a string it is divided into words, so that hostile ones take little memory."""


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


def words(
    strings: Strings,
    vocabulary: Sequence[bytes],
    *,
    separator: bytes = b"",
    strip: bytes = b"",
    lower: bool = False,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Which words of a vocabulary the strings consist of.

    The cost grows with the bytes, not with how many different strings there are.

    Args:
        strings: n strings.
        vocabulary: Words of 1 to 8 bytes, none of them NUL.
        separator: The byte between a string's words; b"" takes each string as one word. What comes
            after the last one in the first `SPLIT_MAX_BYTES` is one word.
        strip: A byte that is left out at the start of each word.
        lower: Whether A to Z count as a to z.

    Returns:
        For each of the w words of all strings that are not empty, in order: intp [w], its string,
        and intp [w], its index in the vocabulary, or -1.
    """
    base, last = int(strings.offsets[0]), int(strings.offsets[-1])
    data = LOWER[strings.data[base:last]] if lower else strings.data[base:last]
    rows = np.flatnonzero(strings.lengths())
    starts, ends = strings.offsets[:-1][rows] - base, strings.offsets[1:][rows] - base
    if separator:
        cuts = np.flatnonzero(data == separator[0])
        within = np.searchsorted(ends, cuts, "right")
        early = cuts - starts[within] < SPLIT_MAX_BYTES
        cuts, within = cuts[early], within[early]
        rows = _merged(rows, rows[within])
        starts, ends = _merged(starts, cuts + 1), _merged(ends, cuts)
    if strip and (is_it := data == strip[0]).any():
        # For each byte the first one from there on that stays, the end of all being one.
        stays = np.append(np.where(is_it, len(data), np.arange(len(data))), len(data))
        following = np.minimum.accumulate(stays[::-1])[::-1]
        starts = np.minimum(following[starts], ends)
    lengths = ends - starts
    known = np.array([packed(word) for word in vocabulary], np.uint64)
    order = np.argsort(known)
    found = _pack(data, starts, lengths)
    at = np.minimum(np.searchsorted(known[order], found), len(order) - 1)
    index = order[at]
    return rows, np.where((known[index] == found) & (lengths <= WORD_MAX), index, -1)


def _merged(one: npt.NDArray[np.int64], two: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Two sorted arrays as one; a stable sort finds the two runs."""
    return np.sort(np.concatenate([one, two]), kind="stable")


def packed(word: bytes) -> int:
    """A word of a vocabulary as the number that it is compared by."""
    if not 0 < len(word) <= WORD_MAX or 0 in word:
        raise ValueError(f"{word!r}: a word has 1 to {WORD_MAX} bytes, none of them NUL")
    return int.from_bytes(word, "little")


def _pack(
    data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """The first 8 bytes of each word as one number; a NUL becomes a byte no word has."""
    found = np.zeros(len(starts), np.uint64)
    for at in range(min(WORD_MAX, int(lengths.max(initial=0)))):
        has = np.flatnonzero(lengths > at)
        byte = data[starts[has] + at].astype(np.uint64)
        byte[byte == 0] = 0xFF
        found[has] |= byte << np.uint64(8 * at)
    return found
