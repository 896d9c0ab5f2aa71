"""The alert: the one internal record that every encoder reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from metatap.alerts.ids import event_id
from metatap.detector.explanation import Explanation
from metatap.flow import Row
from metatap.packs import Pack, Severity


class AlertKind(StrEnum):
    """Which of the two events of an aggregate it is."""

    OPENED = "opened"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alert says about its pack; the fields are those of `Pack`."""

    id: str
    name: str
    description: str
    author: str
    created: date
    severity: Severity
    attack: tuple[str, ...]
    references: tuple[str, ...]
    sha256: str

    @classmethod
    def of(cls, pack: Pack) -> Rule:
        """The rule of a pack."""
        return cls(
            pack.id,
            pack.name,
            pack.description,
            pack.author,
            pack.created,
            pack.severity,
            pack.attack,
            pack.references,
            pack.sha256,
        )


@dataclass(frozen=True, slots=True)
class ModelRef:
    """The model that gave the score.

    Attributes:
        name: Its name.
        version: Its version.
        sha256: Hex digest of the file.
    """

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One event of one aggregate: hits of one pack on one pair of hosts in one window.

    `opened` comes with the first hit; `summary` when the aggregate closes, with the same flow,
    score and explanation. All times are ns since the epoch; flow time where the flow has a `ts`,
    else the agent's clock. A fold is the aggregate of an originator that reaches for many
    responders; its first flow's is shown.

    Attributes:
        kind: `opened` or `summary`.
        id: Stable over restarts, equal for all events of the aggregate.
        revision: 0; higher for the events of an aggregate that was closed before and went on.
        sensor: Name of the sensor.
        created: When the agent made the event.
        rule: The pack.
        model: The model.
        orig: Originator's address, "" if absent.
        resp: Responder's address, "" if absent.
        window_start: Start of the window.
        window: Length of the window, ns.
        first: Earliest start of a flow so far.
        last: Latest end of a flow so far.
        flow_start: Start of `flow`.
        flow_end: End of `flow`.
        count: Flows so far; a connection reported several times while it lives counts once.
        uids: Their Zeek uids, the first ones only.
        score: Score of `flow`.
        threshold: The pack's threshold at that time.
        threshold_source: Where it came from: `reference`, `local` or `model`.
        max_score: Highest score so far.
        max_uid: Zeek uid of the flow with it, "" if absent.
        flow: The flow that opened the aggregate, under Zeek's field names.
        community_id: Community ID v1 of that flow, "" if it has no addresses.
        explanation: Why; without reasons where a burst left no time for them.
        destinations: Of a fold, its responders so far; else 0.
        at_least: There may be more responders than that.
        early: Summary before its time, since too many aggregates were open.
        features: float32 [F], the agent's full features of `flow`; None where they were not kept.
    """

    kind: AlertKind
    id: str
    revision: int
    sensor: str
    created: int
    rule: Rule
    model: ModelRef
    orig: str
    resp: str
    window_start: int
    window: int
    first: int
    last: int
    flow_start: int
    flow_end: int
    count: int
    uids: tuple[str, ...]
    score: float
    threshold: float
    threshold_source: str
    max_score: float
    max_uid: str
    flow: Row
    community_id: str
    explanation: Explanation
    destinations: int = 0
    at_least: bool = False
    early: bool = False
    features: npt.NDArray[np.float32] | None = field(default=None, repr=False, compare=False)

    @property
    def over(self) -> float:
        """How far the score of `flow` is over the threshold."""
        return self.score - self.threshold

    @property
    def is_fold(self) -> bool:
        """Whether it stands for many responders."""
        return self.destinations > 0

    @property
    def event_id(self) -> str:
        """Id of this event alone, stable over restarts."""
        uid = str(self.flow.get("uid", ""))
        start, end = self.flow_start, self.flow_end
        return event_id(self.id, self.kind.value, self.revision, uid=uid, start=start, end=end)
