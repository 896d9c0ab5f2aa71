"""What adaptation costs the path of a flow, as a ratio to scoring the same batches.

    python benchmarks/adaptation.py [--rows N] [--unknown]

Measured: `Adapter.observe` on the lab's recording, a batch in ten seconds, its originators varied
so that no host is at its share and its scores by a little so that no two are equal, after half a
day of such traffic, against the detector (context, features and model) on the same batches, on one
core, taking turns; time of the thread, medians and means. Then, in batches, what the run loop pays
for rules that have changed, made ready beside it or not, and what is done beside it: making rules
ready, one estimate of the thresholds, and saving. The contract is the first ratio: 0.1 at most, and
that rules made ready cost one batch at most.

Set OMP_NUM_THREADS=1, as on any machine where the agent has one core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np

from metatap.adaptation import Adapter
from metatap.context import Context
from metatap.detector import Detections, Detector, Model, RuleSet, shipped_model
from metatap.flow import FlowBatch, Numeric, concat
from metatap.offline.stream import read
from metatap.packs import load_folder
from metatap.runtime.shipped import shipped_packs
from metatap.sources import open_source

BATCHES, WARM, MEASURED = 100, 4320, 600
STEP = 10 * 10**9
JITTER = 0.02
HOSTS = 5000
BEGIN = 1_800_000_000 * 10**9


def batches(rows: int) -> list[FlowBatch]:
    """Batches of the recording's flows, of many originators."""
    path = Path(str(resources.files("metatap.demo") / "data" / "branch.mtrec"))
    flows = concat(list(read(open_source(str(path)))))
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


def timed(seconds: list[float], begin: float) -> None:
    """Take down the time since `begin`."""
    seconds.append(time.thread_time() - begin)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--unknown", action="store_true", help="with the pack `unknown`")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    packs = load_folder(shipped_packs())[0]
    many = [replace(packs[at % 4], id=f"pack-{at}", sha256="") for at in range(options.packs)]
    rules = RuleSet.build(Model(shipped_model()), many, 1e-4)
    unknown = 5.0 if options.unknown else 0.0
    adapter = Adapter(2048, alerts_per_day=10.0, unknown_per_day=unknown, seed=0)
    detector = Detector(adapter.extend(rules), Context())
    scoring: list[float] = []
    observing: list[float] = []
    last: Detections | None = None
    rng = np.random.default_rng(0)
    given = batches(options.rows)
    for number in range(WARM + MEASURED):
        batch = at(given[number % BATCHES], number)
        begin = time.thread_time()
        detections = detector.detect(batch)
        if number >= WARM:
            timed(scoring, begin)
        jitter = JITTER * rng.standard_normal(detections.scores.shape, np.float32)
        detections = replace(detections, scores=detections.scores + jitter)
        adapter.refresh(detector.rules)
        begin = time.thread_time()
        last = adapter.score(detections)
        adapter.observe(last, 0)
        if number >= WARM:
            timed(observing, begin)
    if last is None:
        return
    score, observe = statistics.median(scoring), statistics.median(observing)
    mean = statistics.fmean(observing) / statistics.fmean(scoring)
    print(f"{options.rows:,} flows a batch, {options.packs} packs, one core")
    print(f"scoring                       {score / options.rows * 1e6:8.3f} µs a flow")
    print(f"observing                     {observe / options.rows * 1e6:8.3f} µs a flow")
    print(f"ratio observing / scoring     {observe / score:8.3f}  (of means {mean:.3f})")
    tell(adapter, last.rules, score)


def tell(adapter: Adapter, rules: RuleSet, score: float) -> None:
    """What other rules, estimates and saving take, in batches of `score` seconds."""

    def spent(work: Callable[[], object]) -> float:
        begin = time.thread_time()
        work()
        return (time.thread_time() - begin) / score

    def others() -> RuleSet:
        return replace(rules, heads=rules.heads.copy())

    estimate = spent(lambda: adapter.thresholds(rules))
    adopting = spent(lambda: adapter.extend(others()))
    given = others()
    preparing = spent(lambda: adapter.prepare(given))
    print(f"other rules, made ready       {spent(lambda: adapter.extend(given)):8.2f} batches")
    print(f"other rules, as they come     {adopting:8.2f} batches")
    print("beside the run loop:")
    print(f"making rules ready            {preparing:8.2f} batches")
    print(f"an estimate of thresholds     {estimate:8.2f} batches")
    size = len(adapter.save()) / 2**20
    print(f"saving, {size:.1f} MiB             {spent(adapter.save):8.2f} batches")


if __name__ == "__main__":
    main()
