"""The loop of the compiled decoder: numba compiles it when this is imported, in seconds.

One pass over a group's bytes: each tag and length is compared before it is believed. Whatever is
not as it must be ends the pass, and the reference reads the group again and says what is wrong.
"""

# ruff: noqa: C901, PLR0911, PLR0912, PLR0915, PLR0917 - one pass, one loop; arrays one by one

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from metatap.compiling import OPTIONS, entry
from metatap.flow.schema import STRING_MAX_BYTES
from metatap.sources.broker_bin import ADDR, PORT, STRING, VECTOR, WORD

WORDS, TEXT, ADDRESSES, PORTS = range(4)
"""Kinds of fields."""

_ADDRESS, _PORT, _BYTES = 17, 4, 16
_VARBYTE_MAX = 5
_WRONG = -1

_inner: Callable[[Callable[..., Any]], Any] = numba.njit(**OPTIONS)
"""Part of an entry; cached with it."""


def _array(kind: Any, dimensions: int = 1, *, read: bool = False) -> Any:
    return numba.types.Array(kind, dimensions, "C", readonly=read)


@_inner
def _size(data: Any, at: Any, tag: Any) -> Any:
    """What stands behind a tag and a length: the offset and that length; −1 if not so."""
    if at >= len(data) or data[at] != tag:
        return _WRONG, 0
    value = np.int64(0)
    for place in range(_VARBYTE_MAX):
        at += 1
        if at >= len(data):
            return _WRONG, 0
        byte = np.int64(data[at])
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return at + 1, value
    return _WRONG, 0


@_inner
def _word(data: Any, at: Any) -> Any:
    """Eight bytes, big-endian; the compiler makes one instruction of it."""
    value = np.uint64(0)
    for byte in range(8):
        value = (value << np.uint64(8)) | np.uint64(data[at + np.uint64(byte)])
    return value


@_inner
def _dense(data: Any, tag: Any, out: Any) -> Any:
    """Values of one vector without its head into out [n]; whether each has the tag."""
    sound = True
    at = np.uint64(0)
    for row in range(len(out)):
        sound &= data[at] == tag
        out[row] = _word(data, at + np.uint64(1))
        at += np.uint64(WORD)
    return sound


@_inner
def _sparse(data: Any, tag: Any, index: Any, out: Any) -> Any:
    """As `_dense`, to the rows at index [k]; other rows become 0."""
    sound = True
    at = np.uint64(0)
    for row in range(len(out)):
        out[row] = np.uint64(0)
    for row in index:
        sound &= data[at] == tag
        out[row] = _word(data, at + np.uint64(1))
        at += np.uint64(WORD)
    return sound


@_inner
def _rows(data: Any, tag: Any, rows: Any, index: Any) -> Any:
    """Row numbers; whether they increase and stay below `rows`."""
    last = np.int64(-1)
    at = np.uint64(0)
    for place in range(len(index)):
        value = _word(data, at + np.uint64(1))
        if data[at] != tag or value >= np.uint64(rows):
            return False
        row = np.int64(value)
        if row <= last:
            return False
        index[place] = last = row
        at += np.uint64(WORD)
    return True


@_inner
def _addresses(data: Any, out: Any) -> Any:
    sound = True
    for row in range(len(out)):
        at = np.uint64(row * _ADDRESS)
        sound &= data[at] == ADDR
        for byte in range(_BYTES):
            out[row, byte] = data[at + np.uint64(1 + byte)]
    return sound


@_inner
def _ports(data: Any, numbers: Any, protocols: Any) -> Any:
    sound = True
    for row in range(len(numbers)):
        at = np.uint64(row * _PORT)
        sound &= data[at] == PORT
        high, low = data[at + np.uint64(1)], data[at + np.uint64(2)]
        numbers[row] = (np.uint16(high) << np.uint16(8)) | np.uint16(low)
        protocols[row] = data[at + np.uint64(3)]
    return sound


@_inner
def _lengths(lengths: Any, offsets: Any, there: Any) -> Any:
    """Offsets of strings [n + 1], and whether each is there; the bytes in all, −1 if one is long.

    The second result tells whether all are there.
    """
    offsets[0] = total = np.int64(0)
    longest = np.uint64(0)
    every = True
    for row in range(len(lengths)):
        length = lengths[row]
        longest = max(longest, length)
        total += np.int64(length & np.uint64(0xFFFF))
        offsets[row + 1] = total
        there[row] = length > 0
        every &= length > 0
    return (_WRONG if longest > STRING_MAX_BYTES else total), every


