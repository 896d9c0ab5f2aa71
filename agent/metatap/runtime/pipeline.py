"""The path of a flow in one process: sources → detector → aggregator → sinks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from metatap.alerts import Aggregator, Alert, AlertKind, encode_ecs
from metatap.counters import Counters
from metatap.detector import Detections, Detector
from metatap.errors import ModelError
from metatap.flow import FlowBatch
from metatap.metrics import Timing
from metatap.metrics.timing import ALERT, WRITE, last_end
from metatap.runtime.outlets import Outlets
from metatap.sinks import Sink
from metatap.sources import Source
from metatap.state.history import AlertHistory

MODEL_FAILED = "model_failed"
"""Reason for flows that the model could not score; the next batch is tried again."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What went through the pipeline so far.

    Attributes:
        flows: Flows scored.
        busy: Seconds spent on them, from the decoded batch to the written alerts.
        alerts: Alert events written, `opened` and `summary` together.
    """

    flows: int = 0
    busy: float = 0.0
    alerts: int = 0


class Pipeline:
    """Drives the stages; one thread, one direction.

    Attributes:
        sources: Where flows come from; read in turn.
        detector: The scoring stage.
        aggregator: Hits → alerts.
        sinks: Where alerts go; each gets every alert.
        tally: Running totals.
        timing: How long flows take.
        batch_rows: Flows scored at once, at most.
        observe: Shown each scored batch before anything is suppressed; gives what goes on.
        opened: Told how many alerts were opened.
        history: Keeps the alerts, None: nobody does.
        outlets: Bring alerts to the other sinks, None: there are no others.
        between: Called between two batches, also when none comes: the place to change rules.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        detector: Detector,
        aggregator: Aggregator,
        sinks: Sequence[Sink],
        batch_rows: int,
    ) -> None:
        self.sources = tuple(sources)
        self.detector = detector
        self.aggregator = aggregator
        self.sinks = tuple(sinks)
        self.tally = Tally()
        self.timing = Timing()
        self.batch_rows = batch_rows
        self.observe: Callable[[Detections], Detections] = lambda detections: detections
        self.opened: Callable[[int], None] = lambda _: None
        self.history: AlertHistory | None = None
        self.outlets: Outlets | None = None
        self.between: Callable[[], None] = lambda: None

    @property
    def done(self) -> bool:
        """Every source is at its end."""
        return all(source.done for source in self.sources)

    def step(self, timeout: float) -> int:
        """Read each source once and carry what came to the sinks.

        Args:
            timeout: Seconds to wait in all if no source has anything.

        Returns:
            Flows scored.
        """
        rows = sum(self._read(source, 0.0) for source in self.sources)
        if rows:
            return rows
        self.between()
        self._write(self.aggregator.expire())
        for sink in self.sinks:
            sink.retry()
        if self.outlets is not None:
            self.outlets.retry()
        if self.history is not None:
            self.history.flush()
        for source in self.sources:
            rows = self._read(source, timeout / len(self.sources))
            if rows:
                break
        return rows

    def discard(self, reason: str) -> int:
        """Read no more: count what the sources still hold as dropped; returns how many flows."""
        return sum(source.discard(reason) for source in self.sources)

    def process(self, batch: FlowBatch, read_s: float = 0.0) -> None:
        """Score one batch, with one set of rules, and write what it gave rise to.

        Args:
            batch: The flows.
            read_s: Seconds it took to read them, waiting excluded.
        """
        self.between()
        begin = time.perf_counter()
        laps = self.timing.laps(read_s)
        for chunk in batch.chunks(self.batch_rows):
            try:
                detections = self.detector.detect(chunk)
            except ModelError as error:
                self.detector.flows.drop(MODEL_FAILED, chunk.rows)
                log.error("flows_unscored", flows=chunk.rows, reason=str(error))  # noqa: TRY400
                continue
            laps.scored(last_end(chunk))
            before = self.aggregator.opened
            alerts = self.aggregator.add(self.observe(detections))
            laps.ends(ALERT)
            self._write(alerts)
            laps.ends(WRITE)
            self.opened(self.aggregator.opened - before)
        self._write(self.aggregator.expire())
        self.tally.flows += batch.rows
        self.tally.busy += time.perf_counter() - begin

    def finish(self) -> None:
        """Close open aggregates, write their summaries, free sources and sinks."""
        self._write(self.aggregator.flush())
        self.close()

    def close(self) -> None:
        """Free sources and sinks."""
        for source in self.sources:
            source.close()
        for sink in self.sinks:
            sink.flush()
            sink.close()
        if self.outlets is not None:
            self.outlets.close()
        if self.history is not None:
            self.history.close()

    def stages(self) -> dict[str, Counters]:
        """Counters of every stage, in the order of the path, by name and unit."""
        counters: dict[str, Counters] = {}
        for at, source in enumerate(self.sources):
            counters[f"source.{at}.messages"] = source.messages
            counters[f"source.{at}.flows"] = source.flows
        counters["detector.flows"] = self.detector.flows
        counters["aggregator.hits"] = self.aggregator.hits
        for at, sink in enumerate(self.sinks):
            counters[f"sink.{at}.alerts"] = sink.alerts
        if self.history is not None:
            counters["history.alerts"] = self.history.alerts
        return counters

    def _read(self, source: Source, timeout: float) -> int:
        begin = time.thread_time()
        batch = source.read(timeout)
        if batch is None:
            return 0
        self.process(batch, time.thread_time() - begin)
        return batch.rows

    def _write(self, alerts: Sequence[Alert]) -> None:
        if not alerts:
            return
        lines = [encode_ecs(alert) for alert in alerts]
        if self.outlets is not None:
            self.outlets.append(lines)
        for sink in self.sinks:
            sink.write(lines)
        if self.history is not None:
            self.history.add(alerts, lines)
        self.timing.alerted(a.flow_end for a in alerts if a.kind is AlertKind.OPENED)
        self.tally.alerts += len(lines)
