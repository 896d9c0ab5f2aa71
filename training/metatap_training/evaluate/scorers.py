"""The methods that are compared, each a function of one draw; all see the very same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from metatap_training.baselines.logistic import STRENGTHS, logistic
from metatap_training.baselines.nearest import nearest_margin
from metatap_training.baselines.port import port_only
from metatap_training.datasets.flows import FloatArray, Flows
from metatap_training.evaluate.draws import Draw
from metatap_training.learners import Committee

META, NEAREST, PORT = "meta-ridge", "1-NN margin", "port only"


@dataclass(frozen=True, slots=True)
class Cut:
    """One draw's rows.

    Attributes:
        support, background, queries: float32 [·, F], normalised; queries are positives, then
            negatives.
        services: Services of support, background and queries, for the port-only baseline.
    """

    support: FloatArray
    background: FloatArray
    queries: FloatArray
    services: tuple[np.ndarray, np.ndarray, np.ndarray]


def cut(draw: Draw, flows: Flows, scaled: FloatArray) -> Cut:
    """The rows of a draw; `scaled` are the normalised features of `flows`."""
    parts = (draw.support, draw.background, np.concatenate([draw.positive, draw.negative]))
    support, background, queries = (scaled[part] for part in parts)
    services = (flows.service[parts[0]], flows.service[parts[1]], flows.service[parts[2]])
    return Cut(support, background, queries, services)


def meta_scores(model: Committee, parts: Cut) -> FloatArray:
    """Scores [n] of the queries by the meta-learner."""
    with torch.no_grad():
        background = model.trunk(torch.from_numpy(parts.background))
        support = torch.from_numpy(parts.support)
        head = model.adapt(support, torch.ones(len(support)), background)
        scores = model.trunk(torch.from_numpy(parts.queries)) @ head[:-1] + head[-1]
    return np.asarray(scores.numpy(), np.float32)


def logistic_name(strength: float) -> str:
    """Name of logistic regression with a given C."""
    return f"logistic regression, C={strength:g}"


def _logistic(strength: float) -> Callable[[Cut], FloatArray]:
    return lambda p: logistic(p.support, p.background, p.queries, strength)


BASELINES: dict[str, Callable[[Cut], FloatArray]] = {
    NEAREST: lambda p: nearest_margin(p.support, p.background, p.queries),
    PORT: lambda p: port_only(*p.services),
    **{logistic_name(strength): _logistic(strength) for strength in STRENGTHS},
}
"""Name → scores of the queries."""
