"""metatap.metrics.timing within a real pipeline."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.agent.metrics.documents import agent_document
from tests.agent.runtime.running import documents

from metatap.flow import FlowBatch
from metatap.flow.columns import Numeric
from metatap.metrics import Timing
from metatap.metrics.timing import STAGES, last_end

HOUR = 3600.0


def test_each_batch_counts_once_and_each_alert(tmp_path: Path) -> None:
    """Values a batch and stage, one an alert; the recording's flows are older than any bound."""
    document = agent_document(tmp_path, **{"detector.batch_rows": 1000})
    timing = document["timing"]
    batches = timing["batches"]
    assert document["flows"] / 1000 <= batches <= document["flows"]
    for stage in STAGES[1:]:
        assert sum(timing["stages"][stage]["counts"]) == batches
    assert sum(timing["receive_to_score"]["counts"]) == batches
    assert timing["flow_to_score"]["counts"][-1] == batches
    opened = [
        d for d in documents(tmp_path / "alerts.jsonl") if d["metatap"]["alert"]["kind"] == "opened"
    ]
    assert sum(timing["flow_to_alert"]["counts"]) == len(opened) == document["aggregates"]["opened"]
    spent = sum(timing["stages"][stage]["sum"] for stage in STAGES[1:])
    assert 0 < spent <= document["busy_seconds"] + 1e-3


def batch(**columns: Numeric) -> FlowBatch:
    rows = max((len(column) for column in columns.values()), default=0)
    names = {"ts": "ts", "duration": "duration"}
    return FlowBatch(rows, {names[name]: column for name, column in columns.items()})


@pytest.mark.parametrize(
    ("ts", "duration", "end"),
    [
        (None, None, None),
        (Numeric(np.array([5, 7])), None, 7),
        (Numeric(np.array([5, 7]), np.array([True, False])), None, None),
        (Numeric(np.array([5, 7])), Numeric(np.array([1, 2])), 9),
        (Numeric(np.array([5, 7])), Numeric(np.array([1, -2])), 7),
        (Numeric(np.array([5, 7])), Numeric(np.array([1, 2]), np.array([True, False])), 7),
    ],
)
def test_the_end_of_the_last_flow(
    ts: Numeric | None, duration: Numeric | None, end: int | None
) -> None:
    """Start and length where they are known; a length below 0 counts as none."""
    columns = {"ts": ts, "duration": duration}
    assert last_end(batch(**{k: v for k, v in columns.items() if v is not None})) == end


def test_a_clock_ahead_gives_no_negative_time() -> None:
    """Zeek's clock may be ahead of the agent's: such an alert counts as at once."""
    timing = Timing()
    timing.alerted([time.time_ns() + int(HOUR * 1e9)])
    assert timing.flow_to_alert.counts[0] == 1
    assert timing.flow_to_alert.total == 0.0
