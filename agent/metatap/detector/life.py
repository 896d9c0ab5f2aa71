"""The life of a pack: loading → held out → head → threshold → shadow → in force or quarantined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import structlog

from metatap.detector.cache import ReadyCache, background_id
from metatap.detector.model import Model
from metatap.detector.ready import Ready, make_ready
from metatap.errors import ModelError
from metatap.packs import Fault, Pack, PackState, PackStatus

FloatArray = npt.NDArray[np.float32]

RECENT_LIMIT = 0.05
"""Most share of the flows seen lately that a new pack may flag: as much as one host may have of
them."""

RECENT_LEAST = 256
"""Flows seen lately, at least, for a pack to be quarantined for what it flags of them."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Life:
    """What packs are led through.

    Attributes:
        model: The model.
        rate: Target share of flows over each pack's threshold.
        background: float32 [m, d], embeddings of benign flows.
        recent: float32 [r, d], embeddings of flows seen lately, None: there are none.
        limit: Most share of `recent` a new pack may flag.
        cache: What became of packs before.
        local: float32 [l, d], embeddings of the network's own flows, None: there are none.
    """

    model: Model
    rate: float
    background: FloatArray
    recent: FloatArray | None = None
    limit: float = RECENT_LIMIT
    cache: ReadyCache | None = None
    local: FloatArray | None = None
    _ground: str = field(init=False)
    _joined: str = field(init=False)

    def __post_init__(self) -> None:
        if self.recent is not None and self.recent.shape[1:] != (self.model.depth,):
            shape = list(self.recent.shape)
            raise ValueError(f"recent: shape {shape}, not [r, {self.model.depth}]")
        ground, joined = "", ""
        if self.cache is not None:
            ground = background_id(self.background)
            joined = ground if self.local is None else f"{ground} {background_id(self.local)}"
        object.__setattr__(self, "_ground", ground)
        object.__setattr__(self, "_joined", joined)

    def lead(self, pack: Pack) -> tuple[PackStatus, Ready | None]:
        """Make a pack ready and decide on it.

        Returns:
            What became of it, and the pack made ready if it is in force.
        """
        found = self._best(pack)
        status = _loaded(pack, found)
        if isinstance(found, str) or status.state is PackState.QUARANTINED:
            return status, None
        status = self._out_of_shadow(status, found)
        return status, found if status.state is PackState.ACTIVE else None

    def _best(self, pack: Pack) -> Ready | str:
        """The pack made ready with the network's own flows if it is fit then, else without them.

        An attack going on must not end its detection by what it adds to the background.
        """
        if self.local is not None:
            found = self._ready(pack, self.local)
            if isinstance(found, Ready) and found.is_useful:
                return found
        return self._ready(pack, None)

    def _ready(self, pack: Pack, local: FloatArray | None) -> Ready | str:
        """The pack made ready, or why the model makes no head of it."""
        cache = self.cache if pack.sha256 else None
        ground = self._ground if local is None else self._joined
        key = (pack.sha256, self.model.sha256, ground, self.rate)
        known = None if cache is None else cache.get(key)
        if known is not None:
            return replace(known, pack=pack) if isinstance(known, Ready) else known
        found: Ready | str
        try:
            found = make_ready(self.model, pack, self.rate, self.background, local)
        except ModelError as error:
            found = str(error)
        if cache is not None:
            cache.put(key, found)
        return found

    def _out_of_shadow(self, status: PackStatus, ready: Ready) -> PackStatus:
        """In force, or quarantined for what it would have flagged of what was seen lately."""
        cache = self.cache if status.sha256 else None
        if self.recent is not None and len(self.recent):
            scores = self.recent @ ready.head[:-1] + ready.head[-1]
            fired = float((scores >= ready.threshold).mean())
            status = replace(status, fired=fired)
            is_new = cache is None or not cache.is_admitted(status.sha256, self.model.sha256)
            if is_new and fired > self.limit and len(self.recent) >= RECENT_LEAST:
                return _quarantined(
                    status,
                    Fault.RECENT,
                    f"fires on {fired:.2%} of the last {len(self.recent):,} flows, at most "
                    f"{self.limit:.2%} is allowed",
                )
        if cache is not None:
            cache.admit(status.sha256, self.model.sha256)
        return replace(status, state=PackState.ACTIVE)


def tell(states: Sequence[PackStatus], cache: ReadyCache | None) -> None:
    """Log what became of each pack; with a cache, only what is not as it was."""
    for status in states:
        fault = "" if status.fault is None else status.fault.value
        if cache is not None and not cache.is_news(str(status.path), f"{status.sha256} {fault}"):
            continue
        if status.state is PackState.ACTIVE:
            log.debug("pack_active", pack=status.id, threshold=status.threshold)
        elif status.state is PackState.QUARANTINED:
            log.warning("pack_quarantined", pack=status.id, fault=fault, reason=status.reason)


def _loaded(pack: Pack, found: Ready | str) -> PackStatus:
    """A pack that was read: quarantined, or in the shadow."""
    status = PackStatus.of(pack, PackState.SHADOW)
    if isinstance(found, str):
        return _quarantined(status, Fault.HEAD, found)
    status = replace(status, threshold=found.threshold, recognised=found.recognised)
    return status if found.fault is None else _quarantined(status, found.fault, found.reason)


def _quarantined(status: PackStatus, fault: Fault, reason: str) -> PackStatus:
    return replace(status, state=PackState.QUARANTINED, fault=fault, reason=reason)
