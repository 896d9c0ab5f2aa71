"""The loop of the compiled decoder: numba compiles it when this is imported, in seconds.

One pass over a message's groups: each tag and length is compared before it is believed. Whatever is
not as it must be ends the pass, and the reference reads the message again and says what is wrong.
"""

# ruff: noqa: C901, PLR0911, PLR0912, PLR0915, PLR0917 - one pass, one loop; arrays one by one

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from metatap.compiling import OPTIONS, entry
from metatap.flow.schema import STRING_MAX_BYTES
from metatap.sources import wire_slots as slots
from metatap.sources.broker_bin import ADDR, PORT, STRING, VECTOR, WORD

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
def _words(data: Any, tag: Any, index: Any, out: Any) -> Any:
    """Values of one vector without its head to the rows at index [k]; whether each has the tag."""
    sound = True
    at = np.uint64(0)
    for row in index:
        sound &= data[at] == tag
        out[row] = _word(data, at + np.uint64(1))
        at += np.uint64(WORD)
    return sound


@_inner
def _addresses(data: Any, out: Any) -> Any:
    sound = True
    for row in range(len(out)):
        at = np.uint64(row * slots.ADDRESS)
        sound &= data[at] == ADDR
        for byte in range(slots.ADDRESS - 1):
            out[row, byte] = data[at + np.uint64(1 + byte)]
    return sound


@_inner
def _ports(data: Any, numbers: Any) -> Any:
    sound = True
    for row in range(len(numbers)):
        at = np.uint64(row * slots.PORT)
        sound &= data[at] == PORT
        high, low = data[at + np.uint64(1)], data[at + np.uint64(2)]
        numbers[row] = (np.uint16(high) << np.uint16(8)) | np.uint16(low)
    return sound


@_inner
def _protocols(data: Any, kinds: Any, codes: Any, known: Any) -> Any:
    """The protocol bytes of ports; how many are below `kinds`."""
    count = 0
    for row in range(len(codes)):
        code = data[np.uint64(row * slots.PORT + 3)]
        codes[row] = code
        known[row] = code < kinds
        count += code < kinds
    return count


@_inner
def _offsets(data: Any, tag: Any, index: Any, total: Any, ends: Any, there: Any) -> Any:
    """Lengths of the strings of the rows at index [k] → ends [n]; other rows have none.

    Returns:
        `total` and the bytes of these strings, −1 where a tag is wrong or a string too long; how
        many strings are not empty.
    """
    sound, longest, count, done = True, np.uint64(0), 0, 0
    at = np.uint64(0)
    for row in index:
        while done < row:
            ends[done], there[done] = total, False
            done += 1
        sound &= data[at] == tag
        length = _word(data, at + np.uint64(1))
        longest = max(longest, length)
        total += np.int64(length & np.uint64(0xFFFF))
        ends[row], there[row] = total, length > 0
        count += length > 0
        done = row + 1
        at += np.uint64(WORD)
    ends[done:] = total
    there[done:] = False
    return (total if sound and longest <= STRING_MAX_BYTES else _WRONG), count


@_inner
def _codes(text: Any, keys: Any, offsets: Any, codes: Any, known: Any) -> Any:
    """Codes of an enumeration's words [n], joined in `text`, eight bytes at least behind the last.

    `keys` are the vocabulary. Returns how many are known, and how many are neither that nor empty.
    """
    count, foreign = 0, 0
    for row in range(len(codes)):
        length = offsets[row + 1] - offsets[row]
        found, code = False, 0
        if 0 < length <= slots.KEY_BYTES:
            key = _word(text, np.uint64(offsets[row] - offsets[0])) >> np.uint64(64 - 8 * length)
            key |= np.uint64(length) << np.uint64(56)
            for at in range(len(keys)):
                if keys[at] == key:
                    found, code = True, at
                    break
        codes[row], known[row] = code, found
        count += found
        foreign += (length > 0) & (not found)
    return count, foreign


@_inner
def _bits(flags: Any, mask: Any, out: Any) -> Any:
    count = 0
    for row in range(len(flags)):
        bit = (flags[row] & mask) != 0
        out[row] = bit
        count += bit
    return count


