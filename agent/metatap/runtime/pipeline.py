"""The path of a flow in one process: sources → detector → aggregator → sinks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from metatap.alerts import Aggregator, Alert, encode_ecs
from metatap.counters import Counters
from metatap.detector import Detector
from metatap.flow import FlowBatch
from metatap.sinks import Sink
from metatap.sources import Source


@dataclass(slots=True)
class Tally:
    """What went through the pipeline so far.

    Attributes:
        flows: Flows scored.
        busy: Seconds spent on them, from the decoded batch to the written alerts.
        read: Seconds spent in the sources, waiting included.
        alerts: Alert events written, `opened` and `summary` together.
    """

    flows: int = 0
    busy: float = 0.0
    read: float = 0.0
    alerts: int = 0


class Pipeline:
    """Drives the stages; one thread, one direction.

    Attributes:
        sources: Where flows come from; read in turn.
        detector: The scoring stage.
        aggregator: Hits → alerts.
        sinks: Where alerts go; each gets every alert.
        tally: Running totals.
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
        self._batch_rows = batch_rows

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
        rows = 0
        share = timeout / max(len(self.sources), 1)
        for source in self.sources:
            begin = time.perf_counter()
            batch = source.read(share)
            self.tally.read += time.perf_counter() - begin
            if batch is not None:
                rows += batch.rows
                self.process(batch)
        if not rows:
            self._write(self.aggregator.expire())
        return rows

    def process(self, batch: FlowBatch) -> None:
        """Score one batch and write what it gave rise to."""
        begin = time.perf_counter()
        for chunk in batch.chunks(self._batch_rows):
            alerts = self.aggregator.add(self.detector.detect(chunk))
            self._write(alerts)
        self._write(self.aggregator.expire())
        self.tally.flows += batch.rows
        self.tally.busy += time.perf_counter() - begin

    def finish(self) -> None:
        """Close open aggregates, write their summaries, free sources and sinks."""
        self._write(self.aggregator.flush())
        for source in self.sources:
            source.close()
        for sink in self.sinks:
            sink.flush()
            sink.close()

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
        return counters

    def _write(self, alerts: Sequence[Alert]) -> None:
        if not alerts:
            return
        lines = [encode_ecs(alert) for alert in alerts]
        for sink in self.sinks:
            sink.write(lines)
        self.tally.alerts += len(lines)
