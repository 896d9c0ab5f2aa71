"""A cache of bounded size that forgets what was longest not used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SizedCache(Generic[K, V]):
    """Values by key, of a total size at most; used by one thread at a time.

    Attributes:
        limit: Bytes held, at most.
        size: Bytes held.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        """The value of a key, which is then the last to be forgotten; None if it is not held."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Hold a value of `size` bytes; one larger than the limit is not held."""
        _, before = self._held.pop(key, (None, 0))
        self.size -= before
        if size > self.limit:
            return
        self._held[key] = value, size
        self.size += size
        while self.size > self.limit:
            _, (_, freed) = self._held.popitem(last=False)
            self.size -= freed
