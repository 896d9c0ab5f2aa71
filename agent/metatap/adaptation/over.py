"""The flows of a batch that the budget has to see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metatap.adaptation.candidates import Candidates, none
from metatap.adaptation.keys import alert_keys, host_keys
from metatap.alerts.group import Times
from metatap.detector import Detections, reached

FloatArray = npt.NDArray[np.float32]


def over(
    detections: Detections, times: Times, floors: FloatArray, *, window: int, seed: int, now: int
) -> Candidates:
    """Flows and packs at or over a floor, one row each.

    Args:
        detections: The batch, of n flows.
        times: Of its flows, int64 [n].
        floors: float32 [P].
        window: Length of a window of alerts, ns.
        seed: Of the hashes of hosts.
        now: Traffic time, ns.
    """
    least = np.full(detections.scores.shape[1], np.inf, np.float32)
    least[: len(floors)] = floors
    rows, packs = reached(detections.scores, least)
    if not len(rows):
        return none()
    flows, which = np.unique(rows, return_inverse=True)
    hosts = host_keys(detections.batch, flows, seed)
    keys = alert_keys(detections.batch, flows, hosts, times.start[flows] // window)
    return Candidates(
        packs.astype(np.int64),
        detections.scores[rows, packs],
        keys[which],
        hosts[which],
        np.full(len(rows), now, np.int64),
    )
