"""Where the time of the whole path goes, stage by stage, ns a flow.

    python -m benchmarks.stages [--packs N] [--rows N …] [--recording FILE]

Each stage is timed by itself, one batch after the other, on one thread: decode (messages of 512
flows, checked, decoded and joined), context, features, model (trunk and heads), hits (what else the
detector does), aggregation, encoding of alerts. Without ZeroMQ: its share is in `whole_path`, which
runs all of it at once. A table for `docs/performance.md`, without targets.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness import Options, run
from benchmarks.path import MESSAGE_ROWS, rules_of
from benchmarks.pool import whole
from benchmarks.result import Report, Row
from benchmarks.timing import Spread
from benchmarks.traffic import Traffic
from metatap.alerts import Aggregator, encode_ecs
from metatap.context import Context
from metatap.detector import Detector, Model, RuleSet, shipped_model
from metatap.flow import FlowBatch
from metatap.sources.encode import flows_message
from metatap.sources.messages import Header
from metatap.sources.options import WireOptions
from metatap.sources.session import WireSession

STAGES = ("decode", "context", "features", "model", "hits", "aggregate", "encode")


def options(parser: argparse.ArgumentParser) -> None:
    """What it can be told."""
    parser.add_argument("--packs", type=int, default=64)
    parser.add_argument("--rows", type=int, nargs="+", default=[4096, 1024, 512])
    parser.add_argument("--flows", type=int, default=65_536, help="in a turn")
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--recording", type=Path, help="its flows, not drawn ones")
    parser.add_argument("--reference", action="store_true", help="NumPy alone")


def measure(given: Options) -> Report:
    """Measure."""
    rules = rules_of(Model(shipped_model()), given.packs)
    messages = list(_messages(given))
    rows: list[Row] = []
    for size in given.rows:
        turns = [_turn(messages, rules, size, given.reference) for _ in range(given.turns + 1)][1:]
        for stage in STAGES:
            spread = Spread.of([turn[stage] * 1e9 for turn in turns])
            rows.append(Row.of(f"{stage}, batches of {size:,}", spread, "ns a flow"))
        whole_turn = Spread.of([sum(turn.values()) * 1e9 for turn in turns])
        rows.append(Row.of(f"all, batches of {size:,}", whole_turn, "ns a flow"))
    return Report(tuple(rows), {"packs": len(rules.packs)})


def _messages(given: Options) -> Iterator[list[bytes]]:
    if given.recording is None:
        batches = Traffic().batches(given.flows, MESSAGE_ROWS)
    else:
        flows = whole(given.recording)
        repeated = flows.take(np.resize(np.arange(flows.rows), given.flows))
        batches = list(repeated.chunks(MESSAGE_ROWS))
    before = 0
    for at, batch in enumerate(batches):
        yield flows_message(batch, Header("bench", "boot", 0, at, before, batch.rows))
        before += batch.rows


class _Clock:
    """Adds up the time between two looks, by stage."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(STAGES, 0.0)
        self._last = time.thread_time()

    def start(self) -> None:
        self._last = time.thread_time()

    def stage(self, name: str) -> None:
        now = time.thread_time()
        self.spent[name] += now - self._last
        self._last = now


def _turn(
    messages: list[list[bytes]], rules: RuleSet, rows: int, reference: bool
) -> dict[str, float]:
    """Seconds a flow of each stage."""
    compiled = False if reference else None
    detector, aggregator = Detector(rules, Context(compiled=compiled)), Aggregator("bench")
    session = WireSession("bench", WireOptions(batch_rows=rows))
    clock, flows = _Clock(), 0
    for at, parts in enumerate(messages):
        clock.start()
        session.accept(parts, float(at))
        if not session.full():
            clock.stage("decode")
            continue
        batch = session.take()
        clock.stage("decode")
        if batch is None:
            continue
        flows += batch.rows
        _score(batch, detector, aggregator, clock)
    return {stage: seconds / flows for stage, seconds in clock.spent.items()}


def _score(batch: FlowBatch, detector: Detector, aggregator: Aggregator, clock: _Clock) -> None:
    """What `Detector.detect` does, stage by stage, and what follows."""
    rules, context = detector.rules, detector.context
    clock.start()
    known = None if context is None else context.update(batch)
    clock.stage("context")
    features = detector.encode(batch, known)
    clock.stage("features")
    scores, embedding = rules.model.score(rules.model.select(features), rules.heads)
    clock.stage("model")
    detections = detector.judge(batch, features, scores, embedding)
    clock.stage("hits")
    alerts = aggregator.add(detections)
    clock.stage("aggregate")
    for alert in alerts:
        encode_ecs(alert)
    clock.stage("encode")


if __name__ == "__main__":
    run("stages", __doc__, options, measure)
