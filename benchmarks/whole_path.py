"""The whole path on one core against the bare ONNX session on the same batches.

Whole path: see `benchmarks.path`, in short: ZeroMQ receive from a sender process on the other core,
decode, join, context, features, model with the heads of all packs, hits, aggregation, alerts
encoded, by the agent's own pipeline. Reference: `session.run` of the same model and heads on the
feature matrices of the same flows, ready-made, batches of 4,096. Both take turns in one process on
one core; the contract is the ratio of flows a second of the processor.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.harness import Options, run
from benchmarks.path import (
    FLOWS,
    MESSAGE_ROWS,
    ready_features,
    rules_of,
    scored_batches,
    whole_path,
)
from benchmarks.result import Report, Row
from benchmarks.timing import Spread, in_turns, timed
from metatap.context import Context
from metatap.detector import Model, shipped_model

RATIO, RATE = 0.60, 1e6


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--flows", type=int, default=FLOWS, help="in a turn")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument(
        "--reference", action="store_true", help="NumPy alone, without the compiled twins"
    )


def measure(given: Options) -> Report:
    """Measure."""
    flows = max(1, given.flows // MESSAGE_ROWS) * MESSAGE_ROWS
    compiled = False if given.reference else None
    model = Model(shipped_model())
    rules = rules_of(model, given.packs)
    ready = ready_features(model, scored_batches(flows), Context(compiled=compiled))
    walls: list[float] = []
    with whole_path(rules, compiled=compiled, flows=flows) as path:

        def whole() -> float:
            spent = path.run(rules, flows)
            walls.append(path.wall)
            return spent

        def bare() -> None:
            for features in ready:
                rules.model.score(features, rules.heads)

        jobs = {"whole": whole, "bare": lambda: timed(bare, time.process_time)}
        times = in_turns(jobs, given.turns)
        alerts, twin = path.alerts, path.context.compiled
    ratio = Spread.ratio(times["bare"], times["whole"])
    rate = Spread.of([flows / seconds for seconds in times["whole"]])
    alone = Spread.of([flows / seconds for seconds in times["bare"]])
    return Report(
        (
            Row.of("whole path / bare ONNX session, flows/s", ratio, target=RATIO),
            Row.of("whole path", rate, "flows/s a core", target=RATE),
        ),
        {
            "bare session, flows/s a core": alone.median,
            "whole path by the clock, flows/s": Spread.of([flows / s for s in walls]).median,
            "packs": len(rules.packs),
            "alerts a million flows": alerts / (flows * len(walls)) * 1e6,
            "context": "compiled" if twin else "NumPy",
        },
    )


if __name__ == "__main__":
    run("whole_path", __doc__, options, measure)
