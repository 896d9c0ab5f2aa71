"""What parts of the context bring: the recipe trained anew without them, on the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from metatap.offline.metrics import tpr_at
from metatap_training.datasets import Flows
from metatap_training.evaluate.draws import BACKGROUND, MIN_HOME, NEGATIVES, Draw, Drawer
from metatap_training.evaluate.folds import FOLDS, Fold, training_part
from metatap_training.evaluate.scorers import cut, meta_scores
from metatap_training.evaluate.tables import HOME, NULL, OPEN, RATE, Settings, Table, tables
from metatap_training.learners import Recipe
from metatap_training.learners.fit import fit
from metatap_training.preprocess import Groups, is_context, without
from metatap_training.preprocess.columns import Match
from metatap_training.report.text import table


def _key(name: str) -> Match:
    return lambda feature: feature.startswith(f"context.{name}.")


def _part(*parts: str) -> Match:
    return lambda feature: is_context(feature) and feature.split(".")[2] in parts


VARIANTS: dict[str, Match] = {
    "all features": lambda _: False,
    "no context": is_context,
    "without the host": _key("host"),
    "without the pair": _key("pair"),
    "without the service of a host": _key("service"),
    "without distinct peers and services": _part("peers", "services"),
    "without regularity": _part("gap", "gap_spread", "size_spread"),
}
"""Name → features that are taken away."""


@dataclass(frozen=True, slots=True)
class Found:
    """One variant on one draw."""

    variant: str
    table: str
    fold: str
    family: str
    k: int
    number: int
    tpr: float

    def row(self) -> dict[str, Any]:
        """As a mapping, for a table."""
        return asdict(self)


def ablate_fold(
    flows: Flows,
    fold: Fold,
    groups: Groups,
    *,
    recipe: Recipe,
    settings: Settings,
    variant: str,
) -> list[Found]:
    """Train a variant on what a fold leaves and measure on what it holds out.

    Args:
        flows: Cleaned flows that may train.
        fold: What is held out.
        groups: Family → group.
        recipe: How models are trained.
        settings: Size of the evaluation.
        variant: Key of `VARIANTS`.
    """
    drawer = Drawer(flows, fold, groups, settings.seed)
    seen = without(flows, VARIANTS[variant])
    found = []
    for home in (False, True):
        part = training_part(seen, fold, groups, without_homes=home)
        model, scaling = fit(part, recipe, settings.seed)
        scaled = scaling.apply(seen.features)
        for name, draw in tables(drawer, settings, HOME if home else OPEN):
            scores = meta_scores(model, cut(draw, seen, scaled, scaling))
            found.append(_found(variant, name, fold, draw, scores))
    return found


def _found(variant: str, name: Table, fold: Fold, draw: Draw, scores: np.ndarray) -> Found:
    positive, negative = np.split(scores, [len(draw.positive)])
    rate = tpr_at(positive, negative, RATE)
    return Found(variant, name, fold.name, draw.family, draw.k, draw.number, rate)


def ablation_markdown(found: Sequence[Found], settings: Settings, command: str) -> str:
    """The page: what was asked, and a table of TPR at FPR 1e-3, means over families.

    Args:
        found: Of all variants.
        settings: Size of the evaluation.
        command: What was run.
    """
    families = {
        name: len({row.family for row in found if row.table == name}) for name in (OPEN, HOME)
    }
    return f"""<!-- Made by `metatap-train ablate`; do not edit. -->
# What context brings
The recipe of the shipped model, trained anew for each row without some columns of the context
([context.md](context.md)), and measured on the same draws: `{command}`,
{settings.draws} support draws a family and K, seed {settings.seed}. Cells are the true-positive
rate at a false-positive rate of {RATE:g}, read on the negatives, as the mean over families of the
mean over draws, one training run each: another seed moves them by up to about 0.02. Data are those
of the [model card](model-card.md).

“Other networks”: families of held-out groups ({families[OPEN]}) against held-out networks. “Own
network”: against benign flows of the networks they are in ({families[HOME]}), which the model was
not trained on either. “Null packs”: benign flows of one network taken for a threat; what is found
there is the network itself.

{_table(found, settings.supports)}
{_protocol()}"""


def _protocol() -> str:
    folds = [(fold.name, ", ".join(fold.groups), ", ".join(fold.networks)) for fold in FOLDS]
    head = ("fold", "groups held out", "networks of background and negatives")
    return f"""## How it was measured
Groups of families are held out one fold at a time, and with them the benign flows of the fold's
networks. Support is from one network; {BACKGROUND:,} background and up to {NEGATIVES:,} negative
flows, disjoint, from the fold's networks without the support's (“own network”: from those of the
positives, where these have at least {MIN_HOME:,} benign flows); positives from another network if
the family has one, else another capture, else the rest, without copies of a support flow. Columns
that one side lacks are taken from both.

{table(head, folds)}
"""


def _table(found: Sequence[Found], supports: Sequence[int]) -> str:
    columns = [(name, k) for name in (OPEN, HOME) for k in supports]
    columns += [(NULL, k) for k in sorted({row.k for row in found if row.table == NULL})]
    words = {OPEN: "other networks", HOME: "own network", NULL: "null packs"}
    head = ["features", *(f"{words[name]}, K = {k}" for name, k in columns)]
    lines = [
        [variant, *(f"{_mean(found, variant, name, k):.3f}" for name, k in columns)]
        for variant in dict.fromkeys(row.variant for row in found)
    ]
    return table(head, lines) + "\n"


def _mean(found: Sequence[Found], variant: str, name: Table, k: int) -> float:
    families: dict[str, list[float]] = {}
    for row in found:
        if (row.variant, row.table, row.k) == (variant, name, k):
            families.setdefault(row.family, []).append(row.tpr)
    return float(np.mean([np.mean(rates) for rates in families.values()])) if families else 0.0
