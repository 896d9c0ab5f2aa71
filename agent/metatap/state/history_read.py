"""What is read of the history's tables: one alert by its id, or the newest of some kind."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from metatap.errors import StateError
from metatap.flow import Row
from metatap.state.stored import COLUMNS, Judgement, Stored, Verdict, flow_of, stored_of

DAMAGE = (sqlite3.Error, zlib.error, ValueError, msgspec.MsgspecError)
"""What reading a damaged file raises."""

_IDS = (
    "SELECT id FROM alerts WHERE id >= ? AND id < ? "
    "UNION SELECT id FROM alerts WHERE event >= ? AND event < ? LIMIT ?"
)
_JUDGED = (
    f"SELECT {COLUMNS}, verdict, at, note FROM alerts "  # noqa: S608 - constants
    "LEFT JOIN verdicts ON verdicts.alert = alerts.id "
)
_ORDER = "ORDER BY seq DESC"
_VERDICT = 3
"""Columns of the verdict, the last ones of `_JUDGED`."""


class Judged(StrEnum):
    """What people made of an alert, or that nobody did."""

    TRUE = "true"
    FALSE = "false"
    NONE = "none"

    @classmethod
    def of(cls, stored: Stored) -> Judged:
        """Of an alert."""
        return cls.NONE if stored.judgement is None else cls(stored.judgement.verdict.value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts are asked for; without anything said, all.

    Attributes:
        pack: Id of the pack, "" for any.
        since: Made at this time or later, ns since the epoch.
        judged: What people made of them, None for anything.
        flow: Whether the flow an alert shows is of those meant, None for any.
    """

    pack: str = ""
    since: int = 0
    judged: Judged | None = None
    flow: Callable[[Row], bool] | None = None


class Newest:
    """Alerts of a history, the newest first, each by its newest `opened` event; an iterator.

    Attributes:
        unreadable: Alerts passed over so far since their rows are damaged.
    """

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted) -> None:
        """Ask for them; nothing is read yet."""
        self.unreadable = 0
        self._connection = connection
        self._wanted = wanted
        self._found = self._read()

    def __iter__(self) -> Iterator[Stored]:
        return self

    def __next__(self) -> Stored:
        return next(self._found)

    def _read(self) -> Iterator[Stored]:
        seen: set[str] = set()
        try:
            for row in self._connection.execute(*self._query()):
                if row[0] in seen:
                    continue
                seen.add(row[0])
                try:
                    found = self._stored(row)
                except DAMAGE:
                    self.unreadable += 1
                    continue
                if found is not None:
                    yield found
        except sqlite3.Error as error:
            raise StateError(f"the history can't be read: {error}") from None

    def _stored(self, row: tuple[Any, ...]) -> Stored | None:
        wanted = self._wanted.flow
        if wanted is not None and not wanted(flow_of(row)):
            return None
        return _stored(row)

    def _query(self) -> tuple[str, tuple[Any, ...]]:
        wanted = self._wanted
        terms: list[str] = []
        values: list[Any] = []
        if wanted.pack:
            terms.append("pack = ?")
            values.append(wanted.pack)
        if wanted.since:
            terms.append("created >= ?")
            values.append(wanted.since)
        if wanted.judged is Judged.NONE:
            terms.append("verdict IS NULL")
        elif wanted.judged is not None:
            terms.append("verdict = ?")
            values.append(wanted.judged.value)
        where = f"WHERE {' AND '.join(terms)} " if terms else ""
        return f"{_JUDGED}{where}{_ORDER}", tuple(values)


def ids_of(connection: sqlite3.Connection, text: str, most: int) -> list[str]:
    """Ids of alerts that begin so, or whose event's does, at most so many.

    Raises:
        sqlite3.Error: the file can't be read.
    """
    within = (text, text + "g")
    return [row[0] for row in connection.execute(_IDS, (*within, *within, most))]


def newest_of(connection: sqlite3.Connection, alert: str) -> Stored:
    """The newest `opened` event of an alert that is there, by its id in full.

    Raises:
        sqlite3.Error, zlib.error, ValueError, msgspec.MsgspecError: it can't be read.
    """
    row = connection.execute(f"{_JUDGED}WHERE id = ? {_ORDER} LIMIT 1", (alert,)).fetchone()
    return _stored(row)


def _stored(row: tuple[Any, ...]) -> Stored:
    verdict, at, note = row[-_VERDICT:]
    judgement = None if verdict is None else Judgement(Verdict(verdict), at, note)
    return stored_of(row[:-_VERDICT], judgement)
