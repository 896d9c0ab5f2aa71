"""Alerts of the past, from the agent's history or from a file of alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from metatap.context import CONTEXT_NAMES, CONTEXT_WIDTH
from metatap.errors import FlowError, StateError
from metatap.features.table import INDEX
from metatap.flow import FlowBatch, Numeric, from_rows
from metatap.offline.teach_sample import Examples, joined
from metatap.state.history import AlertHistory
from metatap.state.stored import Stored
from metatap.yamlfile import shown

MAX_LINE = 2**20
"""Bytes of a line of a file of alerts, at most; a longer one is none of ours."""

_LEAST = 4
_SHOWN = 5
_COLUMNS = np.array([INDEX[name] for name in CONTEXT_NAMES])
"""Where the columns of the context stand among the features."""


def find_alert(text: str, state: Path | None, alert_file: Path | None) -> Stored:
    """An alert by its id, the event's id, or their first digits.

    Args:
        text: The id.
        state: Folder of the agent's state.
        alert_file: A file of alerts, taken instead of it.

    Raises:
        StateError: there is no such alert, there are several, or nothing can be read.
    """
    if alert_file is not None:
        return find_line(text, alert_file)
    if state is None:
        raise StateError(
            "no history: name the agent's folder with --state (or `state` in its configuration), "
            "or a file of its alerts with --alert-file"
        )
    history = AlertHistory.look(state)
    try:
        return history.find(text)
    finally:
        history.close()


def find_line(text: str, path: Path) -> Stored:
    """An alert in a file with one event a line, as the agent writes it; the last event counts.

    An `opened` event is taken before a `summary`. The flow is that of the line, without features.

    Raises:
        StateError: see `find_alert`.
    """
    if len(text) < _LEAST:
        raise StateError(f"{shown(text)}: at least {_LEAST} digits of an alert's id are needed")
    found: dict[str, dict[str, Any]] = {}
    word = text.encode("utf-8", "surrogateescape")
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE):
                document = _event(line, text) if word in line else None
                if document is not None:
                    name = document["metatap"]["alert"]["id"]
                    if _is_opened(document) or not _is_opened(found.get(name, {})):
                        found[name] = document
    except OSError as error:
        raise StateError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(found) > 1:
        names = [*found]
        more = " …" if len(names) > _SHOWN else ""
        raise StateError(f"{text}: several alerts: {', '.join(names[:_SHOWN])}{more}")
    if not found:
        raise StateError(f"{shown(text)}: no such alert in {path}")
    try:
        return _of_document(next(iter(found.values())))
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{path}: alert {shown(text)} is not one of ours: {error}") from None


def examples_of(alerts: Sequence[Stored]) -> Examples:
    """The flows of some alerts with their context, where it was kept.

    Raises:
        StateError: a flow is not one of the schema.
    """
    parts = []
    for alert in alerts:
        try:
            flow = _exact(from_rows([{"partial": False} | alert.flow]))
        except FlowError as error:
            raise StateError(f"alert {alert.id}: {error}") from None
        context = np.full((1, CONTEXT_WIDTH), np.nan, np.float32)
        if alert.features is not None and alert.has_context:
            context[0] = alert.features[_COLUMNS]
        parts.append(Examples(flow, context))
    return joined(parts)


def _exact(flow: FlowBatch) -> FlowBatch:
    """A flow whose start, read from seconds in a float, is one of whole microseconds again."""
    start = flow.numeric("ts")
    if start is None:
        return flow
    micros = np.rint(start.values.astype(np.float64) / 1000).astype(np.int64)
    columns = {**flow.columns, "ts": Numeric(micros * 1000, start.valid)}
    return FlowBatch(flow.rows, columns, flow.origin)


def _event(line: bytes, text: str) -> dict[str, Any] | None:
    """The event of a line if its alert's or its own id begins with a text."""
    try:
        document = msgspec.json.decode(line, type=dict[str, Any])
        ids = (document["metatap"]["alert"]["id"], document["event"]["id"])
    except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError):
        return None
    if not all(isinstance(name, str) for name in ids):
        return None
    return document if any(name.startswith(text) for name in ids) else None


def _is_opened(document: dict[str, Any]) -> bool:
    action: Any = document.get("event", {}).get("action")
    return bool(action == "alert_opened")


def _of_document(document: dict[str, Any]) -> Stored:
    own = document["metatap"]
    created = datetime.fromisoformat(document["event"]["created"])
    return Stored(
        id=str(own["alert"]["id"]),
        event=str(document["event"]["id"]),
        created=int(created.timestamp() * 1000) * 1_000_000,
        pack=str(own["pack"]["id"]),
        pack_sha256=str(own["pack"]["sha256"]),
        model_sha256=str(own["model"]["sha256"]),
        score=float(own["score"]),
        threshold=float(own["threshold"]),
        flow=dict(own["flow"]),
        features=None,
        has_context=False,
        document=document,
        judgement=None,
    )
