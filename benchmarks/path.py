"""The whole path in one process on one core, and its model alone.

In: messages of 512 flows that a sender process on another core gives to a Unix socket through
ZeroMQ, as fast as they are taken. The path is the agent's own pipeline, all of it in this process
and on its core, ZeroMQ's thread included: receive, check and decode, join what is there into
batches of at most 4,096 flows, context, features, trunk and heads of all packs, hits, aggregation,
alerts encoded. Not in: files and the adaptation. Times are those of the processor for the whole
process (all threads), so that waiting for the sender counts neither way.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.feed import Feed, feed
from benchmarks.traffic import Traffic
from metatap.alerts import Aggregator
from metatap.context import Context
from metatap.detector import Detector, Model, RuleSet
from metatap.features import encode
from metatap.flow import FlowBatch, concat
from metatap.packs import load_folder
from metatap.runtime.pipeline import Pipeline
from metatap.runtime.shipped import shipped_packs
from metatap.sources.options import WireOptions
from metatap.sources.zeek_zeromq import ZeekZeroMQ

RATE = 1e-4
"""Share of benign flows that a pack may flag: the agent's default."""

MESSAGE_ROWS = 512
"""Flows that Zeek sends in a message (`Metatap::batch_size`)."""

BATCH_ROWS = 4096
"""Flows scored at once: the agent's default of `detector.batch_rows`."""

FLOWS = 131_072
"""Flows in one turn of the ring."""

PATIENCE = 60.0
"""Seconds after which flows that were sent count as gone astray."""

FloatArray = npt.NDArray[np.float32]


def rules_of(model: Model, packs: int) -> RuleSet:
    """The first `packs` of the starter packs; beyond them copies of their heads that never alert.

    Copies cost what packs cost in the model; that they are quiet keeps the number of alerts, and
    with it the work on them, the same for any number of packs.
    """
    found, _ = load_folder(shipped_packs())
    rules = RuleSet.build(model, found[:packs], RATE)
    own = len(rules.packs)
    if packs <= own:
        return rules
    index = np.resize(np.arange(own), packs)
    heads = model.stack([rules.heads[:, at] for at in index])
    thresholds = np.full(heads.shape[1], np.inf, np.float32)
    thresholds[:own] = rules.thresholds[:own]
    return RuleSet(
        model,
        tuple(rules.packs[at] for at in index),
        heads,
        thresholds,
        tuple(rules.support[at] for at in index),
        {},
    )


def scored_batches(flows: int = FLOWS, seed: int = 0) -> list[FlowBatch]:
    """The flows of the sender's ring, joined as they are scored."""
    messages = Traffic(seed=seed).batches(flows, MESSAGE_ROWS)
    step = BATCH_ROWS // MESSAGE_ROWS
    return [concat(messages[at : at + step]) for at in range(0, len(messages), step)]


def ready_features(model: Model, batches: list[FlowBatch], context: Context) -> list[FloatArray]:
    """What the model is given of each batch, context included: float32 [n, F]."""
    return [model.select(encode(batch, context.update(batch))) for batch in batches]


class WholePath:
    """The pipeline at the end of a sender's socket.

    Attributes:
        context: What is remembered of hosts.
        wall: Seconds by the clock of the last run, waiting included.
    """

    def __init__(self, sender: Feed, source: ZeekZeroMQ, rules: RuleSet, context: Context) -> None:
        self.context = context
        self.wall = 0.0
        self._sender = sender
        self._detector = Detector(rules, context)
        self._pipeline = Pipeline([source], self._detector, Aggregator("bench"), [], BATCH_ROWS)

    @property
    def alerts(self) -> int:
        """Alerts encoded so far."""
        return self._pipeline.tally.alerts

    def run(self, rules: RuleSet, flows: int) -> float:
        """Seconds of the processor that flows take from the socket to the encoded alerts.

        Raises:
            RuntimeError: not all of them came.
        """
        self._detector.swap(rules)
        tally = self._pipeline.tally
        due = tally.flows + flows
        wall, cpu = time.perf_counter(), time.process_time()
        self._sender.tell("flood", flows=flows)
        while tally.flows < due and time.perf_counter() - wall < PATIENCE:
            self._pipeline.step(0.25)
        spent = time.process_time() - cpu
        self.wall = time.perf_counter() - wall
        self._sender.answer()
        if tally.flows != due:
            raise RuntimeError(f"{due - tally.flows:,} of {flows:,} flows went astray")
        return spent


@contextmanager
def whole_path(
    rules: RuleSet, *, compiled: bool | None = None, flows: int = FLOWS, seed: int = 0
) -> Iterator[WholePath]:
    """A path, its sender on the second core.

    Args:
        rules: Model and packs.
        compiled: See `Context`.
        flows: Of the ring.
        seed: Of the traffic.
    """
    with tempfile.TemporaryDirectory(prefix="mt-") as folder:
        address = f"{Path(folder)}/z"
        options = WireOptions(batch_rows=BATCH_ROWS)
        source = ZeekZeroMQ.from_url(f"zeek+ipc://{address}?bind=1", options)
        try:
            with feed(
                f"ipc://{address}", 1, keep=True, ring=flows, rows=MESSAGE_ROWS, seed=seed
            ) as (sender):
                while not sender.answers(0.0):
                    # A subscription reaches the sender when the socket is read.
                    source.read(0.05)
                sender.ready()
                yield WholePath(sender, source, rules, Context(compiled=compiled))
        finally:
            source.close()
