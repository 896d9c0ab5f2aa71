"""The agent's adaptation within the run loop: what it is shown, and what it changes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
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

LOOK_EVERY = 0.5
"""Seconds between two looks whether there is something to estimate or to adapt."""

BACKGROUND = "background"
"""Kind of a reload: the network's background is another one."""

FloatArray = npt.NDArray[np.float32]
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Adapting:
    """Shows the adapter what was scored, and brings its thresholds into force.

    What takes longer than a batch is done in a thread beside the run loop. A fault of the
    adaptation ends the adaptation, never the sensor: thresholds stay as they are.

    Attributes:
        fault: Why it ended, "" while it works.
        notices: Kind → notices of the log so far.
    """

    def __init__(self, config: Config, state: State | None) -> None:
        """Go on with what is kept; what can't be read is told, and learned anew.

        Args:
            config: Sizes and budgets.
            state: Where it is kept, None: nowhere.
        """
        self.fault = ""
        self.notices: dict[str, int] = {}
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
        self._is_local = config.adaptation.heads == "local"
        self._ground: tuple[Scorer, FloatArray] | None = None
        self._rules: RuleSet | None = None
        self._renewed: deque[tuple[RuleSet, FloatArray]] = deque(maxlen=1)
        self._request: Callable[[str], None] = lambda _: None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="adapting", daemon=True)

    def start(self, request: Callable[[str], None]) -> None:
        """Begin to estimate, and to write down what is known now and then.

        Args:
            request: Asks for rules to be made anew, with `BACKGROUND`.
        """
        self._request = request
        self._thread.start()

    def at_start(self, model: Scorer) -> Around:
        """What is known before the first flow: new packs are not tried on flows of long ago."""
        return replace(self.around(model), recent=None)

    def around(self, model: Scorer) -> Around:
        """What is known of the network, in the space of a model."""
        if self.fault or isinstance(model, Classifier):
            return Around()
        try:
            recent = self._adapter.recent(model)
            local = self._local(model) if self._is_local else None
        except ModelError as error:
            log.warning("network_unknown", reason=str(error))
            return Around()
        return Around(local, recent if len(recent) else None)

    def prepare(self, rules: RuleSet) -> RuleSet:
        """Rules that will come, with what `extend` would add; in another thread than flows'."""
        return self._guarded(lambda: self._adapter.prepare(rules), rules)

    def extend(self, rules: RuleSet) -> RuleSet:
        """Rules before their first batch, with the pack `unknown` where it is asked for."""
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
        """The rules in force, with the thresholds of the budget where there are new ones."""

        def ask() -> RuleSet:
            for notice in self._adapter.notices(time.time_ns()):
                kind = notice.kind.value
                self.notices[kind] = self.notices.get(kind, 0) + 1
                log.warning("notice", kind=kind, pack=notice.pack, text=notice.text)
            self._rules = rules
            if not self._renewed:
                return rules
            meant, thresholds = self._renewed.pop()
            if meant.heads is not rules.heads:
                return rules
            return rules.with_thresholds(thresholds, BUDGET)

        return self._guarded(ask, rules)

    def status(self) -> dict[str, Any]:
        """What is known, for people."""
        is_local = self._rules is not None and self._rules.background is not None
        heads = "local" if is_local else "reference"
        return {
            "fault": self.fault,
            "heads": heads,
            "notices": dict(self.notices),
            **self._guarded(self._adapter.status, {}),
        }

    def close(self) -> None:
        """Write down what is known; idempotent."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
            self._save()

    def _local(self, model: Scorer) -> FloatArray | None:
        """float32 [m, d], the network's own flows; the same ones until they have changed enough."""
        known = None
        if self._ground is not None and self._ground[0] is model:
            known = self._ground[1]
        if known is None or self._adapter.has_changed():
            found = self._adapter.background(model)
            known = known if found is None else found
        self._ground = None if known is None else (model, known)
        return known

    def _work(self) -> None:
        saved = time.monotonic()
        while not self._closed.wait(LOOK_EVERY):
            self._guarded(self._look, None)
            if time.monotonic() - saved >= SAVE_EVERY:
                saved = time.monotonic()
                self._save()

    def _look(self) -> None:
        """Estimate thresholds if it is time, and ask for other heads if the network is another."""
        rules = self._rules
        if rules is None:
            return
        self._adapter.refresh(rules)
        thresholds = self._adapter.thresholds(rules)
        if thresholds is not None:
            self._renewed.append((rules, thresholds))
        is_adaptable = self._is_local and not isinstance(rules.model, Classifier)
        if is_adaptable and self._adapter.has_changed():
            self._request(BACKGROUND)

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
