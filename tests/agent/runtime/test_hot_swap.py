"""Models change every 100 ms under full load: nothing is lost, nothing scored twice."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
import zmq
from structlog.testing import capture_logs
from tests.agent.runtime.running import RECORDING, other_model
from tests.lab.packs import read_all

from metatap.detector import Detections, Detector, RuleSet, shipped_model
from metatap.flow import FlowBatch, Numeric
from metatap.runtime.agent import Agent
from metatap.runtime.build import shipped_packs
from metatap.runtime.config import load_config
from metatap.runtime.status import Document
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header

SECONDS = 20.0
"""The load lasts so long at least,"""

CHANGES = 30
"""and until the rules have changed so often: files that come while one is loaded count as one,"""

MOST = 240.0
"""but no longer than this many seconds."""

EVERY = 0.1
ROWS = 512


@dataclass(frozen=True)
class Scored:
    """One call of the detector: the numbers of its flows and what they were scored with."""

    numbers: npt.NDArray[Any]
    rules: RuleSet


class Watching(Detector):
    """A detector that notes what it scores."""

    def __init__(self, other: Detector) -> None:
        super().__init__(other.rules, other.context)
        self.scored: list[Scored] = []
        self.changes = 0

    def detect(self, batch: FlowBatch) -> Detections:
        found = super().detect(batch)
        column = batch.numeric("ts")
        assert column is not None
        if self.scored and self.scored[-1].rules is not found.rules:
            self.changes += 1
        self.scored.append(Scored(np.array(column.values), found.rules))
        own = found.rules.model.score(
            found.rules.model.select(found.features[:1]), found.rules.heads
        )[0]
        np.testing.assert_allclose(found.scores[0], own[0], atol=1e-4)
        return found


class Sender(threading.Thread):
    """Plays Zeek as fast as the agent takes it; each flow has a number, in its `ts`."""

    def __init__(self, address: str) -> None:
        super().__init__(name="sender")
        self.sent = 0
        self.stop = threading.Event()
        self._address = address
        flows = read_all(RECORDING)
        self._flows = flows.take(np.arange(ROWS) % flows.rows)

    def run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        publisher = context.socket(zmq.XPUB)
        publisher.setsockopt(zmq.XPUB_NODROP, 1)
        publisher.sndtimeo = 10_000
        publisher.sndhwm = 20
        publisher.linger = 10_000
        publisher.connect(self._address)
        while not publisher.poll(100):
            pass
        at = 0
        while not self.stop.is_set():
            numbers = np.arange(self.sent, self.sent + ROWS, dtype=np.int64) * 1_000_000
            columns = {**self._flows.columns, "ts": Numeric(numbers)}
            batch = replace(self._flows, columns=columns)
            header = Header("zeek", "boot", 0, at, self.sent, ROWS)
            publisher.send_multipart(flows_message(batch, header))
            self.sent += ROWS
            at += 1
        publisher.close()
        context.term()


class Swapper(threading.Thread):
    """Renames another model over the one that is watched, and a pack, in turns."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="swapper")
        self.swaps = 0
        self.stop = threading.Event()
        self._model = folder / "model.onnx"
        self._pack = folder / "packs" / "port-scan.yaml"
        self._models = [shipped_model().read_bytes()]
        other = other_model(folder / "other.onnx", "9.0.0")
        self._models.append(other.read_bytes())
        other.unlink()
        self._model.write_bytes(self._models[0])
        self._text = self._pack.read_text()

    def run(self) -> None:
        due = time.monotonic()
        while not self.stop.is_set():
            self.swaps += 1
            temporary = self._model.with_suffix(".part")
            temporary.write_bytes(self._models[self.swaps % 2])
            temporary.rename(self._model)
            if self.swaps % 5 == 0:
                self._pack.write_text(f"{self._text}# {self.swaps}\n")
            if self.swaps % 7 == 0:  # another fault each time
                (self._pack.parent / "junk.yaml").write_text(f"junk: {self.swaps}")
            due += EVERY
            time.sleep(max(0.0, due - time.monotonic()))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "packs").mkdir()
    for path in shipped_packs().glob("*.yaml"):
        (tmp_path / "packs" / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "metatap.yaml"
    options = {
        "sources": [{"url": f"zeek+ipc://{tmp_path}/zeek.ipc?bind=1"}],
        "model": "model.onnx",
        "packs": "packs",
        "state": "state",
        "sinks": [{"type": "file", "path": "alerts.jsonl"}],
    }
    path.write_text(yaml.safe_dump(options))
    return path


@pytest.mark.slow
def test_models_change_under_full_load(config: Path) -> None:
    """Each flow that was sent is scored once, by one set of rules, while files change."""
    swapper = Swapper(config.parent)
    sender = Sender(f"ipc://{config.parent}/zeek.ipc")
    with capture_logs() as logs:
        agent = Agent(lambda: load_config(config))
        detector = Watching(agent.pipeline.detector)
        agent.pipeline.detector = detector
        agent.reloader.follow()
        sender.start()
        swapper.start()
        begin = time.monotonic()
        while (spent := time.monotonic() - begin) < MOST:
            agent.pipeline.step(0.1)
            if spent > SECONDS and detector.changes >= CHANGES:
                break
        swapper.stop.set()
        sender.stop.set()
        sender_ends = time.monotonic() + 30
        while sender.is_alive() or sum(len(s.numbers) for s in detector.scored) < sender.sent:
            agent.pipeline.step(0.1)
            assert time.monotonic() < sender_ends
        swapper.join()
        document: Document = agent.status()
        agent.close()
    stages = agent.pipeline.stages()
    assert stages["source.0.flows"].received == sender.sent
    assert not stages["source.0.flows"].dropped
    assert stages["detector.flows"].received == sender.sent
    assert not stages["detector.flows"].dropped
    assert all(counters.balanced for counters in stages.values())
    numbers = np.concatenate([scored.numbers for scored in detector.scored]) // 1_000_000
    assert np.array_equal(np.sort(numbers), np.arange(sender.sent))
    used = [scored.rules for scored in detector.scored]
    assert detector.changes >= CHANGES
    versions = {rules.model.meta.version for rules in used}
    assert len(versions) == 2
    assert document["reload"]["swaps"] >= CHANGES
    assert document["reload"]["failed"].keys() <= {"packs", "model"}
    assert all("port-scan" in [pack.id for pack in rules.packs] for rules in used)
    assert not [entry for entry in logs if entry["event"] == "reload_crashed"]


def test_a_dropped_pack_scores_the_next_batch(config: Path) -> None:
    """A pack that is dropped beside the running agent finds its threat in a batch soon after."""
    (config.parent / "model.onnx").write_bytes(shipped_model().read_bytes())
    pack = (config.parent / "packs" / "ssh-bruteforce.yaml").read_bytes()
    (config.parent / "packs" / "ssh-bruteforce.yaml").unlink()
    agent = Agent(lambda: load_config(config))
    agent.reloader.follow()
    flows = read_all(RECORDING)
    detector = Watching(agent.pipeline.detector)
    agent.pipeline.detector = detector
    agent.pipeline.process(flows)
    (config.parent / "packs" / "ssh-bruteforce.yaml").write_bytes(pack)
    deadline = time.monotonic() + 30
    while not agent.reloader.is_ready:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    agent.pipeline.process(flows)
    agent.close()
    ids = [[pack.id for pack in scored.rules.packs] for scored in detector.scored]
    assert "ssh-bruteforce" not in ids[0]
    assert "ssh-bruteforce" in ids[-1]
    alerts = (config.parent / "alerts.jsonl").read_text()
    assert '"ssh-bruteforce"' in alerts
