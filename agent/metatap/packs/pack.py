"""The pack: a rule by example, checked and ready for the detector."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metatap.flow import FlowBatch

FloatArray = npt.NDArray[np.float32]


class Severity(StrEnum):
    """How bad it is if the pack is right."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, eq=False)
class Pack:
    """One threat pack.

    Attributes:
        id: Stable name, `[a-z0-9-]`, 3 to 64 characters.
        name: Short title.
        description: What it detects.
        author: Who made it.
        created: Day it was made.
        severity: How bad it is.
        attack: MITRE ATT&CK technique ids, e.g. `T1110.001`.
        references: URLs to read on.
        flows: The k support flows, 1 ≤ k ≤ 64.
        not_like: Counter-examples, at most 64, None if there are none.
        context: float32 [k, C], what was known of each support flow's past when it was picked,
            columns as `context.CONTEXT_FEATURES`, NaN = not known; None: of none of them.
        not_like_context: The same of the counter-examples.
        context_ignored: Version of contexts in the file that were not used, since this agent's are
            of another; 0: none.
        path: The file it came from; `.` for a pack that is not yet in a file.
        sha256: Hex digest of the file's bytes, "" likewise.
        signed_by: Name of the trusted key that signed these bytes, "" for none.
    """

    id: str
    name: str
    description: str
    author: str
    created: date
    severity: Severity
    attack: tuple[str, ...]
    references: tuple[str, ...]
    flows: FlowBatch
    not_like: FlowBatch | None = None
    context: FloatArray | None = None
    not_like_context: FloatArray | None = None
    context_ignored: int = 0
    path: Path = Path()
    sha256: str = ""
    signed_by: str = ""
