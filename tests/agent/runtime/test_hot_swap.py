"""A model is dropped every 100 ms under full load: nothing is lost, nothing scored twice.

What is dropped while a model is loaded is passed over. Loading takes 0.4 s under full load on two
cores, 2 s on cores that others use as well: of the 600 models of the minute 147 came into force in
the first case, 31 in the second. The test prints how many did.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import yaml
from structlog.testing import capture_logs
from tests.agent.runtime.full_load import APART, Sender
from tests.agent.runtime.running import RECORDING, other_model
from tests.lab.packs import read_all

from metatap.detector import Detections, Detector, RuleSet, shipped_model
from metatap.flow import FlowBatch
from metatap.runtime.agent import Agent
from metatap.runtime.build import shipped_packs
from metatap.runtime.config import load_config

SECONDS = 60.0
"""The load lasts so long at least,"""

CHANGES = 30
"""and until the rules that score have changed so often,"""

MOST = 240.0
"""but no longer than this many seconds."""

EVERY = 0.1
"""Seconds from one dropped model to the next."""

DROPS = round(SECONDS / EVERY)

VERSIONS = ("9.0.1", "9.0.2", "9.0.3")
"""Of the dropped models, in turns."""


class Watching(Detector):
    """A detector that notes what it scores.

    Attributes:
        scored: The numbers of the flows of each call.
        hits: Pairs of flow and pack over the threshold.
        changes: Times the rules were others than those of the batch before.
        versions: Of the models that scored, one after the other.
        packs: Ids of the packs in force, one set after the other.
    """

    def __init__(self, other: Detector) -> None:
        super().__init__(other.rules, other.context)
        self.scored: list[npt.NDArray[Any]] = []
        self.hits = 0
        self.changes = -1
        self.versions: list[str] = []
        self.packs: list[list[str]] = []
        self._last: RuleSet | None = None

    def detect(self, batch: FlowBatch) -> Detections:
        found = super().detect(batch)
        rules, column = found.rules, batch.numeric("ts")
        assert column is not None
        self.scored.append(column.values // APART)
        self.hits += len(found.rows)
        if rules is not self._last:
            self._last = rules
            self.changes += 1
            _append(self.packs, [pack.id for pack in rules.packs])
            _append(self.versions, rules.model.meta.version)
        own = rules.model.score(rules.model.select(found.features[:1]), rules.heads)[0]
        np.testing.assert_allclose(found.scores[0], own[0], atol=1e-4)
        return found


class Dropper(threading.Thread):
    """Renames another model over the one that is watched, and writes packs now and then.

    Attributes:
        drops: Models so far, each of another version than the one before.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(name="dropper")
        self.drops = 0
        self.stop = threading.Event()
        self._model = folder / "model.onnx"
        self._pack = folder / "packs" / "port-scan.yaml"
        self._text = self._pack.read_text()
        other = folder / "other.onnx"
        self._contents = [other_model(other, version).read_bytes() for version in VERSIONS]
        other.unlink()

    @property
    def version(self) -> str:
        """Of the last model."""
        return VERSIONS[self.drops % len(VERSIONS)]

    def run(self) -> None:
        due = time.monotonic()
        while not self.stop.is_set():
            self.drops += 1
            temporary = self._model.with_suffix(".part")
            temporary.write_bytes(self._contents[self.drops % len(VERSIONS)])
            temporary.rename(self._model)
            if self.drops % 5 == 0:
                self._pack.write_text(f"{self._text}# {self.drops}\n")
            if self.drops % 7 == 0:  # another fault each time
                (self._pack.parent / "junk.yaml").write_text(f"junk: {self.drops}")
            due += EVERY
            time.sleep(max(0.0, due - time.monotonic()))


