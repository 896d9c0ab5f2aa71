"""A host that reaches for many others: whose hits go where.

The first destinations of one originator have an aggregate each. What it does to further ones goes
into one aggregate, the fold of (pack, originator, window), so that a scan of a network is some
dozens of alerts and not one for every host that it asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from metatap.alerts.group import ADDRESS

MAX_DESTINATIONS = 4096
"""Destinations told apart in one fold, at most; beyond, their number is a lower bound."""

MAX_ALL_DESTINATIONS = 262_144
"""Destinations remembered in all folds together, at most: about 30 MB."""


class Key(NamedTuple):
    """What an aggregate is of.

    Attributes:
        pack: SHA-256 of the pack, its id where it has none.
        hosts: Originator's and responder's address, 16 bytes each, zeros where absent; of a fold
            the originator's alone.
        window: Number of the window since the epoch.
    """

    pack: str
    hosts: bytes
    window: int

    @property
    def is_fold(self) -> bool:
        """Whether it stands for many responders."""
        return len(self.hosts) == ADDRESS

    @property
    def fold(self) -> Key:
        """The fold of the same originator."""
        return Key(self.pack, self.hosts[:ADDRESS], self.window)


@dataclass(slots=True)
class Room:
    """Places left for destinations, shared by all folds."""

    left: int = MAX_ALL_DESTINATIONS


@dataclass(slots=True)
class Destinations:
    """The distinct responders of a fold.

    Attributes:
        room: Where their places come from.
        count: How many they are.
        at_least: There may be more than that.
    """

    room: Room
    count: int = 0
    at_least: bool = False
    _seen: set[bytes] = field(default_factory=set)

    def add(self, addresses: Iterable[bytes]) -> None:
        """Take note of addresses."""
        for address in addresses:
            if address in self._seen:
                continue
            if len(self._seen) >= MAX_DESTINATIONS or not self.room.left:
                self.at_least = True
                self.count = max(self.count, 1)
            else:
                self._seen.add(address)
                self.room.left -= 1
                self.count += 1

    def release(self) -> None:
        """Give their places back; the count stays."""
        self.room.left += len(self._seen)
        self._seen.clear()


@dataclass(slots=True)
class _Origin:
    """One originator's aggregates of one pack and window.

    Attributes:
        pairs: Destinations that were given an aggregate of their own.
        held: Aggregates that are held, the fold among them.
    """

    pairs: int = 0
    held: int = 0


class Origins:
    """Decides which destinations are folded.

    Only the order of the hits counts, not how they were batched. An originator is forgotten with
    its last aggregate.
    """

    def __init__(self, max_pairs: int) -> None:
        self._max_pairs = max_pairs
        self._origins: dict[Key, _Origin] = {}

    def __len__(self) -> int:
        """Originators known."""
        return len(self._origins)

    def place(self, key: Key) -> Key:
        """Where the hits of a pair go that has no aggregate: into one of its own or the fold."""
        origin = self._origins.setdefault(key.fold, _Origin())
        if origin.pairs >= self._max_pairs:
            return key.fold
        origin.pairs += 1
        return key

    def hold(self, key: Key) -> None:
        """An aggregate is held."""
        self._origins.setdefault(key.fold, _Origin()).held += 1

    def drop(self, key: Key) -> None:
        """An aggregate is held no more."""
        origin = self._origins[key.fold]
        origin.held -= 1
        if not origin.held:
            del self._origins[key.fold]
