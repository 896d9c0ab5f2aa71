"""Thresholds from a background's scores and a pack's own.

The background inside a model file is small and of other networks: nothing is extrapolated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NEAR = 0.25
"""Quantile of the support's held-out scores that stands for the threat."""


MARGIN = 0.75
"""Where in the gap between background and threat the threshold lies: 0 is the background's end. An
analyst pays for each false alert, and a threat rarely comes in one flow only."""


def pack_threshold(
    ground: npt.NDArray[np.floating],
    counter: npt.NDArray[np.floating],
    held_out: npt.NDArray[np.floating],
    rate: float,
) -> float:
    """The threshold of a pack.

    It lies above the score that a share `rate` of the background exceeds (the highest one, if the
    rate is below one in m) and above all counter-examples: a score at the threshold is a hit.
    Where the threat's own flows, each scored by a head that did not see it, lie still higher, there
    is a gap in which nothing is known; the threshold lies at `MARGIN` of it.

    Args:
        ground: [m] scores of the background, m ≥ 1.
        counter: [c] scores of the counter-examples, c ≥ 0.
        held_out: [k] held-out scores of the support, k ≥ 1.
        rate: Target share of flows over the threshold.

    Returns:
        The threshold, in units of the score.
    """
    tail = float(np.quantile(ground, 1.0 - rate, method="higher"))
    highest = np.float32(max(tail, float(counter.max(initial=-np.inf))))
    floor = float(np.nextafter(highest, np.float32(np.inf)))
    near = float(np.quantile(held_out, NEAR))
    return floor + MARGIN * max(near - floor, 0.0)
