"""One alert as it lies in the spool."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from metatap.spool.reasons import CORRUPT, MISSING

MAX_BODY = 2**17
"""Bytes of an alert, at most; `metatap.alerts.ecs.MAX_LINE` is a quarter of it."""

_DIGEST_BYTES = 8
_WIDE = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert.

    Attributes:
        seq: Its place in the order of all alerts, from 1, without gaps.
        at: When it was appended, ns since the epoch.
        id: Its `event.id`, "" if it has none.
        body: Its ECS JSON line, without its end.
    """

    seq: int
    at: int
    id: str
    body: bytes


class _Event(msgspec.Struct):
    id: str = ""


class _Document(msgspec.Struct):
    event: _Event = msgspec.field(default_factory=_Event)


_DECODER = msgspec.json.Decoder(_Document)


def id_of(line: bytes) -> str:
    """The `event.id` of an ECS JSON line, "" if it has none."""
    try:
        return _DECODER.decode(line).event.id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def row_of(entry: Entry) -> tuple[int, int, bytes, bytes, bytes]:
    """The values of a row: seq, at, id, digest, body."""
    name = entry.id.encode()
    return entry.seq, entry.at, name, digest_of(entry.seq, entry.at, name, entry.body), entry.body


def entry_of(row: Sequence[Any]) -> Entry | None:
    """The alert of a row; None if its bytes are not those that were written."""
    seq, at, name, digest, body = row
    if not (isinstance(name, bytes) and isinstance(body, bytes) and isinstance(at, int)):
        return None
    if digest != digest_of(seq, at, name, body):
        return None
    return Entry(seq, at, name.decode(), body)


def sort_out(
    rows: Sequence[Sequence[Any]], after: int, end: int
) -> tuple[list[tuple[str, int]], list[Entry]]:
    """The alerts of some rows, up to the first that is not as it was written.

    Args:
        rows: In their order, the first ones after `after`.
        after: Number of an alert.
        end: The newest alert that must be there, more than `after`.

    Returns:
        What is lost before the first alert, as reason and the last number that it is true of; the
        alerts.
    """
    lost: list[tuple[str, int]] = []
    found: list[Entry] = []
    for row in rows:
        entry = entry_of(row)
        is_next = row[0] == after + 1
        if found and not (entry and is_next):
            break
        if not is_next:
            lost.append((MISSING, row[0] - 1))
        if entry is None:
            if lost and lost[-1][0] == CORRUPT and is_next:
                lost.pop()
            lost.append((CORRUPT, row[0]))
        else:
            found.append(entry)
        after = row[0]
    if not rows:
        lost.append((MISSING, end))
    return lost, found


def digest_of(seq: int, at: int, name: bytes, body: bytes) -> bytes:
    """A checksum over all of a row, so that a body under another's number is found as well.

    Args:
        seq: Number of the alert.
        at: When it was appended, ns since the epoch.
        name: Its id.
        body: Its line.
    """
    head = b"".join(number.to_bytes(_WIDE, "big", signed=True) for number in (seq, at, len(name)))
    return hashlib.blake2b(head + name + body, digest_size=_DIGEST_BYTES).digest()
