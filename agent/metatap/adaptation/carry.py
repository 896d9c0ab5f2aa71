"""The tail of packs' scores after their heads, or the model, have changed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.adaptation.tail import Tail

FloatArray = npt.NDArray[np.float32]

FITTED_LEAST = 64
"""Flows that a map is fitted to, at least."""

FITTED_SHARE = 0.1
"""Share of the flows with the highest old scores that it is fitted to."""

CORRELATION_LEAST = 0.7
"""Between old and new scores of these; below, a pack's tail starts anew."""


def lines(old: FloatArray, new: FloatArray) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """The lines that turn packs' old scores into new ones, where they are high.

    Args:
        old: float32 [m, K], scores of some flows by the old heads.
        new: float32 [m, K], by the new ones.

    Returns:
        float32 [K] twice, scale and shift: a new score is scale · old + shift; and bool [K],
        whether old scores say enough about new ones.
    """
    count = len(old)
    if count < FITTED_LEAST or not old.shape[1]:
        none = np.ones(old.shape[1], np.float32)
        return none, 0 * none, np.zeros(len(none), np.bool_)
    size = max(FITTED_LEAST, int(FITTED_SHARE * count))
    top = np.argpartition(-old, size - 1, axis=0)[:size]
    x = np.take_along_axis(old, top, 0).astype(np.float64)
    y = np.take_along_axis(new, top, 0).astype(np.float64)
    x_middle, y_middle = x.mean(axis=0), y.mean(axis=0)
    spread = np.square(x - x_middle).sum(axis=0)
    other = np.square(y - y_middle).sum(axis=0)
    common = ((x - x_middle) * (y - y_middle)).sum(axis=0)
    moves = (spread > 1e-9) & (other > 1e-9)
    scale = np.divide(common, spread, out=np.ones_like(common), where=moves)
    sound = moves & (common >= CORRELATION_LEAST * np.sqrt(spread * other))
    shift = y_middle - scale * x_middle
    return scale.astype(np.float32), shift.astype(np.float32), sound


def carried(
    tail: Tail,
    packs: tuple[tuple[str, ...], tuple[str, ...]],
    scores: tuple[FloatArray, FloatArray],
    floors: FloatArray,
    now: int,
    *,
    same: npt.NDArray[np.bool_],
) -> Tail:
    """The tail for new rules.

    Args:
        tail: Of the old ones.
        packs: What names the P old and the Q new packs.
        scores: float32 [m, P] and [m, Q], scores of the same flows.
        floors: float32 [Q], of the new rules.
        now: Traffic time, ns.
        same: bool [Q], packs whose scores are what they were, whatever flows there are to see.
    """
    before = {name: at for at, name in enumerate(packs[0])}
    source = np.array([before.get(name, -1) for name in packs[1]], np.intp)
    scale, shift = np.ones(len(source), np.float32), np.zeros(len(source), np.float32)
    known = np.flatnonzero(source >= 0)
    old, new = scores[0][:, source[known]], scores[1][:, known]
    scale[known], shift[known], sound = lines(old, new)
    as_before = known[same[known]]
    scale[as_before], shift[as_before] = 1.0, 0.0
    source[known[~(sound | same[known])]] = -1
    return tail.carry(source, scale, shift, floors, now)
