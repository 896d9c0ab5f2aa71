"""The agent process: a pipeline under signals, a status line now and then, an orderly end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import structlog

from metatap.errors import ConfigError
from metatap.lists import Lists
from metatap.runtime.adapting import Adapting
from metatap.runtime.assemble import Assembler
from metatap.runtime.build import build_pipeline
from metatap.runtime.control import Control
from metatap.runtime.logs import configure_logs
from metatap.runtime.models import Models
from metatap.runtime.notify import Notifier
from metatap.runtime.outlets import Outlets, need_state
from metatap.runtime.pipeline import Pipeline
from metatap.runtime.reload import CONFIG, Reloader
from metatap.runtime.report import outlets_document, report, state_document
from metatap.runtime.settings import Config
from metatap.runtime.status import Snapshots, process_document, rules_document
from metatap.state import State
from metatap.state.history import AlertHistory

if TYPE_CHECKING:
    from metatap.metrics.endpoint import Endpoint

POLL = 0.25
"""Seconds a read waits when nothing comes; bounds the reaction to a signal."""

DRAIN_LEAST = 0.5
"""Seconds the agent reads on after TERM at least, for what is still on its way."""

DRAIN_MOST = 30.0
"""Seconds it reads on at most, if more keeps coming than it can score."""

UNDRAINED = "undrained"
"""Reason for flows that were received but not read when the agent had to stop."""

ROLLBACK_WAIT = 30.0
"""Seconds a rollback may take."""

NEED_RESTART = (
    "sensor",
    "sources",
    "sinks",
    "spool",
    "alerts",
    "state",
    "adaptation",
    "alerts_per_day",
    "metrics",
)
"""Parts of the configuration that HUP does not apply; a change in them is logged."""

log = structlog.get_logger(__name__)


class Agent:
    """Runs one pipeline until its sources end or TERM or INT comes.

    TERM and INT drain and end with success: what has come is scored, what comes later is not
    waited for. A second one ends at once, and what was not scored is counted. Model, packs and
    lists are followed and change between two batches. HUP reads the configuration too, all options
    but `NEED_RESTART`, and reopens the sinks. What is faulty changes nothing, and the log, the
    status and the counters say why.
    """

    def __init__(
        self, load: Callable[[], Config], *, live: bool = True, history: Path | None = None
    ) -> None:
        """Build the pipeline.

        Args:
            load: Gives the configuration; called again at each HUP.
            live: Follow files, keep state and answer at the control socket; not wanted where
                something stored is scored to its end.
            history: Folder of the alerts of the past, which several processes may share; None: the
                state folder.

        Raises:
            MetatapError: configuration, model, state or a source is unusable.
        """
        self.config = load()
        self._is_live = live
        self._since = time.time()
        self._stops = 0
        self._hups = 0
        self._notify = Notifier.of(os.environ) if live else Notifier()
        self._is_reloading = False
        with ExitStack() as opened:
            self.state: State | None = None
            if live and self.config.state is not None:
                self.state = State.open(self.config.state)
                opened.callback(self.state.close)
            self._models = Models(self.state)
            assembler = Assembler(self._models)
            self.adapting = Adapting(self.config, self.state) if live else None
            if self.adapting is not None:
                assembler.around = self.adapting.at_start
            self.reloader = Reloader(load, self.config, assembler)
            first = self.reloader.start()
            outlets = self._open_outlets()
            if outlets is not None:
                opened.callback(outlets.close)
            self.pipeline: Pipeline = build_pipeline(
                self.config, first.rules, spooled=outlets is not None
            )
            self.pipeline.outlets = outlets
            if outlets is not None:
                outlets.spool.waiting = partial(self._notify.turned, self._line)
            self.lists = first.lists
            self.pipeline.aggregator.keep = self.lists.apply
            opened.callback(self.pipeline.close)
            if self.state is not None:
                self.pipeline.history = AlertHistory.open(history or self.state.folder)
            self._base = first.rules
            if self.adapting is not None:
                assembler.around = self.adapting.around
                self.reloader.prepare = self.adapting.prepare
                self.pipeline.detector.swap(self.adapting.extend(first.rules))
                self.pipeline.observe = self.adapting.observe
                self.pipeline.opened = self.adapting.opened
            self._snapshots = Snapshots(self.status)
            self._snapshots.live = partial(outlets_document, self.pipeline)
            self._control = self._open_control()
            if self._control is not None:
                opened.callback(self._control.close)
            self._metrics = self._open_metrics()
            opened.pop_all()
        self.pipeline.between = self._between

    def run(self) -> None:
        """Work until the end; returns once everything is drained and written."""
        previous = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._on_stop),
            signal.SIGINT: signal.signal(signal.SIGINT, self._on_stop),
            signal.SIGHUP: signal.signal(signal.SIGHUP, self._on_reload),
        }
        rules = self.pipeline.detector.rules
        if self._is_live:
            self.reloader.follow()
        if self.adapting is not None:
            self.adapting.start(self.reloader.request)
        log.info(
            "agent_started",
            model=rules.model.meta.name,
            model_sha256=rules.model.sha256[:12],
            packs=[pack.id for pack in rules.packs],
            refused=sorted(rules.refused),
            thresholds=rules.threshold_source,
            sources=[source.name for source in self.pipeline.sources],
        )
        self._notify.ready(self._line())
        try:
            self._loop()
        finally:
            self.close()
            log.info("agent_stopped", **self.report())
            for number, handler in previous.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Follow nothing more, write the summaries of open aggregates and free everything."""
        self.reloader.close()
        if self._control is not None:
            self._control.close()
        if self._metrics is not None:
            self._metrics.close()
        self.pipeline.finish()
        if self.adapting is not None:
            self.adapting.close()
        if self.state is not None:
            self.state.close()
        self._notify.close()

    def report(self) -> dict[str, object]:
        """Totals and the counters of every stage, for the log."""
        return report(self.pipeline, self.reloader)

    def status(self) -> dict[str, Any]:
        """Everything a person may ask of a running agent, as JSON can say it."""
        return {
            **process_document(self.config.sensor, self._since),
            **rules_document(self.pipeline.detector.rules, self._models, self.reloader.faults),
            "adaptation": None if self.adapting is None else self.adapting.status(),
            "alerts_per_day": self.config.alerts_per_day,
            "timing": self.pipeline.timing.as_json(),
            "lists": self.lists.status(),
            "state": state_document(self.state, self.pipeline.history),
            **self.report(),
        }

    def _loop(self) -> None:
        due = time.monotonic() + self.config.status_interval
        while not self._stops and not self.pipeline.done:
            self.pipeline.step(POLL)
            if self._hups:
                self._hups = 0
                self._do_reload()
            interval = self.config.status_interval
            if interval and time.monotonic() >= due:
                due = time.monotonic() + interval
                log.info("agent_status", **self.report())
        self._notify.stopping()
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

    def _open_outlets(self) -> Outlets | None:
        """The spool, where there is a state folder.

        Raises:
            ConfigError: there is none, and a sink can't be without it.
        """
        if self.state is not None:
            return Outlets(self.config, self.state.folder)
        if self._is_live and (faults := need_state(self.config)):
            raise ConfigError(*faults)
        return None

    def _open_control(self) -> Control | None:
        if self.state is None:
            return None
        return Control(
            self.state.folder, {"status": self._snapshots.get, "rollback": self._roll_back}
        )

    def _open_metrics(self) -> Endpoint | None:
        listen = self.config.metrics.listen
        if listen is None or not self._is_live:
            return None
        # A web server, for those that want one.
        from metatap.metrics.endpoint import Endpoint  # noqa: PLC0415

        return Endpoint(listen, self._snapshots.get)

    def _roll_back(self) -> dict[str, Any]:
        """Answer of the control socket, in its thread."""
        serving = self.reloader.rollback(ROLLBACK_WAIT)
        return {"model": serving.name, "sha256": serving.scorer.sha256}

    def _between(self) -> None:
        """Between two batches: take what is ready, say what is asked."""
        if self.reloader.is_ready:
            self._take()
        if self.adapting is not None:
            self._adapt(self.adapting)
        self._snapshots.offer()
        if self._is_reloading and any(f.kind == CONFIG for f in self.reloader.faults.open()):
            self._reloaded()
        self._notify.turned(self._line)

    def _reloaded(self) -> None:
        """Tell the service manager that what HUP asked for was done, or could not be."""
        self._is_reloading = False
        self._notify.ready(self._line())

    def _line(self) -> str:
        """How it goes, in a line for the service manager."""
        flows, alerts = self.pipeline.tally.flows, self.pipeline.tally.alerts
        packs = len(self.pipeline.detector.rules.packs)
        return f"{flows:,} flows scored, {alerts:,} alert events written, {packs} packs in force"

    def _take(self) -> None:
        loaded = self.reloader.take()
        if loaded is None:
            return
        if loaded.rules is not self._base:
            self._base, ready = loaded.rules, loaded.ready
            self.pipeline.detector.swap(self.adapting.extend(ready) if self.adapting else ready)
        if loaded.lists is not self.lists:
            self._suppress(loaded.lists)
        if loaded.config is not self.config:
            self._apply(loaded.config)
        rules = loaded.rules
        log.info(
            "reloaded",
            because=list(loaded.because),
            model=rules.model.meta.name,
            model_sha256=rules.model.sha256[:12],
            packs=[pack.id for pack in rules.packs],
        )
        if self._is_reloading and CONFIG in loaded.because:
            self._reloaded()

    def _adapt(self, adapting: Adapting) -> None:
        """Take the thresholds of the budget, where there are new ones."""
        rules = self.pipeline.detector.rules
        renewed = adapting.renew(rules)
        if renewed is not rules:
            self.pipeline.detector.swap(renewed)
            at = dict(zip((p.id for p in rules.packs), renewed.thresholds.tolist(), strict=False))
            log.info("thresholds_renewed", thresholds=at)

    def _suppress(self, lists: Lists) -> None:
        """Take other lists; they hold for open aggregates too."""
        lists.take_over(self.lists)
        self.lists = lists
        self.pipeline.aggregator.keep = lists.apply
        self.pipeline.aggregator.suppress(lists.closing)

    def _do_reload(self) -> None:
        if self._is_live:
            self._notify.reloading()
            self._is_reloading = True
            self.reloader.request(CONFIG)
        for sink in self.pipeline.sinks:
            sink.reopen()
        if self.pipeline.outlets is not None:
            self.pipeline.outlets.reopen()

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
        if self.pipeline.outlets is not None:
            self.pipeline.outlets.stop.set()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._hups += 1
