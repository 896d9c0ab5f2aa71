"""What a running agent says of itself, as one JSON document."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from metatap import __version__
from metatap.detector import RuleSet
from metatap.packs import PackState, PackStatus
from metatap.runtime.faults import Faults
from metatap.runtime.models import Models

WAIT = 2.0
"""Seconds the run loop has to answer before the last document is given once more."""

Document = dict[str, Any]


class Snapshots:
    """Documents made by the run loop between two batches, when somebody asked.

    The run loop pays one look at a flag; who asks waits for it, and never the other way round.

    Attributes:
        live: Gives parts that any thread may read; they are as fresh as the asking.
    """

    def __init__(self, make: Callable[[], Document]) -> None:
        """Make the first one.

        Args:
            make: Makes a document; called by the run loop.
        """
        self.live: Callable[[], Document] = dict
        self._make = make
        self._changed = threading.Condition()
        self._is_wanted = False
        self._made = 0
        self._last = make()

    def offer(self) -> None:
        """Make a document if one is wanted; called by the run loop."""
        if not self._is_wanted:
            return
        document = self._make()
        with self._changed:
            self._last, self._is_wanted = document, False
            self._made += 1
            self._changed.notify_all()

    def get(self) -> Document:
        """A new document; the last one, with its age in `age` (s), if the loop is busy."""
        with self._changed:
            made = self._made
            self._is_wanted = True
            self._changed.wait_for(lambda: self._made != made, WAIT)
            document = self._last
        age = round(max(0.0, time.time() - float(document["time"])), 3)
        return {**document, **self.live(), "age": age}


def rules_document(rules: RuleSet, models: Models, faults: Faults) -> Document:
    """Model, packs by state and what is wrong with files."""
    meta, serving = rules.model.meta, models.current
    return {
        "model": {
            "name": meta.name,
            "version": meta.version,
            "sha256": rules.model.sha256,
            "path": str(rules.model.path),
            "since": None if serving is None else serving.since / 1e9,
            "previous": models.previous,
            "rolled_back": models.is_held,
        },
        "thresholds": rules.threshold_source,
        "packs": [status.as_json() for status in _states(rules)],
        "faults": [fault.as_json() for fault in faults.open()],
    }


def process_document(sensor: str, since: float) -> Document:
    """The process; times in seconds since the epoch."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "sensor": sensor,
        "since": since,
        "time": time.time(),
    }


def _states(rules: RuleSet) -> list[PackStatus]:
    """All packs; of a classifier its classes."""
    if rules.states:
        return [*rules.states]
    return [
        replace(PackStatus.of(pack, PackState.ACTIVE), threshold=float(at))
        for pack, at in zip(rules.packs, rules.thresholds, strict=False)
    ]
