"""Alerts a day → a threshold for each pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metatap.adaptation.clock import DAY, HOUR
from metatap.adaptation.pareto import level
from metatap.adaptation.tail import Tail

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.intp]

WARM_UP = HOUR
"""ns of traffic time before a pack's threshold is set by the budget."""

TRUSTED = DAY
"""ns of traffic time before it may fall below the pack's own."""

FIT_MOST = 64
"""Highest keys that an extrapolation is fitted to."""

LOOKED_AT = 4
"""Keys of a pack that are looked at, in parts of the budget: some don't count."""

LOOKED_LEAST = 4 * FIT_MOST

COUNT_LEAST = 1e-6
"""Keys in the traffic seen that a level is asked for, at least."""

TIED = 1.5
"""So many times its share a pack may raise where scores are equal; beyond, none of them counts."""

UNSEEN = 3.0
"""Keys that may still be due where few were seen: with 95 % confidence no more than three, where
none was seen ("rule of three", Hanley & Lippman-Hand 1983)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Thresholds and what is expected of them.

    Attributes:
        thresholds: float32 [P].
        rates: float64 [P], alerts a day that each pack is expected to raise.
    """

    thresholds: FloatArray
    rates: npt.NDArray[np.float64]


def estimate(
    tail: Tail,
    budgets: Sequence[tuple[float, IndexArray]],
    floors: FloatArray,
    own: FloatArray,
    now: int,
) -> Estimate:
    """Set the thresholds so that packs together keep to a budget.

    Each pack gets the same share; what a pack can't use, since fewer alerts than that reach its
    floor, goes to the others in equal parts. Where the share is less than one key in the traffic
    seen, the threshold is extrapolated (`pareto.level`).

    Args:
        tail: Of the P packs.
        budgets: Alerts a day, > 0, and the packs that share them.
        floors: float32 [P], no threshold is lower.
        own: float32 [P], the packs' own thresholds, in force until enough was seen and for packs
            without a budget.
        now: Traffic time, ns.
    """
    largest = max(budget for budget, _ in budgets)
    tail.watch(min(1.0, tail.room / 2 / (largest * tail.horizon / DAY)))
    age = np.minimum(now - tail.start, tail.horizon)
    days = np.maximum(age, 1) / DAY * tail.share
    wanted = int(LOOKED_AT * largest * float(days.max()))
    found = tail.highest(now, own, max(wanted, LOOKED_LEAST))
    seen = np.array([len(scores) for scores, _ in found], np.float64)
    whole = np.array([complete for _, complete in found], np.bool_)
    most = np.where(whole, (seen + UNSEEN) / days, np.inf)
    shares = np.zeros(len(most))
    for budget, packs in budgets:
        shares[packs] = fill(budget, most[packs])
    thresholds = np.maximum(own, floors)
    rates = np.minimum(shares, most)
    for pack, (scores, _) in enumerate(found):
        if age[pack] < WARM_UP or shares[pack] <= 0.0:
            continue
        if most[pack] <= shares[pack]:
            new = float(floors[pack])
        elif not len(scores):
            continue
        else:
            new = _between(scores, float(shares[pack] * days[pack]))
        if age[pack] < TRUSTED:
            new = max(new, float(own[pack]))
        thresholds[pack] = max(new, float(floors[pack]))
        rates[pack] = (scores >= thresholds[pack]).sum() / days[pack]
    return Estimate(thresholds, rates)


def fill(budget: float, most: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Equal shares of a budget, none larger than can be used ("water-filling").

    Args:
        budget: What there is.
        most: float64 [P], what each can use; +inf: any amount.

    Returns:
        float64 [P]; the sum is the budget if all together can use it. A share that is not limited
        by `most` is the same as all others that are not.
    """
    shares = np.zeros(len(most))
    left, rest = budget, len(most)
    for at in np.argsort(most, kind="stable"):
        shares[at] = min(most[at], left / rest)
        left -= shares[at]
        rest -= 1
    return shares


def _between(scores: FloatArray, count: float) -> float:
    """The level that `count` of the scores, float32 [c ≥ 1] falling, are to reach."""
    if count >= len(scores):
        return float(scores[-1])
    whole = int(count)
    if whole >= FIT_MOST // 4:
        found = float(scores[whole - 1])
    else:
        top = scores[: min(len(scores), FIT_MOST)]
        found = (
            float(top[0])
            if len(top) == 1
            else level(top, np.clip(count, COUNT_LEAST, len(top) - 1.0))
        )
    return _apart(scores, found, count)


def _apart(scores: FloatArray, found: float, count: float) -> float:
    """A level, moved over equal scores where too many reach it.

    The same flow again and again scores the same to the last bit.
    """
    most = max(TIED * count, 1.0)
    reach = int((scores >= np.float32(found)).sum())
    while reach > most:
        found = float(np.nextafter(scores[reach - 1], np.float32(np.inf)))
        reach = int((scores >= np.float32(found)).sum())
    return found
