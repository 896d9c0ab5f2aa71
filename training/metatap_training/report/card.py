"""The model card as data: what the model is, what made it, how it was measured."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from metatap.features import FEATURES_VERSION
from metatap_training.bench.folds import FOLDS, Role
from metatap_training.datasets import Flows, Source, Terms
from metatap_training.export.bundle import Bundle
from metatap_training.learners import Recipe
from metatap_training.report.benchmark import Part

Card = dict[str, Any]


def make_card(
    *,
    bundle: Bundle,
    sources: Sequence[Source],
    flows: Flows,
    dropped: Mapping[str, int],
    recipe: Recipe,
    seed: int,
    command: str,
    measured: Mapping[str, Any],
    benchmark: Part | None = None,
) -> Card:
    """The card of a model trained on all that may train.

    Args:
        bundle: The model.
        sources: All sources there are.
        flows: Cleaned flows of all sources.
        dropped: What cleaning dropped, by reason.
        recipe: How it was trained.
        seed: Of its training.
        command: What was run.
        measured: Cost, parity, time and size.
        benchmark: From `benchmark.read_benchmark`; None: none is attached.
    """
    return {
        "name": bundle.name,
        "version": bundle.version,
        "created": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": command,
        "features_version": FEATURES_VERSION,
        "seed": seed,
        "recipe": asdict(recipe),
        "data": [_source(source, flows) for source in sources],
        "dropped": dict(dropped),
        "background": bundle.provenance,
        "chosen_on": [
            group for fold in FOLDS if fold.role is Role.VALIDATION for group in fold.groups
        ],
        "benchmark": benchmark,
        "measured": dict(measured),
    }


def _source(source: Source, flows: Flows) -> dict[str, Any]:
    rows = int(np.sum(flows.source == source.name))
    use = {
        Terms.YES: "trained on; may be in the reference background",
        Terms.WEIGHTS: "trained on",
        Terms.NO: "evaluation only",
    }
    return {
        "source": source.name,
        "licence": source.licence,
        "terms": source.terms.value,
        "use": use[source.terms],
        "flows": rows,
    }
