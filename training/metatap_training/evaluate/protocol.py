"""One fold: train without its groups and networks, then every method on every draw.

Thresholds are read at `RATE` on the query negatives, alike for every method. Beside that figure
stands what the agent would get: the threshold from the background alone (its `BACKGROUND_RANK`-th
highest score), with the false-positive rate it comes to on the query negatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metatap.offline.metrics import auprc, threshold_at, tpr_at
from metatap_training.datasets import BENIGN, MALICIOUS, Flows, concat
from metatap_training.datasets.flows import FloatArray
from metatap_training.evaluate.draws import Draw, Drawer
from metatap_training.evaluate.folds import Fold, training_part
from metatap_training.evaluate.scorers import (
    BASELINES,
    META,
    META_OPEN,
    META_PLAIN,
    Cut,
    cut,
    meta_scores,
)
from metatap_training.learners import Committee, Recipe
from metatap_training.learners.fit import fit
from metatap_training.preprocess import Groups, Scaling, is_context, without

RATE = 1e-3
PREVALENCE = 0.01
"""Share of positives that AUPRC is stated at."""

SUPPORTS = (1, 5, 10)
NULL_SUPPORT = 5
OPEN, RESTRICTED, NULL, HOME = "main", "restricted", "null", "home"
"""Tables: families of sources that may train; families of sources that may not; null packs; the
first again, looked for among the benign flows of the very networks the threat is in."""


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
    fits = _fit_all(data, fold, groups, recipe, settings.seed)
    benign = data.trainable.label == BENIGN
    ground = data.trainable.take(benign & np.isin(data.trainable.network, np.array(fold.networks)))
    strange = data.restricted.take(data.restricted.label == MALICIOUS)
    main = Drawer(data.trainable, fold, groups, settings.seed)
    others = Drawer(concat([ground, strange]), fold, groups, settings.seed)
    records = []
    for asked, models, drawer in (
        (OPEN, fits.fold, main),
        (RESTRICTED, fits.fold, others),
        (HOME, fits.home, main),
    ):
        scaled = {name: model.scaled(drawer.flows) for name, model in models.items()}
        for table, draw in tables(drawer, settings, asked):
            where = (table, fold.name)
            for name, fitted in models.items():
                parts = cut(draw, drawer.flows, scaled[name], fitted.scaling)
                parts = _with_ground(parts)
                records.append(_record(where, draw, name, meta_scores(fitted.model, parts)))
                if name == META:
                    records += [
                        _record(where, draw, other, scorer(parts))
                        for other, scorer in BASELINES.items()
                    ]
    return records


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A model, its normalisation, and whether it knows context."""

    model: Committee
    scaling: Scaling
    context: bool = True

    def scaled(self, flows: Flows) -> FloatArray:
        """Normalised features float32 [n, F], as this model may see them."""
        return self.scaling.apply((flows if self.context else without(flows, is_context)).features)


@dataclass(frozen=True, slots=True)
class _Fits:
    """Models by name: trained on what the fold leaves, and without its families' networks too."""

    fold: dict[str, _Fitted]
    home: dict[str, _Fitted]


def _fit_all(data: Parts, fold: Fold, groups: Groups, recipe: Recipe, seed: int) -> _Fits:
    part = training_part(data.trainable, fold, groups)
    open_part = training_part(data.open_only, fold, groups)
    far_part = training_part(data.trainable, fold, groups, without_homes=True)

    def plain(flows: Flows) -> _Fitted:
        return _Fitted(*fit(without(flows, is_context), recipe, seed), context=False)

    return _Fits(
        fold={
            META: _Fitted(*fit(part, recipe, seed)),
            META_OPEN: _Fitted(*fit(open_part, recipe, seed)),
            META_PLAIN: plain(part),
        },
        home={META: _Fitted(*fit(far_part, recipe, seed)), META_PLAIN: plain(far_part)},
    )


Table = str
"""`OPEN`, `RESTRICTED`, `NULL` or `HOME`."""


def tables(drawer: Drawer, settings: Settings, table: Table) -> Iterator[tuple[Table, Draw]]:
    """The draws of a table; those of null packs come with `OPEN`."""
    for k in settings.supports:
        for draw in drawer.threats(k, settings.draws):
            chosen = drawer.at_home(draw) if table == HOME else draw
            if chosen is not None:
                yield table, chosen
    if table == OPEN:
        yield from ((NULL, draw) for draw in drawer.nulls(NULL_SUPPORT, settings.draws))


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
