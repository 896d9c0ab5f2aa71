"""metatap.runtime.pipeline and logs, in one process."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from structlog.testing import capture_logs

from metatap.alerts import Aggregator
from metatap.demo import read_labels
from metatap.detector import Detector, Model, RuleSet, shipped_model
from metatap.errors import ModelError
from metatap.packs import load_folder
from metatap.runtime.build import shipped_packs
from metatap.runtime.pipeline import MODEL_FAILED, Pipeline
from metatap.sinks import FileSink
from metatap.sources import Source, open_source
from metatap.sources.recording_file import Record, RecordingReader

OFFICE = Path(__file__).parents[2] / "data" / "lab" / "office.mtrec"
FLOWS = len(read_labels(OFFICE.with_suffix(".labels.csv")))


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    return RuleSet.build(Model(shipped_model()), load_folder(shipped_packs())[0], 1e-4)


def make(rules: RuleSet, out: Path, *sources: Source) -> Pipeline:
    return Pipeline(sources, Detector(rules), Aggregator("test"), [FileSink(out)], 512)


def run(pipeline: Pipeline) -> None:
    while not pipeline.done:
        pipeline.step(0.1)
    pipeline.finish()


def unbalanced(pipeline: Pipeline) -> list[str]:
    return [name for name, counters in pipeline.stages().items() if not counters.balanced]


def test_conservation_over_the_path(rules: RuleSet, tmp_path: Path) -> None:
    """Every flow of the recording is in the counters of each stage, and each stage balances."""
    pipeline = make(rules, tmp_path / "alerts.jsonl", open_source(str(OFFICE)))
    run(pipeline)
    stages = pipeline.stages()
    assert stages["source.0.flows"].received == FLOWS
    assert stages["detector.flows"].received == stages["source.0.flows"].passed
    written = (tmp_path / "alerts.jsonl").read_bytes().count(b"\n")
    assert stages["sink.0.alerts"].passed == written == pipeline.tally.alerts > 0
    assert not unbalanced(pipeline)


def test_a_model_that_fails_once(
    rules: RuleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flows that can't be scored are dropped as `model_failed` and logged; the next ones are."""
    score, calls = Model.score, []

    def fails_second(self: Model, *inputs: np.ndarray) -> Any:
        calls.append(len(inputs[0]) > 256)
        if calls[-1] and sum(calls) == 2:
            raise ModelError("out of memory")
        return score(self, *inputs)

    monkeypatch.setattr(Model, "score", fails_second)
    pipeline = make(rules, tmp_path / "alerts.jsonl", open_source(str(OFFICE)))
    with capture_logs() as logs:
        run(pipeline)
    failed = pipeline.detector.flows.dropped[MODEL_FAILED]
    assert 0 < failed <= 512
    assert pipeline.detector.flows.passed == FLOWS - failed
    assert not unbalanced(pipeline)
    assert any(entry["event"] == "flows_unscored" for entry in logs)


def test_an_idle_source_does_not_slow_a_busy_one(rules: RuleSet, tmp_path: Path) -> None:
    """A step waits only when no source has anything."""
    urls = [f"zeek+ipc://{tmp_path}/{name}.ipc?bind=1&batch_rows=0" for name in ("idle", "busy")]
    pipeline = make(rules, tmp_path / "alerts.jsonl", *(open_source(url) for url in urls))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    try:
        publisher.connect(f"ipc://{tmp_path}/busy.ipc")
        while not publisher.poll(10):
            pipeline.step(0.02)
        reader = RecordingReader(OFFICE, 2**24)
        for record in reader:
            if isinstance(record, Record):
                publisher.send_multipart(record.parts)
        reader.close()
        begin, rows, steps = time.monotonic(), 0, 0
        while rows < FLOWS:
            rows += pipeline.step(20.0)
            steps += 1
        assert steps > 1
        assert time.monotonic() - begin < 20.0
    finally:
        publisher.close(linger=0)
        context.term()
        pipeline.finish()


def test_alerts_are_retried_while_idle(rules: RuleSet, tmp_path: Path) -> None:
    """Alerts held back by a fault of the place are written once it is mended, without new ones."""
    place = tmp_path / "alerts.jsonl"
    place.mkdir()
    url = f"zeek+ipc://{tmp_path}/idle.ipc?bind=1"
    pipeline = make(rules, place, open_source(url))
    recording = open_source(str(OFFICE))
    while not recording.done:
        batch = recording.read(1.0)
        if batch is not None:
            pipeline.process(batch)
    recording.close()
    place.rmdir()
    deadline = time.monotonic() + 20
    while not place.exists() and time.monotonic() < deadline:
        pipeline.step(0.1)
    pipeline.close()
    assert place.read_bytes().count(b"\n") > 0


def test_a_full_disk_for_the_log_ends_nothing(tmp_path: Path) -> None:
    """If standard error can't be written, alerts still are, and the status is 0."""
    out = tmp_path / "alerts.jsonl"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "metatap", "replay", str(OFFICE), "--out", str(out)],
            stderr=full,
            check=False,
        )
    assert done.returncode == 0
    assert out.read_bytes().count(b"\n") > 0