@entry(
    numba.intp(
        _array(numba.uint8, read=True), numba.intp, numba.intp, numba.intp,
        _array(numba.int64, 2, read=True), _array(numba.uint64, read=True),
        _array(numba.uint64, read=True), _array(numba.uint64, 2), _array(numba.int64, 2),
        _array(numba.uint8, 3), _array(numba.uint16, 2), _array(numba.uint8, 2),
        _array(numba.boolean, 2), _array(numba.int64, 2), _array(numba.int64),
    )
)  # fmt: skip
def read_message(
    data: Any, at: Any, start: Any, rows: Any, steps: Any, masks: Any, keys: Any, words: Any,
    offsets: Any, addresses: Any, ports: Any, codes: Any, bits: Any, state: Any, told: Any,
) -> Any:  # fmt: skip
    """The groups of a message of n flows, to the rows from `start` on of buffers of more flows.

    Where no flow of the message has a group, nothing is filled of that group: its rows are when it
    comes again, or by who takes the columns.

    Args:
        data: uint8, the message.
        at: Where the first group starts.
        start: Flows in the buffers.
        rows: Flows of the message, n; start + n are no more than the buffers hold, c.
        steps: int64 [steps, 8], what comes: see `wire_slots.Slots`.
        masks: uint64 [m], see there.
        keys: uint64 [v], see there.
        words: uint64 [w, c], filled: eight-byte values, 0 where a flow has no entry.
        offsets: int64 [s, c + 1], filled: of the strings, over all messages.
        addresses: uint8 [a, c, 16], filled.
        ports: uint16 [p, c], filled.
        codes: uint8 [e, c], filled.
        bits: bool [b, c], filled.
        state: int64 [2, b + s + g]: how many are true in each row of `bits`, bytes of each row of
            `offsets`, rows filled of each group. Row 0 is how it was, row 1 is filled: how it is
            with this message.
        told: int64 [2 s + e], filled: where the bytes of each string column start and end in the
            message, values of each enumeration that are not in its vocabulary.

    Returns:
        Where the last group ends; −1 where something is not as it must be.
    """
    stop, group, member = start + rows, 0, 0
    first_total, first_group, first_code = len(bits), len(bits) + len(offsets), 2 * len(offsets)
    now = state[1]
    for place in range(len(now)):
        now[place] = state[0, place]
    told[first_code:] = 0
    flags, places = np.empty(rows, np.uint64), np.arange(rows)
    size, begin, index = rows, start, places
    for number in range(len(steps)):
        step = steps[number]
        kind, tag, slot = step[0], step[1], step[2]
        at, found = _size(data, at, STRING if kind == slots.TEXT else VECTOR)
        if at < 0:
            return _WRONG
        if kind == slots.RECORD:
            if found != step[1]:
                return _WRONG
            group, member = first_group + slot, step[3]
            continue
        if kind == slots.ROWS:
            if found > rows:
                return _WRONG
            size, index = found, places[:found]
        elif kind != slots.TEXT and found != size:
            return _WRONG
        width = step[slots.STEP - 1]
        if found > (len(data) - at) // width:
            return _WRONG
        part = data[at : at + found * width]
        at += found * width
        if kind == slots.TEXT:
            told[2 * slot], told[2 * slot + 1] = at - found, at
        elif not size:
            if kind == slots.SIZES and told[2 * slot] < told[2 * slot + 1]:
                return _WRONG
        elif kind == slots.ROWS:
            if not _rows(part, tag, rows, index):
                return _WRONG
            # From the last rows on that were filled of this group.
            begin, now[group] = now[group], stop
            bits[member, begin:stop] = False
            for row in index:
                bits[member, start + row] = True
            now[member] += size
        elif kind == slots.WORDS:
            line = words[slot]
            line[begin : start if size == rows else stop] = 0
            if not _words(part, tag, index, line[start:stop]):
                return _WRONG
        elif kind == slots.SIZES:
            bit, code, total = step[3], step[4], now[first_total + slot]
            line, there = offsets[slot], bits[bit]
            line[begin : start + 1] = total
            there[begin:start] = False
            end, count = _offsets(
                part, tag, index, total, line[start + 1 : stop + 1], there[start:stop]
            )
            if end < 0 or end - total != told[2 * slot + 1] - told[2 * slot]:
                return _WRONG
            if code != slots.NONE:
                # This vector lies behind the text: there are eight bytes behind each word.
                count, told[first_code + code] = _codes(
                    data[told[2 * slot] :], keys[step[5] : step[6]], line[start : stop + 1],
                    codes[code, start:stop], there[start:stop],
                )  # fmt: skip
            now[bit] += count
            now[first_total + slot] = end
        elif kind == slots.ADDRESSES:
            if not _addresses(part, addresses[slot, start:stop]):
                return _WRONG
        elif kind == slots.PORTS:
            if not _ports(part, ports[slot, start:stop]):
                return _WRONG
            bit, code = step[3], step[4]
            if code != slots.NONE:
                known = bits[bit, start:stop]
                count = _protocols(part, step[5], codes[code, start:stop], known)
                told[first_code + code] = rows - count
                now[bit] += count
        elif kind == slots.BITS:
            if size < rows:
                flags[:] = 0
            if not _words(part, tag, index, flags):
                return _WRONG
            for place in range(slot, step[3]):
                bit = step[4] + place - slot
                bits[bit, begin:start] = False
                now[bit] += _bits(flags, masks[place], bits[bit, start:stop])
    return at
