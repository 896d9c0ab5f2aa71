"""The streaming tail of packs' scores over all flows, in the unit of alerts.

An alert is a pack, a pair of hosts and a window, so the unit is the highest score of such a key. Of
each pack the highest keys of the last `horizon` of traffic are kept. An attack must not hide
itself by pushing a threshold up: what one originator adds is capped, see `counted`. Where the
budget asks for more keys than there is room, a share of them is watched, chosen by their hash.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.adaptation.candidates import (
    BLOCK,
    DTYPES,
    NAMES,
    Candidates,
    joined,
    limited,
    none,
)
from metatap.adaptation.clock import DAY
from metatap.adaptation.frame import Frame
from metatap.adaptation.keys import KeyArray, mix
from metatap.adaptation.ranks import ranks
from metatap.errors import StateError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

ROOM = 1024
"""Keys kept a pack, at most."""

ROOM_LEAST = 256
"""Keys kept a pack where few are asked for."""


HORIZON = 3 * DAY
"""ns of traffic time that thresholds are estimated from."""


BUFFER = 16_384
"""Candidates that wait to be merged, at most."""

AT_ONCE = 1024
"""Candidates in one batch that are cut down before they wait: a flood must not fill the buffer."""


class Tail:
    """The highest keys of each of P packs.

    Attributes:
        horizon: ns of traffic time that are looked back on.
        room: Keys kept a pack.
        start: int64 [P], traffic time since when each pack is watched.
    """

    def __init__(
        self, floors: FloatArray, now: int, *, horizon: int = HORIZON, room: int = ROOM
    ) -> None:
        """Start empty.

        Args:
            floors: float32 [P], lower scores are not looked at.
            now: Traffic time, ns.
            horizon: ns of traffic time that are looked back on.
            room: Keys kept a pack.
        """
        self.horizon = horizon
        self.room = room
        self.start = np.full(len(floors), now, np.int64)
        self._base = floors.astype(np.float32)
        self._floors = self._base.copy()
        self._share = 1.0
        self._kept = none()
        self._fresh: list[Candidates] = []
        self._waiting = 0

    @property
    def floors(self) -> FloatArray:
        """float32 [P], the least score of a flow that has to be shown to `add`."""
        return self._floors

    @property
    def share(self) -> float:
        """Share of all keys that is watched."""
        return self._share

    def snapshot(self) -> Tail:
        """A tail of its own with the same keys; it may be worked on in another thread."""
        other = Tail(self._base, 0, horizon=self.horizon, room=self.room)
        other.start, other._floors, other._share = self.start, self._floors, self._share
        other._kept, other._fresh, other._waiting = self._kept, [*self._fresh], self._waiting
        return other

    def watch(self, share: float) -> None:
        """Watch only a share of all keys, 0 < share ≤ 1; it can only fall."""
        if share < self._share:
            self._share = share
            self._merge(None)
            self._kept = self._kept.take(self._is_watched(self._kept.key))

    def add(self, found: Candidates, now: int) -> None:
        """Take in flows over the floors, any number of one key.

        Args:
            found: One row a flow and pack.
            now: Traffic time, ns.
        """
        if self._share < 1.0:
            found = found.take(self._is_watched(found.key))
        if len(found) > AT_ONCE:
            found = limited(found)
        self._fresh.append(found)
        self._waiting += len(found)
        if self._waiting > BUFFER:
            self._merge(now)

    def highest(
        self, now: int, likely: FloatArray, limit: int = ROOM
    ) -> list[tuple[FloatArray, bool]]:
        """The scores of each pack's keys that count towards its rate.

        Args:
            now: Traffic time, ns.
            likely: float32 [P], scores from which on each pack is probably right.
            limit: Keys of a pack that are looked at, at most.

        Returns:
            For each pack float32 [c], falling, and whether they are all that reached its floor.
        """
        self._merge(now)
        limit = min(limit, self.room)
        kept = self._kept
        packs = np.arange(len(self.start))
        begins = np.searchsorted(kept.pack, packs)
        ends = np.searchsorted(kept.pack, packs, "right")
        kept = kept.take(np.arange(len(kept)) - begins[kept.pack] < limit)
        host = mix(kept.host ^ kept.pack.astype(np.uint64))
        kept = kept.take(counted(kept.score, host, kept.time // BLOCK, likely[kept.pack]))
        bounds = np.searchsorted(kept.pack, packs[1:])
        complete = (ends - begins < limit).tolist()
        return [*zip(np.split(kept.score, bounds), complete, strict=True)] if len(packs) else []

    def forget(self, now: int, since: int) -> None:
        """Forget what was seen before a change.

        Args:
            now: Traffic time, ns.
            since: That of the change.
        """
        self._merge(now)
        self._kept = self._kept.take(self._kept.time >= since)
        self.start = np.maximum(self.start, since)
        self._settle()

    def carry(
        self,
        source: npt.NDArray[np.intp],
        scale: FloatArray,
        shift: FloatArray,
        floors: FloatArray,
        now: int,
    ) -> Tail:
        """The tail for other packs or heads.

        Args:
            source: intp [Q], for each new pack which of these P it was; −1: none.
            scale: float32 [Q], a new score is scale · old + shift.
            shift: float32 [Q].
            floors: float32 [Q], of the new packs.
            now: Traffic time, ns.
        """
        self._merge(now)
        new = Tail(floors, now, horizon=self.horizon, room=self.room)
        new._share = self._share
        known = np.flatnonzero(source >= 0)
        new.start[known] = self.start[source[known]]
        place = np.full(len(self.start), -1, np.int64)
        place[source[known]] = known
        kept = self._kept.take(place[self._kept.pack] >= 0)
        pack = place[kept.pack]
        score = (kept.score * scale[pack] + shift[pack]).astype(np.float32)
        moved = Candidates(pack, score, kept.key, kept.host, kept.time)
        new._kept = moved.take(score >= floors[pack])
        new._settle()
        return new

    def frame(self, now: int) -> Frame:
        """The tail as it is kept over a restart."""
        self._merge(now)
        arrays = {name: getattr(self._kept, name) for name in NAMES}
        return Frame({"share": self._share}, {**arrays, "start": self.start, "base": self._base})

    @classmethod
    def restore(cls, frame: Frame, now: int, *, horizon: int = HORIZON, room: int = ROOM) -> Tail:
        """A tail that was kept.

        Raises:
            StateError: it is not one.
        """
        base = frame.array("base", "<f4", (None,))
        tail = cls(base, now, horizon=horizon, room=room)
        tail.start = frame.array("start", "<i8", (len(base),))
        rows = len(frame.array("pack", "<i8", (None,)))
        columns = [
            frame.array(name, dtype, (rows,)) for name, dtype in zip(NAMES, DTYPES, strict=True)
        ]
        share = frame.facts.get("share")
        kept = Candidates(*columns)
        is_bad = rows and not (
            0 <= kept.pack.min() <= kept.pack.max() < len(base)
            and np.isfinite(kept.score).all()
            and 0 <= kept.time.min() <= kept.time.max() <= now
        )
        if is_bad or not isinstance(share, float) or not 0.0 < share <= 1.0:
            raise StateError("adaptation: tail: packs, scores or share out of range")
        tail._share, tail._kept = share, kept
        tail._merge(now)
        tail._settle()
        return tail

    def _is_watched(self, key: KeyArray) -> npt.NDArray[np.bool_]:
        watched: npt.NDArray[np.bool_] = mix(key) <= np.uint64(self._share * (2.0**64 - 2**11))
        return watched

    def _merge(self, now: int | None) -> None:
        """Join what came in: each key once, limits held, what is too old gone."""
        kept = joined([self._kept, *self._fresh])
        self._fresh, self._waiting = [], 0
        if now is not None and len(kept):
            kept = kept.take(kept.time > now - self.horizon)
        self._kept = limited(kept)
        self._settle()

    def _settle(self) -> None:
        """Hold each pack to its room, and raise its floor to what it would have to beat."""
        kept = self._kept
        rank = ranks(kept.pack, kept.score)
        last = np.flatnonzero(rank == self.room - 1)
        self._floors = self._base.copy()
        self._floors[kept.pack[last]] = np.nextafter(kept.score[last], np.float32(np.inf))
        kept = kept.take(rank < self.room)
        self._kept = kept.take(np.lexsort((-kept.score, kept.pack)))


def room_for(budget: float) -> int:
    """Keys to keep a pack, for so many alerts a day: four times what may come in the horizon."""
    return int(min(max(4 * budget * HORIZON / DAY, ROOM_LEAST), ROOM))


def counted(
    score: FloatArray, host: KeyArray, block: IntArray, likely: FloatArray
) -> npt.NDArray[np.bool_]:
    """Which keys count towards a rate of alerts.

    Of one originator in one block some count, the highest: 2^e of those that are likely right and
    2 · 4^e of the others, e being the number of earlier blocks in which it had reached the same
    score. An attack that begins today counts once or twice, whatever it does; what has gone on for
    days counts in full, as part of what the network is like, the sooner the less it looks like the
    threat.

    Args:
        score: float32 [s].
        host: uint64 [s], the originator, another number for each pack.
        block: int64 [s].
        likely: float32 [s], a score from which on the pack is probably right.

    Returns:
        bool [s].
    """
    if not len(score):
        return np.zeros(0, np.bool_)
    _, who = np.unique(host, return_inverse=True)
    blocks, when = np.unique(block, return_inverse=True)
    best = np.full((int(who.max()) + 1, len(blocks)), -np.inf, np.float32)
    np.maximum.at(best, (who, when), score)
    reached = best[who] >= score[:, None]
    earlier = np.minimum((reached & (np.arange(len(blocks)) < when[:, None])).sum(axis=1), 15)
    limit = np.where(score >= likely, 2.0**earlier, 2.0 * 4.0**earlier)
    return np.asarray(ranks(who * len(blocks) + when, score) < limit)
