"""metatap.runtime.adapting: the adapter in the run loop; the adapter's own tests are elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from tests.agent.runtime.running import RECORDING, wait_until
from tests.lab.packs import read_all

from metatap.adaptation import BUDGET, Adapter
from metatap.detector import Detections, RuleSet
from metatap.flow import FlowBatch, Numeric
from metatap.runtime.adapting import STATE
from metatap.runtime.agent import Agent
from metatap.runtime.config import load_config
from metatap.state import State


def make(folder: Path, **more: object) -> Agent:
    flags = {
        "sources": [{"url": f"zeek+ipc://{folder}/zeek.ipc?bind=1"}],
        "sinks": [{"type": "file", "path": str(folder / "alerts.jsonl")}],
        "state": str(folder / "state"),
        **more,
    }
    return Agent(lambda: load_config(flags=flags))


def flows_kept(agent: Agent) -> int:
    return int(agent.status()["adaptation"]["background"]["flows"])


def test_what_is_learned_outlives_a_restart(tmp_path: Path) -> None:
    """The background fills from what is scored, and is there again at the next start."""
    agent = make(tmp_path)
    agent.adapting.start(agent.reloader.request)  # type: ignore[union-attr]
    assert flows_kept(agent) == 0
    agent.pipeline.process(read_all(RECORDING))
    kept = flows_kept(agent)
    assert kept > 100
    agent.close()
    agent = make(tmp_path)
    assert flows_kept(agent) == kept
    agent.close()


def test_what_can_not_be_read_is_learned_anew(tmp_path: Path) -> None:
    """A state that is none is told, and the agent starts."""
    state = State.open(tmp_path / "state")
    state.put(STATE, b"junk")
    state.close()
    with capture_logs() as logs:
        agent = make(tmp_path)
    assert flows_kept(agent) == 0
    assert any(entry["event"] == "adaptation_dropped" for entry in logs)
    agent.close()


def test_thresholds_of_the_budget_are_taken_between_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New thresholds hold from the next batch on, and rules that are the same keep them."""

    def thresholds(_: Adapter, rules: RuleSet) -> np.ndarray | None:
        return None if rules.threshold_source == BUDGET else np.full_like(rules.thresholds, 9.0)

    monkeypatch.setattr(Adapter, "thresholds", thresholds)
    agent = make(tmp_path)
    agent.pipeline.between = agent._between
    agent.adapting.start(agent.reloader.request)  # type: ignore[union-attr]

    def is_budgeted() -> bool:
        agent._between()
        return agent.pipeline.detector.rules.threshold_source == BUDGET

    wait_until(is_budgeted)
    agent.pipeline.process(read_all(RECORDING))
    assert not agent.pipeline.aggregator.hits.received
    document = agent.status()
    assert {pack["threshold"] for pack in document["packs"]} == {9.0}
    agent.close()


def test_a_fault_of_the_adaptation_ends_only_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor goes on scoring; log and status say why it adapts no more."""

    def fails(_: Adapter, __: Detections, ___: int) -> None:
        raise RuntimeError("out of its mind")

    monkeypatch.setattr(Adapter, "observe", fails)
    agent = make(tmp_path)
    flows = read_all(RECORDING)
    with capture_logs() as logs:
        agent.pipeline.process(flows)
        agent.pipeline.process(flows)
    assert agent.pipeline.detector.flows.passed == 2 * flows.rows
    assert agent.pipeline.aggregator.hits.received
    assert "out of its mind" in agent.status()["adaptation"]["fault"]
    assert [entry["event"] for entry in logs].count("adaptation_ended") == 1
    agent.close()


def at(flows: FlowBatch, time: int) -> FlowBatch:
    """The flows at a time, ns since the epoch, by a hundred originators."""
    host = np.zeros((flows.rows, 16), np.uint8)
    host[:, 15] = np.arange(flows.rows) % 100
    columns = {
        **flows.columns,
        "ts": Numeric(np.full(flows.rows, time, np.int64)),
        "duration": Numeric(np.zeros(flows.rows, np.int64)),
        "id.orig_h": Numeric(host),
    }
    return FlowBatch(flows.rows, columns, flows.origin)


def test_heads_follow_the_network(tmp_path: Path) -> None:
    """After a day of traffic heads are made anew with its flows, once, and after a restart too."""
    wished = {
        "adaptation.heads": "local",
        "adaptation.background": 512,
        "alerts_per_day": 10,
    }
    agent = make(tmp_path, **wished)
    agent.reloader.follow()
    agent.adapting.start(agent.reloader.request)  # type: ignore[union-attr]
    before = agent.pipeline.detector.rules
    flows = read_all(RECORDING)
    rng = np.random.default_rng(0)
    for quarter in range(98):
        some = flows.take(rng.integers(flows.rows, size=100))
        agent.pipeline.process(at(some, 1_800_000_000_000_000_000 + quarter * 900 * 10**9))
        agent._between()
        if quarter < 90:
            assert agent.pipeline.detector.rules.heads is before.heads

    def is_local() -> bool:
        agent._between()
        return agent.pipeline.detector.rules.background is not None

    wait_until(is_local)
    rules = agent.pipeline.detector.rules
    assert [pack.id for pack in rules.packs] == [pack.id for pack in before.packs]
    assert not np.allclose(rules.heads, before.heads, atol=1e-3)
    assert rules.threshold_source == BUDGET
    assert agent.status()["adaptation"]["heads"] == "local"
    agent.close()
    assert agent.reloader.swaps == 1
    again = make(tmp_path, **wished)
    assert again.pipeline.detector.rules.background is not None
    again.close()
