"""What adaptation costs the path of a flow, as a ratio to scoring the same batches.

    python -m benchmarks.adaptation [--rows N] [--unknown]

Measured: `Adapter.observe` on the lab's recording, a batch in ten seconds, its originators varied
so that no host is at its share and its scores by a little so that no two are equal, after half a
day of such traffic, against the detector (context, features and model) on the same batches, on one
core, taking turns; time of the thread, medians and means. Then, in batches, what the run loop pays
for rules that have changed, made ready beside it or not, and what is done beside it: making rules
ready, one estimate of the thresholds, and saving. The contract is the first ratio: 0.1 at most, and
that rules made ready cost one batch at most.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.harness import Options, run
from benchmarks.pool import RECORDING, whole
from benchmarks.result import Info, Report, Row
from benchmarks.timing import Spread, timed
from metatap.adaptation import Adapter
from metatap.context import Context
from metatap.detector import Detector, Model, RuleSet, shipped_model
from metatap.flow import FlowBatch, Numeric
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs

BATCHES, WARM, MEASURED = 100, 4320, 600
STEP = 10 * 10**9
JITTER = 0.02
TARGET = 0.1
HOSTS = 5000
BEGIN = 1_800_000_000 * 10**9


def batches(rows: int) -> list[FlowBatch]:
    """Batches of the recording's flows, of many originators."""
    flows = whole(RECORDING)
    rng = np.random.default_rng(0)
    found = []
    for _ in range(BATCHES):
        batch = flows.take(rng.integers(flows.rows, size=rows))
        address = np.zeros((rows, 16), np.uint8)
        address[:, 12:14] = rng.integers(HOSTS, size=(rows, 1)).astype(">u2").view(np.uint8)
        columns = {**batch.columns, "id.orig_h": Numeric(address)}
        found.append(FlowBatch(rows, columns, batch.origin))
    return found


def at(batch: FlowBatch, number: int) -> FlowBatch:
    """The batch at its time."""
    start = np.full(batch.rows, BEGIN + number * STEP, np.int64)
    return FlowBatch(batch.rows, {**batch.columns, "ts": Numeric(start)}, batch.origin)


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--unknown", action="store_true", help="with the pack `unknown`")
    parser.add_argument("--warm", type=int, default=WARM, help="batches before")
    parser.add_argument("--batches", type=int, default=MEASURED, help="batches measured")


def measure(given: Options) -> Report:
    """Measure."""
    packs = load_folder(shipped_packs())[0]
    many = [replace(packs[at % 4], id=f"pack-{at}", sha256="") for at in range(given.packs)]
    rules = RuleSet.build(Model(shipped_model()), many, 1e-4)
    unknown = 5.0 if given.unknown else 0.0
    adapter = Adapter(2048, alerts_per_day=10.0, unknown_per_day=unknown, seed=0)
    detector = Detector(adapter.extend(rules), Context())
    scoring: list[float] = []
    observing: list[float] = []
    rng = np.random.default_rng(0)
    stream = batches(given.rows)
    for number in range(given.warm + given.batches):
        batch = at(stream[number % BATCHES], number)
        begin = time.thread_time()
        detections = detector.detect(batch)
        scored = time.thread_time() - begin
        jitter = JITTER * rng.standard_normal(detections.scores.shape, np.float32)
        detections = replace(detections, scores=detections.scores + jitter)
        adapter.refresh(detector.rules)
        begin = time.thread_time()
        last = adapter.score(detections)
        adapter.observe(last, 0)
        if number >= given.warm:
            scoring.append(scored)
            observing.append(time.thread_time() - begin)
    score, observe = Spread.of(scoring).median, Spread.of(observing).median
    info: Info = {
        "flows a batch": given.rows,
        "packs": given.packs,
        "scoring, ns a flow": score / given.rows * 1e9,
        "observing, ns a flow": observe / given.rows * 1e9,
        "observing / scoring, of means": statistics.fmean(observing) / statistics.fmean(scoring),
    }
    ratio = Spread.ratio(observing, scoring)
    row = Row.of("adaptation / scoring, time", ratio, target=TARGET, bound="at most")
    ready, others = _told(adapter, last.rules, score)
    return Report((row, ready), info | others)


def _told(adapter: Adapter, rules: RuleSet, score: float) -> tuple[Row, Info]:
    """What other rules, estimates and saving take, in batches of `score` seconds."""

    def spent(work: Callable[[], object]) -> float:
        return timed(work, time.thread_time) / score

    def others() -> RuleSet:
        return replace(rules, heads=rules.heads.copy())

    estimate = spent(lambda: adapter.thresholds(rules))
    adopting = spent(lambda: adapter.extend(others()))
    given = others()
    preparing = spent(lambda: adapter.prepare(given))
    swap = spent(lambda: adapter.extend(given))
    row = Row("other rules, made ready", swap, "batches", 1.0, "at most")
    return row, {
        "other rules, as they come, batches": adopting,
        "beside the run loop: making rules ready, batches": preparing,
        "beside the run loop: an estimate of thresholds, batches": estimate,
        "beside the run loop: saving, batches": spent(adapter.save),
        "saved, MiB": len(adapter.save()) / 2**20,
    }


if __name__ == "__main__":
    run("adaptation", __doc__, options, measure)
