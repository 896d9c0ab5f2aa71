"""The bound on the spool's file: what still fits, and what gives way."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from metatap.spool.database import PAGE, Database, pages_of
from metatap.spool.entry import MAX_BODY, Entry

MIN_BYTES = 8 * MAX_BODY
"""Bound of a spool, at least: any alert finds room in an empty one."""

_SPARE = 16
"""Pages for what is no alert."""

_ALERTS_ON_A_PAGE = 400
"""Leaves under one inner page, and pages in one pointer map, at least half of this."""


class WhenFull(StrEnum):
    """What a full spool does with a new alert.

    `BLOCK`: it waits for the sinks, and the agent with it. `DROP_OLDEST`: the oldest give way.
    """

    BLOCK = "block"
    DROP_OLDEST = "drop_oldest"


def fitting(database: Database, entries: Sequence[Entry], max_bytes: int) -> int:
    """How many of some alerts, the first ones, fit beside what is there."""
    left = _left(database, max_bytes)
    fit = 0
    for entry in entries:
        left -= pages_of(entry)
        if left < 0:
            break
        fit += 1
    return fit


def give_way(database: Database, entries: Sequence[Entry], max_bytes: int) -> int:
    """Delete the oldest alerts until new ones fit, or nothing is left.

    Returns:
        The newest alert that was deleted, 0: none was.
    """
    need = sum(map(pages_of, entries))
    gone = 0
    while (lacking := need - _left(database, max_bytes)) > 0:
        through = database.span(lacking)
        if through is None:
            break
        database.delete_through(through)
        gone = through
    return gone


def _left(database: Database, max_bytes: int) -> int:
    """Pages that may still be filled."""
    count, free = database.pages()
    pages = max_bytes // PAGE
    return pages - pages // (_ALERTS_ON_A_PAGE // 2) - _SPARE - (count - free)
