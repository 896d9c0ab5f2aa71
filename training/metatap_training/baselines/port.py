"""Port only: is the flow for a service the support was for? What a firewall log could tell."""

from __future__ import annotations

import numpy as np

from metatap_training.datasets.flows import FloatArray, TextArray


def port_only(support: TextArray, background: TextArray, queries: TextArray) -> FloatArray:
    """Scores [n]: share of the support with the query's service, less that of the background."""
    services = np.unique(support)
    at = np.searchsorted(services, queries).clip(max=len(services) - 1)
    known = services[at] == queries
    near = np.array([(support == service).mean() for service in services])
    far = np.array([(background == service).mean() for service in services])
    return np.where(known, near[at] - far[at], -1.0).astype(np.float32)
