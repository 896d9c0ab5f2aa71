"""What differs between two packs: their heads, and their flows by uid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from metatap.flow import FlowBatch, to_row
from metatap.packs.context import FloatArray, context_texts
from metatap.packs.pack import Pack

HEAD = ("id", "name", "description", "author", "created", "severity", "attack", "references")
"""Fields of the head that are compared."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs.

    Attributes:
        field: Its name.
        before: Its value in the first pack as text, "" if it has none.
        after: The same in the second.
    """

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class FlowChange:
    """One flow that differs.

    Attributes:
        kind: `flows` or `not_like`.
        name: Its uid, or of a flow without one its place, `#3`.
        changes: Fields that differ; none if only one of the packs has the flow.
        is_in_first: Whether the first pack has it.
        is_in_second: Whether the second has it.
    """

    kind: str
    name: str
    changes: tuple[Change, ...]
    is_in_first: bool
    is_in_second: bool


def head_changes(first: Pack, second: Pack) -> list[Change]:
    """Fields of the head that differ, in the order of `HEAD`."""
    before, after = ({name: _text(getattr(p, name)) for name in HEAD} for p in (first, second))
    return _changes(before, after)


def flow_changes(first: Pack, second: Pack) -> list[FlowChange]:
    """Flows that differ: those of the first pack in their order, then what only the second has.

    Flows are the same by uid; those without one by their place among these.
    """
    found: list[FlowChange] = []
    for kind in ("flows", "not_like"):
        before, after = _flows(first, kind), _flows(second, kind)
        for name in dict.fromkeys((*before, *after)):
            one, other = before.get(name), after.get(name)
            changes = () if one is None or other is None else tuple(_changes(one, other))
            if changes or one is None or other is None:
                found.append(
                    FlowChange(kind, name, changes, one is not None, other is not None),
                )
    return found


def _flows(pack: Pack, kind: str) -> dict[str, dict[str, str]]:
    """Name → fields as text of each flow of one list, contexts among them."""
    batch: FlowBatch | None = pack.flows
    context: FloatArray | None = pack.context
    if kind == "not_like":
        batch, context = pack.not_like, pack.not_like_context
    found: dict[str, dict[str, str]] = {}
    for row in range(0 if batch is None else batch.rows):
        values = {} if batch is None else to_row(batch, row)
        fields = {name: _text(value) for name, value in values.items()}
        texts = () if context is None else context_texts(context[row])
        fields |= {
            f"context.{name}": value for name, _, value in (t.partition(": ") for t in texts)
        }
        found[fields.get("uid") or f"#{row + 1}"] = fields
    return found


def _changes(before: dict[str, str], after: dict[str, str]) -> list[Change]:
    return [
        Change(name, before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys((*before, *after))
        if before.get(name, "") != after.get(name, "")
    ]


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
