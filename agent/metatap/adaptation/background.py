"""The network's own background: what is kept of it, and when it is another one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.adaptation.clock import DAY
from metatap.adaptation.frame import Frame
from metatap.adaptation.keys import host_keys
from metatap.adaptation.reservoir import Reservoir
from metatap.detector import Detections, Model, Scorer
from metatap.features import WIDTH

FloatArray = npt.NDArray[np.float32]

CHUNK = 1024
"""Flows embedded at once."""

LEAST = 512
"""Flows in the sample, at least, to be a background; its size if that is less."""

AFTER = DAY
"""ns of traffic time before there is a background: a morning is not what the network is like."""

RENEWED = 0.25
"""Share of the background that has to be new for it to have changed."""

CHANGE_LEAST = 3 * DAY
"""ns of traffic time between two changes of the background, but for drift: by then all of the tail
is of the heads made last."""

DRIFTED_HALF_LIVES = 3.0
"""By how much flows from before a drift are aged in the sample."""


class LocalBackground:
    """A sample of the network's flows, and that part of it which is in use.

    Attributes:
        needed: Flows there have to be.
    """

    def __init__(self, capacity: int, host_share: float, seed: int | None) -> None:
        """Start empty.

        Args:
            capacity: Flows kept, 0 for none.
            host_share: Share of them of one originator, at most.
            seed: Of the random numbers; None: unpredictable.
        """
        self.needed = min(LEAST, capacity)
        self._reservoir = Reservoir(capacity, host_share, seed=seed) if capacity else None
        self._taken = np.zeros(0, np.int64)
        self._taken_at: int | None = None
        self._drifted = False

    @property
    def features(self) -> FloatArray:
        """float32 [m, F], the flows kept, oldest first."""
        if self._reservoir is None:
            return np.zeros((0, WIDTH), np.float32)
        return self._reservoir.features

    @property
    def hosts(self) -> int:
        """Originators of the flows kept."""
        return 0 if self._reservoir is None else len(np.unique(self._reservoir.hosts))

    def observe(self, detections: Detections, seed: int, now: int) -> None:
        """Let flows of a batch in.

        Args:
            detections: The batch.
            seed: Of the hashes of hosts.
            now: Traffic time, ns.
        """
        if self._reservoir is None:
            return
        rows, numbers = self._reservoir.draw(detections.batch.rows, now)
        if not len(rows):
            return
        hosts = host_keys(detections.batch, rows, seed)
        admitted = self._reservoir.admits(hosts, numbers)
        rows = rows[admitted]
        self._reservoir.add(detections.features[rows], hosts[admitted], numbers[admitted], now)

    def is_there(self, now: int) -> bool:
        """Whether there is a background.

        Args:
            now: Traffic time, ns.
        """
        return now >= AFTER and len(self.features) >= self.needed > 0

    def has_changed(self, now: int) -> bool:
        """Whether there is a background, and another one than that taken last.

        Args:
            now: Traffic time, ns.
        """
        if self._taken_at is not None and not self._drifted and now - self._taken_at < CHANGE_LEAST:
            return False
        if self._reservoir is None or not self.is_there(now):
            return False
        renewed = 1.0 - np.isin(self._reservoir.serials, self._taken).mean()
        return bool(self._drifted or renewed >= RENEWED)

    def take(self, now: int) -> FloatArray:
        """float32 [m, F], the flows kept; they count as in use from now on."""
        if self._reservoir is not None:
            self._taken, self._taken_at = self._reservoir.serials, now
            self._drifted = False
        return self.features

    def drift(self, since: int) -> None:
        """Let what was before a change give way.

        Args:
            since: Traffic time of the change, ns.
        """
        self._drifted = True
        if self._reservoir is not None:
            self._reservoir.age(since, DRIFTED_HALF_LIVES)

    def frame(self) -> Frame | None:
        """The flows as they are kept over a restart; None where none are."""
        return None if self._reservoir is None else self._reservoir.frame()

    def restore(self, frame: Frame) -> None:
        """Go on with flows that were kept.

        Raises:
            StateError: they are none, or of another width.
        """
        if self._reservoir is not None:
            self._reservoir.restore(frame)


def embedded(model: Scorer, features: FloatArray) -> FloatArray:
    """float32 [m, d], embeddings of flows float32 [m, F]; [0, 0] where the model has none.

    Raises:
        ModelError: the model fails.
    """
    if not isinstance(model, Model):
        return np.zeros((0, 0), np.float32)
    chunks = (features[at : at + CHUNK] for at in range(0, len(features), CHUNK))
    parts = [model.embed(model.select(chunk)) for chunk in chunks]
    return np.concatenate([np.zeros((0, model.depth), np.float32), *parts])
