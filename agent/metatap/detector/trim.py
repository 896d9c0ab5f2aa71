"""What an attack in the background may cost a pack: little.

A head is made against the background, the flows nearest to the threat above all. Twenty flows of
the threat itself among 2,048 would turn the head against it. So a provisional head is made against
the reference background of the model file, where the local network's attacks are not, and the local
flows that it scores highest are left out of this pack's adaptation, a fixed share of all: a
one-sided trimmed sample (Tukey & McLaughlin 1963). More such flows than that are what the network
is like, and stay in: the pack has to learn them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.detector.model import Model

FloatArray = npt.NDArray[np.float32]

SHARE = 0.05
"""Share of the background that is left out: as much as one originator may have of it by default.
Left out whether it looks like the threat or not, since an attack seen from another network may
score lower than much that is benign."""


def trimmed(background: FloatArray, head: FloatArray, share: float = SHARE) -> FloatArray:
    """The background without the flows that a provisional head scores highest.

    Args:
        background: float32 [m, d], embeddings.
        head: float32 [d + 1], provisional.
        share: Share that is left out, 0 ≤ share < 1.

    Returns:
        float32 [m', d], m' = m − ⌊share · m⌋, in the same order.
    """
    most = int(share * len(background))
    if not most:
        return background
    scores = background @ head[:-1] + head[-1]
    kept: FloatArray = np.delete(background, np.argpartition(-scores, most - 1)[:most], axis=0)
    return kept


def local_background(
    model: Model,
    support: FloatArray,
    label: FloatArray,
    background: FloatArray,
    local: FloatArray,
) -> FloatArray:
    """What a pack is adapted against on this network: a background, and the trimmed local flows.

    Args:
        model: The model.
        support: float32 [k, F], the pack's flows and counter-examples, as `Model.adapt` takes them.
        label: float32 [k], 1 = the threat.
        background: float32 [m, d], embeddings of benign flows, the reference as a rule.
        local: float32 [l, d], embeddings of the network's own flows.

    Returns:
        float32 [l' + m, d], the local flows first.

    Raises:
        ModelError: the model fails.
    """
    head = model.adapt(support, label, background)
    return np.concatenate([trimmed(local, head), background])
