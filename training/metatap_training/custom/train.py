"""From a user's labelled flows to the model and what its card says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from metatap.features import FEATURES_VERSION
from metatap_training.custom.holdout import Holdout
from metatap_training.custom.plan import Plan, plan
from metatap_training.datasets import BENIGN, MALICIOUS, Flows, concat
from metatap_training.distributed import World, fit_in
from metatap_training.export import Bundle, make_bundle
from metatap_training.export.bundle import MODEL_NAME, MODEL_VERSION
from metatap_training.learners import Recipe
from metatap_training.report.own import KIND

NAME = f"{MODEL_NAME}-own"
"""Name of a model that was trained on a user's flows: alerts carry it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What there is to train on, cleaned.

    Attributes:
        own: The user's flows.
        published: Published flows that may train; None if there are none.
        ground: Those of them whose embeddings may be in a file; None likewise.
    """

    own: Flows
    published: Flows | None = None
    ground: Flows | None = None


def train_own(
    given: Given, recipe: Recipe, seed: int, world: World, on_step: Callable[[int, float], None]
) -> tuple[Bundle, Plan, Recipe]:
    """The model of all flows given, with a reference background of the user's and open flows.

    Args:
        given: The flows, what is held out left out.
        recipe: As the shipped model's.
        seed: Of everything.
        world: This process among those that train.
        on_step: Called with step and loss.

    Returns:
        The model, what the flows were made into, and the recipe with the sizes that fit.

    Raises:
        DataError: there are too few flows; see `plan`.
    """
    torch.set_num_threads(1)
    planned = plan(_joined(given.own, given.published), recipe.sizes)
    recipe = replace(recipe, sizes=planned.sizes)
    model, scaling = fit_in(world, planned.flows, recipe, seed, on_step)
    bundle = make_bundle(model, scaling, _joined(given.own, given.ground))
    return replace(bundle, name=NAME), planned, recipe


def own_card(
    *,
    bundle: Bundle,
    given: Given,
    planned: Plan,
    recipe: Recipe,
    seed: int,
    world: World,
    command: str,
    dropped: Mapping[str, int],
    pool: Mapping[str, int],
    held: Holdout | None,
) -> dict[str, Any]:
    """The card of a model from `train_own`, its measures left out.

    Args:
        bundle: The model.
        given: The flows.
        planned: What was made of them.
        recipe: How it was trained.
        seed: Of everything.
        world: The processes.
        command: What was run.
        dropped: What cleaning dropped of the user's flows, by reason.
        pool: Flows that were read and flows that the pool held.
        held: What was held out.
    """
    parts = [given.own] if given.published is None else [given.own, given.published]
    holdout = None if held is None else held.measure(bundle.model, bundle.scaling, seed)
    return {
        "kind": KIND,
        "name": bundle.name,
        "version": MODEL_VERSION,
        "created": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": command,
        "features_version": FEATURES_VERSION,
        "seed": seed,
        "recipe": asdict(recipe),
        "episodes_per_step": world.size,
        "data": [row for flows, own in zip(parts, (True, False), strict=False)
                 for row in _sources(flows, own=own)],
        "pool": dict(pool),
        "dropped": dict(dropped),
        "parts": planned.parts,
        "background": bundle.provenance,
        "held_out": holdout,
    }  # fmt: skip


def _joined(own: Flows, more: Flows | None) -> Flows:
    return own if more is None else concat([own, more])


def _sources(flows: Flows, *, own: bool) -> list[dict[str, Any]]:
    """A row a source: what it is and how many flows of which kind were trained on."""
    rows = []
    for source in np.unique(flows.source):
        part = flows.take(flows.source == source)
        malicious = part.label == MALICIOUS
        rows.append(
            {
                "source": str(source),
                "own": own,
                "networks": _texts(part.network),
                "labelled_by": _texts(part.scope),
                "benign": int((part.label == BENIGN).sum()),
                "malicious": int(malicious.sum()),
                "unknown": int((part.label > MALICIOUS).sum()),
                "families": _counts(part.family[malicious]),
            }
        )
    return rows


def _texts(values: Sequence[str] | np.ndarray) -> list[str]:
    return [str(value) for value in np.unique(values)]


def _counts(values: np.ndarray) -> dict[str, int]:
    names, counts = np.unique(values, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}
