"""The agent process: a pipeline under signals, a status line now and then, an orderly end."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType

import structlog

from metatap.errors import MetatapError
from metatap.runtime.build import build_pipeline, build_rules
from metatap.runtime.logs import configure_logs
from metatap.runtime.pipeline import Pipeline
from metatap.runtime.settings import Config

POLL = 0.25
"""Seconds a read waits when nothing comes; bounds the reaction to a signal."""

DRAIN_LEAST = 0.5
"""Seconds the agent reads on after TERM at least, for what is still on its way."""

DRAIN_MOST = 30.0
"""Seconds it reads on at most, if more keeps coming than it can score."""

UNDRAINED = "undrained"
"""Reason for flows that were received but not read when the agent had to stop."""

NEED_RESTART = ("sensor", "sources", "sinks", "alerts")
"""Parts of the configuration that HUP does not apply; a change in them is logged."""

log = structlog.get_logger(__name__)


class Agent:
    """Runs one pipeline until its sources end or TERM or INT comes.

    TERM and INT drain and end with success: what has come is scored, what comes later is not
    waited for. A second one ends at once, and what was not scored is counted. HUP reloads model,
    packs and all options but `NEED_RESTART` and reopens the sinks. A reload that fails leaves
    everything as it was and says why.
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
        self._stops = 0
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
        tally, aggregator = self.pipeline.tally, self.pipeline.aggregator
        return {
            "flows": tally.flows,
            "busy_seconds": round(tally.busy, 4),
            "alerts": tally.alerts,
            "aggregates": {
                "open": len(aggregator),
                "opened": aggregator.opened,
                "summaries": aggregator.summaries,
                "closed_early": aggregator.closed_early,
                "unexplained": aggregator.unexplained,
            },
            "context": self._context(),
            "sources": [source.status() for source in self.pipeline.sources],
            "stages": {
                name: {"received": c.received, "passed": c.passed, "dropped": c.dropped}
                for name, c in self.pipeline.stages().items()
            },
        }

    def _context(self) -> dict[str, object]:
        context = self.pipeline.detector.context
        if context is None:
            return {}
        return {
            "bytes": context.nbytes,
            "compiled": context.compiled,
            "replaced": context.evictions.replaced,
            "unplaced": context.evictions.unplaced,
        }

    def _loop(self) -> None:
        due = time.monotonic() + self.config.status_interval
        while not self._stops and not self.pipeline.done:
            self.pipeline.step(POLL)
            if self._reload:
                self._reload = False
                self._do_reload()
            interval = self.config.status_interval
            if interval and time.monotonic() >= due:
                due = time.monotonic() + interval
                log.info("agent_status", **self.report())
        if self._stops:
            self._drain()

    def _drain(self) -> None:
        begin = time.monotonic()
        while self._stops == 1 and (spent := time.monotonic() - begin) < DRAIN_MOST:
            early = spent < DRAIN_LEAST
            if not self.pipeline.step(DRAIN_LEAST / 5 if early else 0.0) and not early:
                break
        if left := self.pipeline.discard(UNDRAINED):
            log.warning("flows_dropped", reason=UNDRAINED, flows=left)

    def _do_reload(self) -> None:
        try:
            config = self._load()
            rules = build_rules(config)
        except MetatapError as error:
            log.error("reload_failed", reason=str(error))  # noqa: TRY400 - a user's mistake
        except Exception:
            # Whatever a new file brings, the running sensor goes on with what it has.
            log.exception("reload_failed", reason="unexpected error")
        else:
            self.pipeline.detector.swap(rules)
            self._apply(config)
            log.info("reloaded", packs=[pack.id for pack in rules.packs])
        for sink in self.pipeline.sinks:
            sink.reopen()

    def _apply(self, config: Config) -> None:
        configure_logs(config.log.level, config.log.format)
        self.pipeline.batch_rows = config.detector.batch_rows
        waiting = [
            name for name in NEED_RESTART if getattr(config, name) != getattr(self.config, name)
        ]
        if config.detector.context_entries != self.config.detector.context_entries:
            waiting.append("detector.context_entries")
        if waiting:
            log.warning("reload_needs_restart", options=waiting)
        self.config = config

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops += 1

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True
