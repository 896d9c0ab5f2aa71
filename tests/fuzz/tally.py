"""What a run of fuzzing has seen."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MEMORY_MAX_MIB = 128
"""By how many MiB the process may grow after its first round; a leak of 100 bytes an item shows
within a million and a half."""


@dataclass(slots=True)
class Tally:
    """Counts of one run.

    Attributes:
        what: Name of the run.
        taken: Items that were taken as sound.
        refused: Reason → items.
    """

    what: str
    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _began: float = field(default_factory=time.monotonic)
    _first: float = 0.0

    @property
    def items(self) -> int:
        """Items seen."""
        return self.taken + self.refused.total()

    def add(self, taken: int, refused: Mapping[str, int]) -> None:
        """Count a round, and look at the memory."""
        self.taken += taken
        self.refused.update(refused)
        now = resident_mib()
        if not self._first:
            self._first = now
        assert now - self._first < MEMORY_MAX_MIB, f"grew from {self._first:.0f} to {now:.0f} MiB"

    def report(self) -> str:
        """The counts, for people."""
        spent = time.monotonic() - self._began
        head = (
            f"{self.what}: {self.items:,} in {spent:.0f} s, {self.taken:,} taken, "
            f"{self.refused.total():,} refused; memory {self._first:.0f} MiB after the first "
            f"round, {resident_mib():.0f} at the end, {peak_mib():.0f} at most"
        )
        rows = (f"  {count:>12,}  {reason}" for reason, count in self.refused.most_common())
        return "\n".join((head, *rows))


def resident_mib() -> float:
    """Memory of this process now, MiB (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """Memory of this process at most so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
