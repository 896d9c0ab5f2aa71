"""An alert for a person: one sentence and what stands under it, from the event as it was written.

Nothing but the JSON object of docs/alerts.md is needed, so it works on the agent's history and on
a line of a file of alerts alike. What an older event lacks is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metatap.alerts.hints import hints
from metatap.alerts.sentence import endpoints
from metatap.flow.schema import COLUMNS

_LEFT_OUT = frozenset({"partial"})

PIVOTS: dict[str, str] = {
    "uid": "zeek.session_id",
    "community id": "network.community_id",
    "filter": "metatap.pivot.filter",
    "Zeek's JSON logs": "metatap.pivot.jq",
    "Zeek's TSV logs": "metatap.pivot.zeek_cut",
}
"""What it is called → field of the event."""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One field of the flow and of the example it is most like.

    Attributes:
        field: Zeek's name.
        flow: The alert's value, None where absent.
        example: The example's.
    """

    field: str
    flow: Any
    example: Any


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say of an alert.

    Attributes:
        sentence: What, who, how unusual, which example it resembles, what to check first.
        id: The alert's id.
        time: End of the flow, ISO 8601.
        pack: Id of the pack.
        score: Of the flow.
        threshold: Of the pack at that time.
        threshold_source: Where it came from.
        unusual: How unusual such a score is, "" where that is not known.
        example: Uid or number of the example, "" where there is none.
        distance: To it, in the model's embedding; None likewise.
        values: Both flows' fields in the order of the schema.
        reasons: What moved the score most, as in the event.
        check: What to look at, the first thing first.
        pivots: Ways to the flow's log lines, what they are called → text.
    """

    sentence: str
    id: str
    time: str
    pack: str
    score: float
    threshold: float
    threshold_source: str
    unusual: str
    example: str
    distance: float | None
    values: tuple[SideBySide, ...]
    reasons: tuple[Mapping[str, Any], ...]
    check: tuple[str, ...]
    pivots: Mapping[str, str]

    @property
    def over(self) -> float:
        """How far the score is over the threshold."""
        return self.score - self.threshold


def report_of(event: Mapping[str, Any]) -> Report:
    """The report of an event in ECS.

    Raises:
        ValueError: it is no alert of ours; names the field.
    """
    flow = _mapping(event, "metatap.flow")
    example_flow = _mapping(event, "metatap.nearest.flow")
    unusual = _text(event, "metatap.unusual.text")
    example = _example(event)
    check = tuple(hints(_techniques(event), str(flow.get("service", ""))))
    distance = _at(event, "metatap.nearest.distance")
    reasons = _list(event, "metatap.reasons")
    pivots = {name: _text(event, field) for name, field in PIVOTS.items()}
    return Report(
        sentence=_sentence(event, flow, unusual, example, check[0]),
        id=_text(event, "metatap.alert.id"),
        time=_text(event, "@timestamp"),
        pack=_text(event, "metatap.pack.id"),
        score=_number(event, "metatap.score"),
        threshold=_number(event, "metatap.threshold"),
        threshold_source=_text(event, "metatap.threshold_source"),
        unusual=unusual,
        example=example,
        distance=float(distance) if isinstance(distance, int | float) else None,
        values=side_by_side(flow, example_flow),
        reasons=tuple(item for item in reasons if isinstance(item, dict)),
        check=check,
        pivots={name: text for name, text in pivots.items() if text},
    )


def side_by_side(flow: Mapping[str, Any], example: Mapping[str, Any]) -> tuple[SideBySide, ...]:
    """The fields that one of two flows has, in the order of the schema."""
    return tuple(
        SideBySide(spec.name, flow.get(spec.name), example.get(spec.name))
        for spec in COLUMNS
        if spec.name not in _LEFT_OUT and (spec.name in flow or spec.name in example)
    )


def _sentence(
    event: Mapping[str, Any], flow: Mapping[str, Any], unusual: str, example: str, check: str
) -> str:
    name = _text(event, "rule.name") or _text(event, "metatap.pack.id")
    parts = [f"{name}: {endpoints(dict(flow))}"]
    if unusual:
        parts.append(f"; {unusual}")
    if example:
        parts.append(f"; most like example {example} of pack {_text(event, 'metatap.pack.id')}")
    first = check[:1].lower() + check[1:].rstrip(".")
    return "".join(parts) + f"; to check: {first}."


def _example(event: Mapping[str, Any]) -> str:
    index = _at(event, "metatap.nearest.index")
    if not isinstance(index, int):
        return ""
    return _text(event, "metatap.nearest.uid") or f"number {index}"


def _techniques(event: Mapping[str, Any]) -> list[str]:
    """Sub-techniques, then the techniques that none of them stands for."""
    names = [str(name) for name in _list(event, "threat.technique.subtechnique.id")]
    told = {name.partition(".")[0] for name in names}
    plain = [str(name) for name in _list(event, "threat.technique.id")]
    return names + [name for name in plain if name not in told]


def _at(event: Mapping[str, Any], path: str) -> Any:
    """What stands at a dotted name, None if nothing does."""
    found: Any = event
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _list(event: Mapping[str, Any], path: str) -> list[Any]:
    found = _at(event, path)
    return found if isinstance(found, list) else []


def _text(event: Mapping[str, Any], path: str) -> str:
    found = _at(event, path)
    return found if isinstance(found, str) else ""


def _number(event: Mapping[str, Any], path: str) -> float:
    found = _at(event, path)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"{path}: missing, or no number")
    return float(found)


def _mapping(event: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    found = _at(event, path)
    return found if isinstance(found, Mapping) else {}
