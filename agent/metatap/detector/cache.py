"""Packs made ready before: what did not change is not adapted again."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from metatap.detector.ready import Ready
from metatap.packs.sized import SizedCache

FloatArray = npt.NDArray[np.float32]

MAX_BYTES = 64 * 2**20
"""Bytes of heads and embeddings remembered, at most."""

MAX_KNOWN = 65_536
"""Packs remembered as seen, at most."""

Key = tuple[str, str, str, float]
"""SHA-256 of the pack, of the model, id of the background, rate."""

_ENTRY_BYTES = 1024
"""What an entry takes beside its arrays, about."""


class ReadyCache:
    """What became of packs, by pack, model, background and rate; for one thread at a time."""

    def __init__(self, limit: int = MAX_BYTES) -> None:
        """Start empty.

        Args:
            limit: Bytes of heads and embeddings remembered, at most.
        """
        self._ready: SizedCache[Key, Ready | str] = SizedCache(limit)
        self._admitted: SizedCache[tuple[str, str], bool] = SizedCache(MAX_KNOWN)
        self._told: SizedCache[str, str] = SizedCache(MAX_KNOWN)

    @property
    def size(self) -> int:
        """Bytes remembered."""
        return self._ready.size

    def get(self, key: Key) -> Ready | str | None:
        """The pack made ready, or why the model makes no head of it; None: not known."""
        return self._ready.get(key)

    def put(self, key: Key, found: Ready | str) -> None:
        """Remember what became of a pack."""
        size = len(found) if isinstance(found, str) else found.size
        self._ready.put(key, found, size + _ENTRY_BYTES)

    def admit(self, pack: str, model: str) -> None:
        """Remember that a pack, by its SHA-256, passed its shadow with a model."""
        self._admitted.put((pack, model), True, 1)  # noqa: FBT003 - a set

    def is_admitted(self, pack: str, model: str) -> bool:
        """Whether it did: it is not put in the shadow again, whatever happens on the network."""
        return self._admitted.get((pack, model)) is not None

    def is_news(self, name: str, what: str) -> bool:
        """Whether something else, or nothing, was said of this before; it is said now."""
        before = self._told.get(name)
        self._told.put(name, what, 1)
        return before != what


def background_id(background: FloatArray) -> str:
    """The id of a background float32 [m, d]: a digest of what it holds."""
    shape = str(background.shape).encode()
    content = np.ascontiguousarray(background, np.float32).data
    return hashlib.blake2b(shape + b"\0" + bytes(content), digest_size=16).hexdigest()
