"""Labels that mean nothing: nobody may find more than chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metatap_training.baselines.maml import MamlRecipe
from metatap_training.bench.cells import Table
from metatap_training.bench.entrants import Entrant, entrants
from metatap_training.bench.fits import Fits
from metatap_training.bench.job import Job, run_job
from metatap_training.bench.measures import PREVALENCE
from metatap_training.bench.world import World
from metatap_training.datasets import UNKNOWN
from metatap_training.episodes import Sizes
from metatap_training.learners import Recipe
from metatap_training.learners.model import Shape
from tests.training.bench import made

RECIPE = Recipe(
    shape=Shape(dense=4, stumps=8, linear=4),
    sizes=Sizes(tasks=2, background=64, negatives=64, queries=8, own=4, networks=1),
    steps=3,
)


def everybody() -> list[Entrant]:
    """All methods, the own learner hardly trained."""
    return entrants(RECIPE, draws=2, peer_draws=2, maml=MamlRecipe(steps=3, hidden=8, inner=2))


@pytest.fixture(scope="module")
def shuffled() -> World:
    """Which flow is of which family drawn anew inside each network and capture."""
    flows, rng = made.flows(rows=300), np.random.default_rng(0)
    flows = flows.take(flows.label != UNKNOWN)
    order = np.arange(len(flows))
    for network in np.unique(flows.network):
        here = np.flatnonzero(flows.network == network)
        order[here] = rng.permutation(here)
    named = {name: getattr(flows, name)[order] for name in ("label", "family", "scope")}
    return made.world(replace(flows, **named))


def test_permuted_labels_are_found_by_nobody(
    shuffled: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In the network they are from, where nothing else tells them from the rest."""
    fits = Fits(shuffled, "test", tmp_path_factory.mktemp("fits"), 0)
    job = Job((made.cell(Table.OWN, "lab"),))
    rows = run_job(job, shuffled, fits, everybody(), supports=(5,), seed=0)
    methods = {row["method"] for row in rows if row["network"] != "*"}
    assert "random forest" in methods
    for method in methods:
        mine = [r for r in rows if r["method"] == method and r["network"] != "*"]
        assert np.mean([row["tpr"] for row in mine]) < 0.1, method
        assert np.mean([row["auprc"] for row in mine]) < 10 * PREVALENCE, method
