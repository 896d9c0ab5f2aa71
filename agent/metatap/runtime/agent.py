"""The agent process: a pipeline under signals, a status line now and then, an orderly end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

import structlog

from metatap.errors import MetatapError
from metatap.runtime.build import build_pipeline, build_rules
from metatap.runtime.pipeline import Pipeline
from metatap.runtime.settings import Config

POLL = 0.25
"""Seconds a read waits when nothing comes; bounds the reaction to a signal."""

DRAIN_QUIET = 0.5
"""After TERM the agent reads on until nothing has come for this many seconds."""

DRAIN_LIMIT = 30.0
"""Seconds after which it stops draining in any case; that it did is logged."""

log = structlog.get_logger(__name__)


class Agent:
    """Runs one pipeline until its sources end or TERM or INT comes.

    TERM and INT drain and end with success; HUP reloads configuration, model and packs and
    reopens the sinks. A reload that fails leaves everything as it was and says why.
    """

    def __init__(self, load: Callable[[], Config]) -> None:
        """Build the pipeline.

        Args:
            load: Gives the configuration; called again at each HUP.

        Raises:
            MetatapError: configuration, model or a source is unusable.
        """
        self._load = load
        self.config = load()
        self.pipeline: Pipeline = build_pipeline(self.config)
        self._stop = False
        self._reload = False

    def run(self) -> None:
        """Work until the end; returns once everything is drained and written."""
        previous = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._on_stop),
            signal.SIGINT: signal.signal(signal.SIGINT, self._on_stop),
            signal.SIGHUP: signal.signal(signal.SIGHUP, self._on_reload),
        }
        rules = self.pipeline.detector.rules
        log.info(
            "agent_started",
            model=rules.model.meta.name,
            model_sha256=rules.model.sha256[:12],
            packs=[pack.id for pack in rules.packs],
            refused=sorted(rules.refused),
            thresholds=rules.threshold_source,
            sources=[source.name for source in self.pipeline.sources],
        )
        try:
            self._loop()
        finally:
            self.pipeline.finish()
            log.info("agent_stopped", **self.report())
            for number, handler in previous.items():
                signal.signal(number, handler)

    def report(self) -> dict[str, object]:
        """Totals and the counters of every stage, for the log."""
        tally = self.pipeline.tally
        return {
            "flows": tally.flows,
            "busy_seconds": round(tally.busy, 4),
            "alerts": tally.alerts,
            "stages": {
                name: {"received": c.received, "passed": c.passed, "dropped": c.dropped}
                for name, c in self.pipeline.stages().items()
            },
        }

    def _loop(self) -> None:
        interval = self.config.status_interval
        due = time.monotonic() + interval
        while not self._stop and not self.pipeline.done:
            self.pipeline.step(POLL)
            if self._reload:
                self._reload = False
                self._do_reload()
            if interval and time.monotonic() >= due:
                due = time.monotonic() + interval
                log.info("agent_status", **self.report())
        if self._stop:
            self._drain()

    def _drain(self) -> None:
        begin = last = time.monotonic()
        while time.monotonic() - last < DRAIN_QUIET:
            if self.pipeline.step(DRAIN_QUIET / 5):
                last = time.monotonic()
            if time.monotonic() - begin > DRAIN_LIMIT:
                log.warning("drain_unfinished", seconds=DRAIN_LIMIT)
                return

    def _do_reload(self) -> None:
        try:
            config = self._load()
            rules = build_rules(config)
        except MetatapError as error:
            log.error("reload_failed", reason=str(error))  # noqa: TRY400 - a user's mistake
        else:
            self.config = config
            self.pipeline.detector.swap(rules)
            log.info("reloaded", packs=[pack.id for pack in rules.packs])
        for sink in self.pipeline.sinks:
            sink.reopen()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True
