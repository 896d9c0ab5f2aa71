"""One fold: train without its groups and networks, then every method on every draw.

Thresholds are read at `RATE` on the query negatives, alike for every method. Beside that figure
stands what the agent would get: the threshold from the background alone (its `BACKGROUND_RANK`-th
highest score), with the false-positive rate it comes to on the query negatives.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metatap_training.datasets import BENIGN, MALICIOUS, Flows, concat
from metatap_training.datasets.flows import FloatArray
from metatap_training.evaluate.draws import Draw, Drawer
from metatap_training.evaluate.folds import Fold, training_part
from metatap_training.evaluate.metrics import auprc, threshold_at, tpr_at
from metatap_training.evaluate.scorers import (
    BASELINES,
    META,
    META_OPEN,
    Cut,
    cut,
    meta_scores,
)
from metatap_training.learners import Recipe
from metatap_training.learners.fit import fit
from metatap_training.preprocess import Groups

RATE = 1e-3
PREVALENCE = 0.01
"""Share of positives that AUPRC is stated at."""

SUPPORTS = (1, 5, 10)
OPEN, RESTRICTED, NULL = "main", "restricted", "null"
"""Tables: families of sources that may train; families of sources that may not; null packs."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Size of an evaluation.

    Attributes:
        draws: Support draws a family and K.
        supports: Values of K.
        seed: Seed of draws and training.
    """

    draws: int = 10
    supports: tuple[int, ...] = SUPPORTS
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One method on one draw."""

    table: str
    fold: str
    family: str
    group: str
    network: str
    elsewhere: str
    k: int
    number: int
    method: str
    positives: int
    negatives: int
    tpr: float
    auprc: float
    tpr_background: float
    fpr_background: float

    def row(self) -> dict[str, Any]:
        """As a mapping, for a table."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Parts:
    """Cleaned flows by what their terms allow.

    Attributes:
        trainable: Of the sources that may train weights.
        open_only: Of the openly licensed ones among them, for the second variant.
        restricted: Of the sources that may not, to measure on.
    """

    trainable: Flows
    open_only: Flows
    restricted: Flows


def run_fold(
    data: Parts, fold: Fold, groups: Groups, recipe: Recipe, settings: Settings
) -> list[Record]:
    """Train on what a fold leaves and measure on what it holds out.

    Args:
        data: Cleaned flows.
        fold: What is held out.
        groups: Family → group.
        recipe: How models are trained.
        settings: Size of the evaluation.
    """
    models = {
        META: fit(training_part(data.trainable, fold, groups), recipe, settings.seed),
        META_OPEN: fit(training_part(data.open_only, fold, groups), recipe, settings.seed),
    }
    benign = data.trainable.label == BENIGN
    ground = data.trainable.take(benign & np.isin(data.trainable.network, np.array(fold.networks)))
    strange = data.restricted.take(data.restricted.label == MALICIOUS)
    main = Drawer(data.trainable, fold, groups, settings.seed)
    others = Drawer(concat([ground, strange]), fold, groups, settings.seed)
    draws = [
        *(
            (OPEN, main, draw)
            for k in settings.supports
            for draw in main.threats(k, settings.draws)
        ),
        *((NULL, main, draw) for draw in main.nulls(5, settings.draws)),
        *(
            (RESTRICTED, others, draw)
            for k in settings.supports
            for draw in others.threats(k, settings.draws)
        ),
    ]
    scaled = {
        (id(drawer), name): scaling.apply(drawer.flows.features)
        for drawer in (main, others)
        for name, (_, scaling) in models.items()
    }
    records = []
    for table, drawer, draw in draws:
        where = (table, fold.name)
        for name, (model, scaling) in models.items():
            parts = _with_ground(cut(draw, drawer.flows, scaled[id(drawer), name], scaling))
            records.append(_record(where, draw, name, meta_scores(model, parts)))
            if name == META:
                records += [
                    _record(where, draw, other, scorer(parts))
                    for other, scorer in BASELINES.items()
                ]
    return records


def _with_ground(parts: Cut) -> Cut:
    """The background appended to the queries, to read its scores."""
    support, background, queries = parts.services
    services = (support, background, np.concatenate([queries, background]))
    queries_too = np.concatenate([parts.queries, parts.background])
    return Cut(parts.support, parts.background, queries_too, services)


def _record(where: tuple[str, str], draw: Draw, method: str, scores: FloatArray) -> Record:
    ends = np.cumsum([len(draw.positive), len(draw.negative)])
    positive, negative, ground = np.split(scores, ends)
    threshold = threshold_at(ground, RATE)
    return Record(
        table=where[0],
        fold=where[1],
        family=draw.family,
        group=draw.group,
        network=draw.network,
        elsewhere=draw.elsewhere,
        k=draw.k,
        number=draw.number,
        method=method,
        positives=len(positive),
        negatives=len(negative),
        tpr=tpr_at(positive, negative, RATE),
        auprc=auprc(positive, negative, PREVALENCE),
        tpr_background=float((positive > threshold).mean()),
        fpr_background=float((negative > threshold).mean()),
    )
