"""Whether a pack made ready is fit to be in force, and if not, what is wrong with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.packs import Fault

FloatArray = npt.NDArray[np.float32]

NEAR_EQUAL = 0.01
"""Distance of two flows that the model can't tell apart, in spreads of the background (root mean
square distance from its mean)."""


def weakness(
    *,
    threshold: float,
    held_out: FloatArray,
    own: FloatArray,
    counter: FloatArray,
    ground: FloatArray,
    apart: float,
    rate: float,
) -> tuple[Fault, str] | None:
    """What keeps a pack from being in force.

    It must tell its support flows from its counter-examples, recognise half of them when they are
    held out, and stay quiet on the background. Where it does not recognise them, the reason is what
    pushed the threshold over them: the counter-examples, or the background; or, if the flows pass
    when the head has seen them, that they have nothing in common.

    Args:
        threshold: Of the pack.
        held_out: float32 [k], scores of the support flows by heads that did not see them.
        own: float32 [k], their scores by the pack's head.
        counter: float32 [c], scores of the counter-examples, c ≥ 0.
        ground: float32 [m], scores of the background.
        apart: Least distance of a support flow and a counter-example, in spreads of the background.
        rate: Share of the background that may reach the threshold; one flow always may.

    Returns:
        The fault and a text, None if there is none.
    """
    if apart < NEAR_EQUAL:
        return Fault.CONTRADICTION, (
            "contradicts itself: a support flow and a counter-example are the same to the model"
        )
    recognised = int((held_out >= threshold).sum())
    if 2 * recognised >= len(held_out):
        fired, most = int((ground >= threshold).sum()), int(rate * (len(ground) - 1)) + 1
        if fired <= most:
            return None
        return Fault.BACKGROUND, (
            f"fires on {fired} of {len(ground)} flows of the background, at most {most} are allowed"
        )
    text = (
        f"recognises {recognised} of its own {len(held_out)} flows, held out, at threshold "
        f"{threshold:.2f}"
    )
    middle = float(np.median(held_out))
    if counter.size and float(counter.max()) >= threshold:
        return Fault.CONTRADICTION, f"{text}: counter-examples score up to {counter.max():.2f}"
    if float(np.median(own)) >= threshold:
        return Fault.SUPPORT, f"{text}: they have too little in common"
    share = float((ground >= middle).mean())
    return Fault.BACKGROUND, f"{text}: {share:.2%} of the background scores as high as half of them"


def least_distance(support: FloatArray, counter: FloatArray, background: FloatArray) -> float:
    """Least distance of a row of `support` [k, d] and one of `counter` [c, d]; inf if c = 0.

    In spreads of the `background` [m, d]: the root mean square distance from its mean.
    """
    if not len(counter):
        return float("inf")
    spread = float(np.sqrt(background.var(axis=0, dtype=np.float64).sum()))
    between = np.linalg.norm(support[:, None] - counter[None], axis=2)
    return float(between.min()) / max(spread, 1e-9)
