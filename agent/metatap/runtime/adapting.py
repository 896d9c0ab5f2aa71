"""The agent's adaptation within the run loop: what it is shown, and what it changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from metatap.adaptation import BUDGET, Adapter
from metatap.detector import Classifier, Detections, RuleSet, Scorer
from metatap.errors import ModelError, StateError
from metatap.runtime.assemble import Around
from metatap.runtime.settings import Config
from metatap.state import State

STATE = "adaptation"
"""Name of what is kept over a restart."""

SAVE_EVERY = 300.0
"""Seconds between two times it is written; as much is lost at most when the process is killed."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Adapting:
    """Shows the adapter what was scored, and brings its thresholds into force.

    A fault of the adaptation ends the adaptation, never the sensor: thresholds stay as they are.

    Attributes:
        fault: Why it ended, "" while it works.
    """

    def __init__(self, config: Config, state: State | None) -> None:
        """Go on with what is kept; what can't be read is told, and learned anew.

        Args:
            config: Sizes and budgets.
            state: Where it is kept, None: nowhere.
        """
        self.fault = ""
        self._state = state
        self._adapter = Adapter(
            config.adaptation.background,
            config.adaptation.host_share,
            config.alerts_per_day,
            config.adaptation.unknown_per_day,
            window=config.alerts.window,
        )
        content = None if state is None else state.get(STATE)
        if content is not None:
            try:
                self._adapter.load(content)
            except StateError as error:
                log.warning("adaptation_dropped", reason=str(error))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._save_often, name="adapting", daemon=True)

    def start(self) -> None:
        """Begin to write down what is known, now and then."""
        if self._state is not None:
            self._thread.start()

    def around(self, model: Scorer) -> Around:
        """What is known of the network, in the space of a model."""
        if self.fault or isinstance(model, Classifier):
            return Around()
        try:
            recent = self._adapter.recent(model)
        except ModelError as error:
            log.warning("recent_unknown", reason=str(error))
            return Around()
        return Around(recent=recent if len(recent) else None)

    def extend(self, rules: RuleSet) -> RuleSet:
        """Rules with the pack `unknown`, where it is asked for."""
        return self._guarded(lambda: self._adapter.extend(rules), rules)

    def observe(self, detections: Detections) -> Detections:
        """Take note of a scored batch; it comes back with the scores of the pack `unknown`."""

        def show() -> Detections:
            scored = self._adapter.score(detections)
            self._adapter.observe(scored, time.time_ns())
            return scored

        return self._guarded(show, detections)

    def opened(self, alerts: int) -> None:
        """Take note of alerts that were opened."""
        if alerts:
            self._guarded(lambda: self._adapter.count(alerts), None)

    def renew(self, rules: RuleSet) -> RuleSet:
        """The rules with the thresholds of the budget, where there are new ones."""

        def ask() -> RuleSet:
            for notice in self._adapter.notices(time.time_ns()):
                log.warning("notice", kind=notice.kind.value, pack=notice.pack, text=notice.text)
            thresholds = self._adapter.thresholds(rules)
            return rules if thresholds is None else rules.with_thresholds(thresholds, BUDGET)

        return self._guarded(ask, rules)

    def status(self) -> dict[str, Any]:
        """What is known, for people."""
        return {"fault": self.fault, **self._guarded(self._adapter.status, {})}

    def close(self) -> None:
        """Write down what is known; idempotent."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
            self._save()

    def _save_often(self) -> None:
        while not self._closed.wait(SAVE_EVERY):
            self._save()

    def _save(self) -> None:
        content = self._guarded(self._adapter.save, b"")
        if self._state is not None and content:
            self._state.put(STATE, content)

    def _guarded(self, work: Callable[[], T], otherwise: T) -> T:
        if self.fault:
            return otherwise
        try:
            return work()
        except Exception as error:
            self.fault = repr(error)
            log.exception("adaptation_ended")
            return otherwise
