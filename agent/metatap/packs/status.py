"""What has become of a pack: the state it is in, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from metatap.packs.pack import Pack


class PackState(StrEnum):
    """Where a pack is in its life; each but the last two is passed while rules are built."""

    LOADING = "loading"
    """Its file is read, checked and, if signed, verified; its head and threshold are made."""

    SHADOW = "shadow"
    """It is scored on flows seen lately; nothing of it alerts."""

    ACTIVE = "active"
    """It is in force."""

    QUARANTINED = "quarantined"
    """It is not, and `reason` says why; no other pack is affected."""


class Fault(StrEnum):
    """Why a pack is quarantined, in one word for counters."""

    FILE = "file"
    """The file can't be read or breaks docs/packs.md."""

    SIGNATURE = "signature"
    """Its signature is malformed, or not that of these bytes."""

    UNSIGNED = "unsigned"
    """It has no signature by a trusted key, and the policy asks for one."""

    DUPLICATE = "duplicate"
    """Another pack has its id."""

    HEAD = "head"
    """The model makes no finite head of it."""

    CONTRADICTION = "contradiction"
    """Its counter-examples are, or score, like its support flows."""

    SUPPORT = "support"
    """Its support flows have nothing in common that the model could go by."""

    BACKGROUND = "background"
    """It would fire on the background more often than its rate."""

    RECENT = "recent"
    """It would have fired on too many of the flows seen lately."""


@dataclass(frozen=True, slots=True)
class PackStatus:
    """One pack that was seen, in force or not.

    Attributes:
        id: Of the pack; of a file that can't be read as one, its name without the ending.
        path: Its file.
        sha256: Hex digest of the file's bytes, "" if they could not be read.
        state: What it is.
        reason: Why it is quarantined, "" otherwise.
        fault: The same in one word, None otherwise.
        threshold: A score at or above it is a hit; None if there is no head.
        recognised: Support flows that reach the threshold by a head that did not see them.
        support: Support flows.
        not_like: Counter-examples.
        fired: Share of the flows seen lately that it would have flagged; None: not looked at.
        signed_by: Name of the key, "" if unsigned or if the key is not trusted.
    """

    id: str
    path: Path
    sha256: str
    state: PackState
    reason: str = ""
    fault: Fault | None = None
    threshold: float | None = None
    recognised: int = 0
    support: int = 0
    not_like: int = 0
    fired: float | None = None
    signed_by: str = ""

    @classmethod
    def of(cls, pack: Pack, state: PackState) -> PackStatus:
        """Of a pack that was read."""
        return cls(
            pack.id,
            pack.path,
            pack.sha256,
            state,
            support=pack.flows.rows,
            not_like=0 if pack.not_like is None else pack.not_like.rows,
            signed_by=pack.signed_by,
        )

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "id": self.id,
            "path": str(self.path),
            "sha256": self.sha256,
            "state": self.state.value,
            "reason": self.reason,
            "fault": None if self.fault is None else self.fault.value,
            "threshold": self.threshold,
            "recognised": self.recognised,
            "support": self.support,
            "not_like": self.not_like,
            "fired": self.fired,
            "signed_by": self.signed_by,
        }