class Minute(threading.Thread):
    """What happens beside the running agent; its end is the agent's.

    Attributes:
        sent: Flows sent in all.
        waits: How often the sender had to wait for the agent.
        seconds: The load lasted.
    """

    def __init__(self, agent: Agent, detector: Watching, folder: Path) -> None:
        super().__init__(name="minute")
        self.dropper = Dropper(folder)
        self.sent = self.waits = 0
        self.seconds = 0.0
        self._agent = agent
        self._detector = detector
        self._sender = Sender(f"ipc://{folder}/zeek.ipc")

    def run(self) -> None:
        try:
            _wait(lambda: bool(self._detector.scored), 60.0)
            begin = time.monotonic()
            self.dropper.start()
            _wait(lambda: time.monotonic() - begin >= SECONDS and self._is_enough(), MOST)
            self.seconds = time.monotonic() - begin
            self.dropper.stop.set()
            self.dropper.join()
            _wait(lambda: self._detector.versions[-1] == self.dropper.version, 60.0)
            self.sent, self.waits = self._sender.end()
            flows = self._agent.pipeline.stages()["source.0.flows"]
            _wait(lambda: flows.received == self.sent, 120.0)
        finally:
            self.dropper.stop.set()
            self._sender.free()
            self._agent._on_stop(signal.SIGTERM, None)

    def _is_enough(self) -> bool:
        return self.dropper.drops >= DROPS and self._detector.changes >= CHANGES


def _append(items: list[Any], item: Any) -> None:
    """Append what is not the last already."""
    if items[-1:] != [item]:
        items.append(item)


def _wait(true: Callable[[], bool], seconds: float) -> None:
    """Wait until a thing is true, or too long: what is asserted at the end tells."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "packs").mkdir()
    for path in shipped_packs().glob("*.yaml"):
        (tmp_path / "packs" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.onnx").write_bytes(shipped_model().read_bytes())
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


@pytest.fixture
def interval() -> Iterator[None]:
    """Leaves Python's switch interval, which the agent sets, as it was."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.untraced
@pytest.mark.slow
@pytest.mark.usefixtures("interval")
def test_models_change_under_full_load(config: Path) -> None:
    """A minute, a model dropped each 100 ms: each flow that was sent is scored once."""
    with capture_logs() as logs:
        agent = Agent(lambda: load_config(config))
        detector = agent.pipeline.detector = Watching(agent.pipeline.detector)
        minute = Minute(agent, detector, config.parent)
        minute.start()
        try:
            agent.run()
        finally:
            minute.join()
    stages, tally = agent.pipeline.stages(), agent.pipeline.tally
    sys.stdout.write(
        f"\n{minute.dropper.drops} models in {minute.seconds:.0f} s, {len(detector.versions) - 1} "
        f"of them in force; {minute.sent:,} flows, {tally.busy / minute.seconds:.0%} "
        f"of the time scoring, the sender waited {minute.waits:,} times\n"
    )
    assert minute.waits > 0, "no full load: the agent kept up with the sender"

    times = np.bincount(np.concatenate(detector.scored), minlength=minute.sent)
    assert len(times) == minute.sent
    assert (times == 0).sum() == 0, "flows lost"
    assert (times > 1).sum() == 0, "flows scored twice"
    for name in ("source.0.flows", "detector.flows"):
        assert stages[name].received == stages[name].passed == minute.sent, name
    assert stages["aggregator.hits"].received == detector.hits > 0
    lines = len((config.parent / "alerts.jsonl").read_text().splitlines())
    (sink,) = agent.status()["sinks"]
    assert sink["passed"] == tally.alerts == lines > 0
    assert all(counters.balanced for counters in stages.values())

    versions = detector.versions
    assert minute.dropper.drops >= DROPS
    assert detector.changes >= CHANGES
    assert len(set(versions) & set(VERSIONS)) >= 2
    assert versions[-1] == minute.dropper.version, "the last model is not in force"
    reload = agent.status()["reload"]
    assert reload["swaps"] >= CHANGES
    assert reload["failed"].keys() <= {"packs", "model"}
    assert all("port-scan" in ids for ids in detector.packs)
    assert not [entry for entry in logs if entry["event"] == "reload_crashed"]


def test_a_dropped_pack_scores_the_next_batch(config: Path) -> None:
    """A pack that is dropped beside the running agent finds its threat in a batch soon after."""
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
    assert "ssh-bruteforce" not in detector.packs[0]
    assert "ssh-bruteforce" in detector.packs[-1]
    alerts = (config.parent / "alerts.jsonl").read_text()
    assert '"ssh-bruteforce"' in alerts
