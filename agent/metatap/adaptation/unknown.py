"""Unlike anything on this network: the distance of flows to its background.

The distance is Mahalanobis' (1936) in the model's embedding, with the background's mean and
covariance. The covariance is given by its first directions; what is left over counts with an equal
small variance (probabilistic PCA: Tipping & Bishop 1999), which costs a fifth of the full matrix.
An attack in the background widens it: the fit is done a second time without the furthest flows.

It is a pack without flows, `unknown`, that no model scores: its head is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from metatap.detector import Detections, RuleSet
from metatap.flow import from_rows
from metatap.packs import Pack, Severity

FloatArray = npt.NDArray[np.float32]

RANK = 48
"""Directions of the covariance that are kept, at most."""

RIDGE = 0.3
"""Of the mean variance: added to each direction's, so that one the background never used counts,
but not for everything, and a few flows of an attack in it do not make their direction usual."""

TRIMMED = 0.02
"""Share of the background that the second fit leaves out."""

LEAST = 256
"""Flows in a background, at least."""

ID = "unknown"

PACK = Pack(
    id=ID,
    name="Unlike anything on this network",
    description="Flows far from all that was seen here lately; no threat is meant by it.",
    author="metatap",
    created=date(2026, 11, 28),
    severity=Severity.LOW,
    attack=(),
    references=(),
    flows=from_rows([]),
)


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A background's shape.

    Attributes:
        centre: float32 [d].
        directions: float32 [d, r], scaled: a flow's squared projections add to its distance.
        rest: What is left over of a flow's squared distance from the centre counts so much.
        back: float32 [r], how much of each squared projection was counted in the latter.
    """

    centre: FloatArray
    directions: FloatArray
    rest: float
    back: FloatArray

    @classmethod
    def fit(cls, background: FloatArray, rank: int = RANK) -> Unknown:
        """The shape of a background.

        Args:
            background: float32 [m, d], embeddings; m ≥ `LEAST`.
            rank: Directions kept, at most.

        Raises:
            ValueError: there are too few flows.
        """
        if len(background) < LEAST:
            raise ValueError(f"a background of {len(background)} flows, at least {LEAST}")
        first = cls._fit(background, rank)
        distance = first.distance(background)
        keep = distance <= np.quantile(distance, 1.0 - TRIMMED)
        return cls._fit(background[keep], rank)

    @classmethod
    def _fit(cls, background: FloatArray, rank: int) -> Unknown:
        centre = background.mean(axis=0, dtype=np.float64)
        away = background - centre
        values, vectors = np.linalg.eigh(away.T @ away / len(away))
        ridge = RIDGE * max(float(values.mean()), 1e-12)
        rank = min(rank, len(values))
        top, directions = values[-rank:], vectors[:, -rank:]
        rest = float(np.clip(values[:-rank], 0.0, None).mean()) if rank < len(values) else 0.0
        scaled = directions / np.sqrt(np.maximum(top, 0.0) + ridge)
        back = (np.maximum(top, 0.0) + ridge) / (rest + ridge)
        return cls(
            centre.astype(np.float32),
            scaled.astype(np.float32),
            1.0 / (rest + ridge),
            back.astype(np.float32),
        )

    def distance(self, embedding: FloatArray) -> FloatArray:
        """float32 [n], distances of flows float32 [n, d], as log(1 + squared distance / d)."""
        away = embedding - self.centre
        squared = np.square(away @ self.directions)
        whole = np.square(away).sum(axis=1) * np.float32(self.rest)
        inside = squared @ (1.0 - self.back)
        distance: FloatArray = np.log1p(np.maximum(whole + inside, 0.0) / len(self.centre))
        return distance


def with_unknown(rules: RuleSet, threshold: float) -> RuleSet:
    """The rules with the pack `unknown` after the last one.

    Args:
        rules: The rules; those that have it get the threshold.
        threshold: A distance at or above it is a hit; > 0, since the model scores it 0.
    """
    packs = rules.packs
    heads, thresholds, support = rules.heads, rules.thresholds, rules.support
    if not has_unknown(rules):
        if heads.shape[1] == len(packs):
            heads = np.pad(heads, ((0, 0), (0, 8)))
            thresholds = np.pad(thresholds, (0, 8), constant_values=np.inf)
        packs = (*packs, PACK)
        support = (*support, np.zeros((0, len(heads) - 1), np.float32))
    thresholds = thresholds.copy()
    thresholds[len(packs) - 1] = max(threshold, float(np.finfo(np.float32).tiny))
    return replace(rules, packs=packs, heads=heads, thresholds=thresholds, support=support)


def has_unknown(rules: RuleSet) -> bool:
    """Whether the pack `unknown` is the last one."""
    return bool(rules.packs) and rules.packs[-1] is PACK


def score_unknown(detections: Detections, unknown: Unknown) -> Detections:
    """The detections with distances in place of the zeros of the pack `unknown`.

    Args:
        detections: Scored with rules of `with_unknown`; others are given back as they are.
        unknown: The background's shape.
    """
    rules = detections.rules
    if not has_unknown(rules) or not len(detections.embedding):
        return detections
    at = len(rules.packs) - 1
    scores = detections.scores.copy()
    scores[:, at] = unknown.distance(detections.embedding)
    found = np.flatnonzero(scores[:, at] >= rules.thresholds[at])
    if not len(found):
        return replace(detections, scores=scores)
    rows = np.concatenate([detections.rows, found])
    packs = np.concatenate([detections.packs, np.full(len(found), at, np.intp)])
    order = np.argsort(rows, kind="stable")
    return replace(detections, scores=scores, rows=rows[order], packs=packs[order])
