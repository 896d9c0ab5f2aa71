"""What is kept of an alert, as a record and as a row of the history's tables."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from metatap.alerts import Alert
from metatap.context import CONTEXT_VERSION
from metatap.features.table import FEATURES_VERSION, WIDTH
from metatap.flow import Row

VERSION = 1
"""Of the schema; another one is set aside, not guessed at."""

_LEVEL = 1
_BIGGEST = 2**20
SCHEMA = """
CREATE TABLE alerts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL UNIQUE, id TEXT NOT NULL,
    created INTEGER NOT NULL, pack TEXT NOT NULL, pack_sha256 TEXT NOT NULL,
    model_sha256 TEXT NOT NULL, score REAL NOT NULL, threshold REAL NOT NULL, flow BLOB NOT NULL,
    features BLOB, features_version INTEGER NOT NULL, context_version INTEGER NOT NULL,
    document BLOB NOT NULL);
CREATE INDEX alert_ids ON alerts (id);
CREATE TABLE verdicts (
    alert TEXT PRIMARY KEY, at INTEGER NOT NULL, verdict TEXT NOT NULL, note TEXT NOT NULL)
"""
INSERT = "INSERT OR REPLACE INTO alerts VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
COLUMNS = (
    "id, event, created, pack, pack_sha256, model_sha256, score, threshold, flow, features, "
    "features_version, context_version, document"
)

_FLOW = 8
"""Where the flow stands in `COLUMNS`."""

_PLAIN = ("id", "event", "created", "pack", "pack_sha256", "model_sha256", "score", "threshold")
"""The columns that are fields as they are, the first ones of `COLUMNS`."""


class Verdict(StrEnum):
    """What a person made of an alert."""

    TRUE = "true"
    FALSE = "false"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on an alert.

    Attributes:
        verdict: Whether the alert was right.
        at: When it was given, ns since the epoch.
        note: What the person said, "" if nothing.
    """

    verdict: Verdict
    at: int
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One alert of the past.

    Attributes:
        id: The alert's id.
        event: Id of its `opened` event.
        created: When it was made, ns since the epoch.
        pack: Id of the pack.
        pack_sha256: Digest of the pack's file.
        model_sha256: Digest of the model's file.
        score: Score of the flow.
        threshold: The pack's threshold at that time.
        flow: The flow under Zeek's field names.
        features: float32 [F], the agent's full features of the flow; None where they were not kept
            or are of another version than this agent's.
        has_context: Whether the context among them is of this agent's version.
        document: The event as it was written (docs/alerts.md).
        judgement: The verdict on the alert, if there is one.
    """

    id: str
    event: str
    created: int
    pack: str
    pack_sha256: str
    model_sha256: str
    score: float
    threshold: float
    flow: Row
    features: npt.NDArray[np.float32] | None
    has_context: bool
    document: dict[str, Any]
    judgement: Judgement | None


def row_of(alert: Alert, line: bytes) -> tuple[Any, ...]:
    """The values `INSERT` takes, of an `opened` alert and its event as it was written."""
    features = None
    if alert.features is not None:
        features = zlib.compress(alert.features.astype("<f4").tobytes(), _LEVEL)
    return (
        alert.event_id,
        alert.id,
        alert.created,
        alert.rule.id,
        alert.rule.sha256,
        alert.model.sha256,
        alert.score,
        alert.threshold,
        zlib.compress(msgspec.json.encode(alert.flow), _LEVEL),
        features,
        FEATURES_VERSION,
        CONTEXT_VERSION,
        zlib.compress(line, _LEVEL),
    )


def stored_of(row: Sequence[Any], judgement: Judgement | None) -> Stored:
    """An alert from a row of `COLUMNS`.

    Raises:
        ValueError: what is in it is no alert.
        zlib.error: likewise.
        msgspec.MsgspecError: likewise.
    """
    features, features_version, context_version, document = row[_FLOW + 1 :]
    values = None
    if features is not None and features_version == FEATURES_VERSION:
        values = np.frombuffer(_inflated(features), "<f4").astype(np.float32)
        values = values if len(values) == WIDTH else None
    return Stored(
        **dict(zip(_PLAIN, row, strict=False)),
        flow=flow_of(row),
        features=values,
        has_context=values is not None and context_version == CONTEXT_VERSION,
        document=msgspec.json.decode(_inflated(document), type=dict[str, Any]),
        judgement=judgement,
    )


def flow_of(row: Sequence[Any]) -> Row:
    """The flow alone of a row of `COLUMNS`; raises as `stored_of`."""
    return msgspec.json.decode(_inflated(row[_FLOW]), type=dict[str, Any])


def _inflated(data: bytes) -> bytes:
    """What was compressed, at most `_BIGGEST` bytes of it.

    Raises:
        ValueError: it is larger, or cut.
    """
    reader = zlib.decompressobj()
    found = reader.decompress(data, _BIGGEST)
    if not reader.eof:
        raise ValueError("a document is too large or cut")
    return found
