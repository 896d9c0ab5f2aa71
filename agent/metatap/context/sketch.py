"""`Context`: what a host did before, a batch at a time, in memory that never grows."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import numpy as np
import numpy.typing as npt

from metatap.compiling import twin
from metatap.context.given import given
from metatap.context.layout import CONTEXT_WIDTH, KEYS, SET_BACK_S, Key
from metatap.context.reference import update
from metatap.context.slots import (
    ENTRIES,
    ENTRIES_MIN,
    Evictions,
    Slots,
    bounded_entries,
    locate,
)
from metatap.flow import FlowBatch, Numeric

FloatArray = npt.NDArray[np.float32]
SET_BACK_NS = int(SET_BACK_S * 1e9)


class Context:
    """Decayed statistics of hosts, pairs and services; one instance a stream of flows.

    Flows come in the order they ended in, as Zeek sends them; disorder of starts is borne. A flow
    without `ts` and a partial record have no context and leave none. A batch of another capture
    than the one before starts anew.

    Attributes:
        evictions: Keys that found no place of their own.
        compiled: Whether the compiled twin of the reference does the work.
    """

    def __init__(
        self, entries: int = ENTRIES, *, seed: int = 0, compiled: bool | None = None
    ) -> None:
        """Free memory.

        Args:
            entries: Keys with statistics that are remembered, rounded up to a power of two; 96
                bytes each, all together.
            seed: Of the keys' hash; a sensor takes a random one.
            compiled: Whether to use the compiled twin; None: if it is there (extra `fast`).

        Raises:
            ImportError: `compiled` is asked for and numba is not there or does it wrong.
        """
        entries = bounded_entries(entries)
        self._slots = Slots.empty(entries, with_stats=True)
        self._times = Slots.empty(entries, with_stats=False)
        self._seed = seed
        self.evictions = Evictions()
        self._capture = ""
        kernel = twin("context", compiled, _load, _sound)
        self.compiled = kernel is not None
        self._given = given if kernel is None else kernel.given
        self._locate = locate if kernel is None else kernel.locate
        self._update = update if kernel is None else kernel.update

    @property
    def nbytes(self) -> int:
        """Bytes of memory; they never grow."""
        return self._slots.nbytes + self._times.nbytes

    def reset(self) -> None:
        """Forget everything, as at the start of another capture."""
        self._slots.clear()
        self._times.clear()

    def update(self, batch: FlowBatch) -> FloatArray:
        """Take a batch in.

        Args:
            batch: n flows.

        Returns:
            float32 [n, C], columns as `layout.CONTEXT_FEATURES`: for each flow what its keys had
            seen once it was counted; NaN where there is none.
        """
        if batch.origin.capture != self._capture:
            self._capture = batch.origin.capture
            self.reset()
        if not batch.rows:
            return np.zeros((0, CONTEXT_WIDTH), np.float32)
        found = self._given(batch, self._seed)
        keys = found.keys[:KEYS].reshape(-1)
        at = self._locate(self._slots, keys, found.ended, SET_BACK_NS, self.evictions)
        at_times = self._locate(
            self._times, found.keys[Key.PEER_SERVICE], found.ended, SET_BACK_NS, self.evictions
        )
        known = self._update(self._slots, self._times, at, at_times, found)
        if len(known) == batch.rows:
            return known
        out = np.full((batch.rows, CONTEXT_WIDTH), np.nan, np.float32)
        out[found.rows] = known
        return out


def _load() -> ModuleType:
    return import_module("metatap.context.kernel")


def _sound(kernel: ModuleType) -> bool:
    batch = _trial()
    found, expected = kernel.given(batch, 1), given(batch, 1)
    if not np.array_equal(found.keys, expected.keys):
        return False
    results = []
    for find, take in ((kernel.locate, kernel.update), (locate, update)):
        slots = Slots.empty(ENTRIES_MIN, with_stats=True)
        times = Slots.empty(ENTRIES_MIN, with_stats=False)
        keys = expected.keys[:KEYS].reshape(-1)
        at = find(slots, keys, expected.ended, SET_BACK_NS, Evictions())
        at_times = find(
            times, expected.keys[Key.PEER_SERVICE], expected.ended, SET_BACK_NS, Evictions()
        )
        results += [take(slots, times, at, at_times, expected), slots.stats]
    pairs = zip(results[:2], results[2:], strict=True)
    return all(np.allclose(a, b, rtol=1e-4, equal_nan=True) for a, b in pairs)


def _trial() -> FlowBatch:
    """64 flows of four hosts; every fourth failed."""
    index = np.arange(64)
    address = np.zeros((64, 16), np.uint8)
    address[:, 15] = index % 4
    return FlowBatch(
        64,
        {
            "ts": Numeric(index**3 * 1_000_000_000),
            "id.orig_h": Numeric(address),
            "id.resp_h": Numeric(address[::-1]),
            "id.resp_p": Numeric((index % 3).astype(np.uint16)),
            "proto": Numeric(np.ones(64, np.uint8)),
            "conn_state": Numeric((index % 4).astype(np.uint8)),
            "orig_ip_bytes": Numeric((index * 40).astype(np.uint64)),
        },
    )
