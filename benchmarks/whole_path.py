"""The whole path on one core against the bare ONNX session on the same batches.

    python benchmarks/whole_path.py [--recording FILE] [--packs N] [--rows N] [--reference]

Whole path: raw wire messages → checked and decoded → context → features → trunk and heads of all
packs → hits → alerts encoded, in one thread, without sockets and without writing. Reference:
`session.run` of the same model on the same feature matrices, ready-made. Both alternate in one
process pinned to one core; medians; the contract is the ratio of flows a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from importlib import resources
from pathlib import Path

import numpy as np

from metatap.alerts import Aggregator, encode_ecs
from metatap.context import Context
from metatap.detector import Detector, Model, RuleSet, shipped_model
from metatap.features import encode
from metatap.flow import FlowBatch, concat
from metatap.offline.stream import read
from metatap.packs import load_folder
from metatap.runtime.build import shipped_packs
from metatap.sources import open_source
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.options import WireOptions
from metatap.sources.session import WireSession

ROUNDS = 15
FLOWS = 32768
RATE = 1e-4


def recorded(path: Path) -> FlowBatch:
    """All flows of a recording, repeated to about `FLOWS`."""
    flows = concat(list(read(open_source(str(path)))))
    return flows.take(np.resize(np.arange(flows.rows), FLOWS))


def rules_of(model: Model, packs: int) -> RuleSet:
    """The starter packs, and copies of their heads, which never alert, up to `packs`."""
    found, _ = load_folder(shipped_packs())
    rules = RuleSet.build(model, found, RATE)
    if packs <= len(rules.packs):
        return rules
    index = np.resize(np.arange(len(rules.packs)), packs)
    thresholds = np.full(-(-packs // 8) * 8, np.inf, np.float32)
    thresholds[: len(rules.packs)] = rules.thresholds[: len(rules.packs)]
    return RuleSet(
        model,
        tuple(rules.packs[i] for i in index),
        model.stack([rules.heads[:, i] for i in index]),
        thresholds,
        tuple(rules.support[i] for i in index),
        {},
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    data = Path(str(resources.files("metatap.demo") / "data"))
    parser.add_argument("--recording", type=Path, default=data / "branch.mtrec")
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument(
        "--reference", action="store_true", help="context by its NumPy reference, not its twin"
    )
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rules = rules_of(Model(shipped_model()), options.packs)
    batches = list(recorded(options.recording).chunks(options.rows))
    messages = [
        flows_message(batch, Header("bench", "b", 0, at, at * options.rows, batch.rows))
        for at, batch in enumerate(batches)
    ]
    context = Context(compiled=False if options.reference else None)
    ready = [rules.model.select(encode(batch)) for batch in batches]
    times: dict[str, list[float]] = {"whole": [], "bare": []}
    for _ in range(ROUNDS):
        times["whole"].append(_whole(messages, rules, context))
        times["bare"].append(_bare(ready, rules))
    flows = sum(batch.rows for batch in batches)
    rate = {name: flows / statistics.median(seconds) for name, seconds in times.items()}
    print(f"{flows:,} flows in batches of {options.rows:,}, {len(rules.packs)} packs, one core")
    print(f"context by {'its compiled twin' if context.compiled else 'NumPy'}")
    print(f"bare ONNX session  {rate['bare']:12,.0f} flows/s")
    print(f"whole path         {rate['whole']:12,.0f} flows/s")
    print(f"ratio whole / bare {rate['whole'] / rate['bare']:12.2f}")


def _whole(messages: list[list[bytes]], rules: RuleSet, context: Context) -> float:
    session = WireSession("bench", WireOptions())
    context.reset()
    detector = Detector(rules, context)
    aggregator = Aggregator("bench")
    begin = time.perf_counter()
    for at, parts in enumerate(messages):
        session.accept(parts, float(at))
        batch = session.take()
        if batch is not None:
            for alert in aggregator.add(detector.detect(batch)):
                encode_ecs(alert)
    return time.perf_counter() - begin


def _bare(ready: list[np.ndarray], rules: RuleSet) -> float:
    begin = time.perf_counter()
    for features in ready:
        rules.model.score(features, rules.heads)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