@_inner
def _bits(flags: Any, mask: Any, out: Any) -> None:
    for row in range(len(flags)):
        out[row] = (flags[row] & mask) != 0


@entry(
    numba.intp(
        _array(numba.uint8, read=True), numba.intp, numba.boolean,
        _array(numba.uint8, read=True), _array(numba.uint8, read=True),
        _array(numba.int64, read=True), _array(numba.uint64, 2, read=True),
        _array(numba.uint64, 2), _array(numba.int64, 2), _array(numba.boolean, 2),
        _array(numba.int64, 2), _array(numba.uint8, 3), _array(numba.uint16, 2),
        _array(numba.uint8, 2), _array(numba.boolean), _array(numba.boolean, 3),
        _array(numba.uint64),
    )
)  # fmt: skip
def read_rows(
    data: Any, at: Any, sparse: Any, kinds: Any, tags: Any, length_rows: Any, masks: Any,
    words: Any, offsets: Any, there: Any, spans: Any, addresses: Any, ports: Any,
    protocols: Any, member: Any, bits: Any, told: Any,
) -> Any:  # fmt: skip
    """One group's record of k entries, at the rows of a batch of n.

    Args:
        data: uint8, the message.
        at: Where the record starts.
        sparse: Whether the first field tells which rows the entries are.
        kinds: uint8 [fields], see `WORDS`.
        tags: uint8 [fields], tag of the elements.
        length_rows: int64 [s], which rows of `words` are the lengths of the s strings.
        masks: uint64 [c, 2], bits in the flags of c columns: present, value.
        words: uint64 [w, n], filled: eight-byte fields, 0 where a row has no entry.
        offsets: int64 [s, n + 1], filled.
        there: bool [s, n], filled: strings that are not empty.
        spans: int64 [s, 3], filled: where the bytes start and end, whether all are there.
        addresses: uint8 [a, n, 16], filled.
        ports: uint16 [p, n], filled.
        protocols: uint8 [p, n], filled.
        member: bool [n], filled: rows with an entry, of a sparse group.
        bits: bool [2, c, n], filled: the bits of `masks` that some entry has.
        told: uint64 [3], filled: k, flags that some entry has, flags that every entry has.

    Returns:
        Where the record ends; −1 where it is not as it must be.
    """
    rows = words.shape[1]
    at, found = _size(data, at, VECTOR)
    if at < 0 or found != len(kinds):
        return _WRONG
    size = rows
    index = np.empty(rows if sparse else 0, np.intp)
    word = text = address = port = 0
    for field in range(len(kinds)):
        kind = kinds[field]
        at, found = _size(data, at, STRING if kind == TEXT else VECTOR)
        if at < 0:
            return _WRONG
        if field == 0 and sparse:
            if found > rows:
                return _WRONG
            size = found
            index = index[:size]
        width = WORD
        if kind == TEXT:
            width = 1
        elif kind == ADDRESSES:
            width = _ADDRESS
        elif kind == PORTS:
            width = _PORT
        if (kind != TEXT and found != size) or found > (len(data) - at) // width:
            return _WRONG
        part = data[at : at + found * width]
        if kind == TEXT:
            spans[text, 0], spans[text, 1] = at, at + found
            text += 1
        elif kind == ADDRESSES:
            if not _addresses(part, addresses[address]):
                return _WRONG
            address += 1
        elif kind == PORTS:
            if not _ports(part, ports[port], protocols[port]):
                return _WRONG
            port += 1
        else:
            if field == 0 and sparse:
                sound = _rows(part, tags[field], rows, index)
            elif size < rows:
                sound = _sparse(part, tags[field], index, words[word])
            else:
                sound = _dense(part, tags[field], words[word])
            if not sound:
                return _WRONG
            word += 1
        at += found * width
    for text in range(len(length_rows)):
        total, every = _lengths(words[length_rows[text]], offsets[text], there[text])
        if total != spans[text, 1] - spans[text, 0]:
            return _WRONG
        spans[text, 2] = every
    flags = words[len(words) - 1]
    some, every_bit = np.uint64(0), ~np.uint64(0)
    if sparse and size < rows:
        for row in range(rows):
            member[row] = False
        for row in index:
            member[row] = True
            some |= flags[row]
            every_bit &= flags[row]
    else:
        for row in range(rows):
            some |= flags[row]
            every_bit &= flags[row]
    told[0], told[1], told[2] = size, some, every_bit
    for column in range(len(masks)):
        for which in range(2):
            if masks[column, which] & some or (which and masks[column, which]):
                _bits(flags, masks[column, which], bits[which, column])
    return at
