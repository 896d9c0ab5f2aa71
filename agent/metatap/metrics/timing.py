"""How long flows take through the pipeline: a few values a batch, none a flow."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from metatap.flow import FlowBatch
from metatap.metrics.histogram import Histogram

BATCH_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0
)  # fmt: skip
"""Bounds for what is done with a batch, s."""

FLOW_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Bounds for what begins with the end of a flow, s: Zeek's own waiting is in it."""

READ, DETECT, ALERT, WRITE = STAGES = ("read", "detect", "alert", "write")


class Timing:
    """Histograms of one pipeline, all in seconds; for its one thread.

    Attributes:
        batches: Batches scored.
        stages: Stage → time that a batch took there.
        receive_to_score: From the first look for a batch that was there to its last score.
        flow_to_score: From the end of a batch's last flow to its scores, by the wall clock.
        flow_to_alert: From the end of the flow that opened an alert to the written alert.
    """

    __slots__ = ("batches", "flow_to_alert", "flow_to_score", "receive_to_score", "stages")

    def __init__(self) -> None:
        self.batches = 0
        self.stages = {stage: Histogram(BATCH_S) for stage in STAGES}
        self.receive_to_score = Histogram(BATCH_S)
        self.flow_to_score = Histogram(FLOW_S)
        self.flow_to_alert = Histogram(FLOW_S)

    def laps(self, read_s: float) -> Laps:
        """Begin with a batch.

        Args:
            read_s: Seconds it took to read, waiting for it excluded.
        """
        self.stages[READ].observe(read_s)
        return Laps(self, read_s)

    def alerted(self, ends: Iterable[int]) -> None:
        """Alerts were written; `ends`, when their flows ended, ns since the epoch."""
        now = time.time_ns()
        for end in ends:
            self.flow_to_alert.observe((now - end) / 1e9)

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            "batches": self.batches,
            "stages": {stage: found.as_json() for stage, found in self.stages.items()},
            "receive_to_score": self.receive_to_score.as_json(),
            "flow_to_score": self.flow_to_score.as_json(),
            "flow_to_alert": self.flow_to_alert.as_json(),
        }


class Laps:
    """The stages of one batch, one after the other."""

    __slots__ = ("_at", "_begin", "_read_s", "_timing")

    def __init__(self, timing: Timing, read_s: float) -> None:
        self._timing = timing
        self._read_s = read_s
        self._begin = self._at = time.perf_counter()

    def ends(self, stage: str) -> None:
        """A stage ends, and the next one begins."""
        now = time.perf_counter()
        self._timing.stages[stage].observe(now - self._at)
        self._at = now

    def scored(self, end: int | None) -> None:
        """The detector has scored flows of the batch.

        Args:
            end: When the last of them ended, ns since the epoch; None: it is not known.
        """
        self.ends(DETECT)
        timing = self._timing
        timing.batches += 1
        timing.receive_to_score.observe(self._read_s + self._at - self._begin)
        if end is not None:
            timing.flow_to_score.observe((time.time_ns() - end) / 1e9)


def last_end(batch: FlowBatch) -> int | None:
    """When the last flow of a batch ended, ns since the epoch; None: it has no `ts`."""
    ts, duration = batch.numeric("ts"), batch.numeric("duration")
    if ts is None or not len(ts) or not (ts.valid is None or ts.valid[-1]):
        return None
    end = int(ts.values[-1])
    if duration is not None and (duration.valid is None or duration.valid[-1]):
        end += max(0, int(duration.values[-1]))
    return end
