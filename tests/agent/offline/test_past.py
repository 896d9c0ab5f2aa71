"""metatap.offline.past: alerts of the past, from the history or a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.agent.alerts.page import example_alert
from tests.agent.alerts.scored import Clocks, detections, explain, flow

from metatap.alerts import Aggregator, Alert, encode_ecs
from metatap.context import CONTEXT_NAMES, Context
from metatap.errors import StateError
from metatap.features import encode
from metatap.flow import from_rows, to_row
from metatap.offline.past import examples_of, find_alert
from metatap.state.history import AlertHistory


def events(*uids: str) -> list[Alert]:
    """Opened and summary of an alert for each uid, all of different hosts."""
    clocks = Clocks()
    aggregator = Aggregator("tap-1", explain, clock=clocks.clock, monotonic=clocks.monotonic)
    rows = [flow(uid, id__resp_h=f"10.0.9.{at}") for at, uid in enumerate(uids)]
    return [*aggregator.add(detections(rows)), *aggregator.flush()]


def written(path: Path, alerts: list[Alert]) -> Path:
    path.write_bytes(b"".join(encode_ecs(alert) + b"\n" for alert in alerts))
    return path


def test_an_alert_of_a_file_is_that_of_the_history(tmp_path: Path) -> None:
    """But for the features, which a line does not hold."""
    alert = example_alert()
    history = AlertHistory.open(tmp_path)
    history.add([alert], [encode_ecs(alert)])
    history.close()
    path = written(tmp_path / "alerts.jsonl", [*events("C8"), alert])
    stored = find_alert(alert.id[:8], tmp_path, None)
    line = find_alert(alert.id[:8], None, path)
    names = ("id", "event", "pack", "pack_sha256", "model_sha256", "score", "threshold", "flow")
    for name in (*names, "document", "created"):
        assert getattr(line, name) == getattr(stored, name), name
    assert line.features is None


def test_the_opened_event_is_taken_before_a_summary(tmp_path: Path) -> None:
    """Whichever comes last in the file; where there is none, the summary has to do."""
    opened, summary = events("C1")
    for lines in ([opened, summary], [summary, opened]):
        found = find_alert(opened.id, None, written(tmp_path / "a.jsonl", lines))
        assert found.event == opened.event_id
    found = find_alert(opened.id, None, written(tmp_path / "a.jsonl", [summary]))
    assert found.event == summary.event_id


def test_what_is_no_alert_is_passed_over(tmp_path: Path) -> None:
    """Half a line at the end, lines of others, lines without end."""
    (alert,) = events("C1")[:1]
    line = encode_ecs(alert)
    path = tmp_path / "a.jsonl"
    other = b'{"metatap":{"alert":{"id":7}},"event":{"id":"' + alert.id.encode() + b'"}}\n'
    path.write_bytes(b"[]\n\xff\n" + other + b"x" * 3_000_000 + b"\n" + line + b"\n" + line[:900])
    assert find_alert(alert.id, None, path).flow == alert.flow


def test_faults_are_told(tmp_path: Path) -> None:
    """No such alert, several, no such file, no place to look in, a line that lacks a field."""
    made = events("C1", "C2")
    path = written(
        tmp_path / "a.jsonl", [replace(alert, id=f"abcd{at}") for at, alert in enumerate(made)]
    )
    with pytest.raises(StateError, match="several alerts: abcd0, abcd1"):
        find_alert("abcd", None, path)
    with pytest.raises(StateError, match="ffff: no such alert in"):
        find_alert("ffff", None, path)
    with pytest.raises(StateError, match="at least 4 digits"):
        find_alert("a", None, path)
    with pytest.raises(StateError, match="can't be read: No such file"):
        find_alert("abcd", None, tmp_path / "none")
    with pytest.raises(StateError, match="no history: name the agent's folder"):
        find_alert("abcd", None, None)
    path.write_bytes(
        msgspec.json.encode({"metatap": {"alert": {"id": "abcd"}}, "event": {"id": ""}})
    )
    with pytest.raises(StateError, match="not one of ours"):
        find_alert("abcd", None, path)


def test_an_alert_gives_its_flow_back_with_its_context(tmp_path: Path) -> None:
    """As the agent saw it: every field, and the past of its hosts."""
    row = flow("C1", ts=1_795_526_824.071408, ssh__client="a\\xffb", duration=0.123456)
    batch = from_rows([flow("C0"), row])
    context = Context(1 << 10).update(batch)
    alert = replace(
        example_alert(), flow=to_row(batch, 1), features=encode(batch, context)[1].copy()
    )
    history = AlertHistory.open(tmp_path)
    history.add([alert], [encode_ecs(alert)])
    example = examples_of([history.find(alert.id)])
    history.close()
    assert to_row(example.flows, 0) == to_row(batch, 1)
    start = example.flows.numeric("ts")
    assert start is not None
    assert start.values.tolist() == [1_795_526_824_071_408_000]
    np.testing.assert_array_equal(example.context[0], context[1])
    assert example.context.shape == (1, len(CONTEXT_NAMES))
    assert not np.isnan(example.context).all()
