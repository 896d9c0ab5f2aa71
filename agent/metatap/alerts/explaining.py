"""Explanations as time allows.

An explanation costs as much as scoring some hundred flows. A flood of new alerts must not stall the
sensor, so that only a share of the time goes into them; what is most alike is said of every alert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from metatap.detector.detections import Detections
from metatap.detector.explain import Hit, nearest
from metatap.detector.explanation import NOTHING_KNOWN, Explanation
from metatap.errors import ModelError

NS = 1_000_000_000

SHARE = 0.05
"""Of the time, at most this share goes into explanations in the long run."""

SAVED = NS // 2
"""ns; time that may be saved up for a burst, some hundred explanations."""

ALWAYS_EVERY = 60 * NS
"""ns; the first alert of a pack, and one of it after each such time, is explained in any case."""

__all__ = ["Explain", "Explainer", "Hit", "Nearest", "nearest"]

log = structlog.get_logger(__name__)

Explain = Callable[[Detections, int, int], Explanation]
"""(detections, row, pack index) → why."""

Nearest = Callable[[Detections, Sequence[Hit]], list[Explanation]]
"""(detections, hits) → what is most alike for each, without reasons."""


class Explainer:
    """Explains alerts within a budget of time.

    Attributes:
        unexplained: Alerts that were left without reasons.
    """

    def __init__(self, explain: Explain, alike: Nearest, monotonic: Callable[[], int]) -> None:
        """An explainer with all its time saved up.

        Args:
            explain: Says why a flow reached a pack's threshold.
            alike: Says what flows are most like.
            monotonic: A clock that is never set, ns.
        """
        self.unexplained = 0
        self._explain = explain
        self._alike = alike
        self._monotonic = monotonic
        self._left = float(SAVED)
        self._counted = monotonic()
        self._last: dict[str, int] = {}

    def explain(self, detections: Detections, hits: Sequence[Hit]) -> dict[Hit, Explanation]:
        """Explain hits, the first ones first, as long as there is time."""
        found: dict[Hit, Explanation] = {}
        rest = []
        for hit in hits:
            begin = self._earn()
            pack = detections.rules.packs[hit[1]].id
            last = self._last.get(pack)
            if self._left > 0 or last is None or begin - last >= ALWAYS_EVERY:
                found |= self._try([hit], lambda d, h: [self._explain(d, *h[0])], detections)
                self._last[pack] = begin
                self._left -= self._monotonic() - begin
            else:
                rest.append(hit)
        if rest:
            self.unexplained += len(rest)
            found |= self._try(rest, self._alike, detections)
        return found

    def _try(
        self, hits: Sequence[Hit], explain: Nearest, detections: Detections
    ) -> dict[Hit, Explanation]:
        """What `explain` says of hits; a fault costs the explanation, not the alert."""
        try:
            return dict(zip(hits, explain(detections, hits), strict=True))
        except ModelError as error:
            log.error("explanation_failed", hits=len(hits), reason=str(error))  # noqa: TRY400
            self.unexplained += len(hits)
            return dict.fromkeys(hits, NOTHING_KNOWN)

    def _earn(self) -> int:
        """Add the share of the time since the last call; the time."""
        now = self._monotonic()
        self._left = min(self._left + SHARE * (now - self._counted), float(SAVED))
        self._counted = now
        return now
