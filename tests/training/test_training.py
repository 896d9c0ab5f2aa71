"""Training on made-up flows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from metatap.offline.metrics import auprc
from metatap_training.bench.draws import Drawer
from metatap_training.bench.folds import fold_named
from metatap_training.bench.learner import FittedLearner, Head
from metatap_training.bench.world import World
from metatap_training.datasets import Terms
from metatap_training.episodes import Sizes
from metatap_training.learners import Committee, Recipe
from metatap_training.learners.fit import fit
from metatap_training.learners.model import Shape
from metatap_training.preprocess import Scaling
from tests.training.bench import made

FOLD = fold_named(made.FOLD)
SIZES = Sizes(tasks=4, background=96, negatives=128, queries=12, own=8, networks=1)
RECIPE = Recipe(
    shape=Shape(dense=12, stumps=12, linear=8), sizes=SIZES, members=2, steps=60, drop=0.0
)


@pytest.fixture(scope="module", autouse=True)
def single() -> None:
    """One thread."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world() -> World:
    return made.world()


def quality(model: Committee, scaling: Scaling, world: World) -> float:
    """Mean AUPRC over draws of the held-out family."""
    fitted = FittedLearner(model, scaling, Head.OWN)
    values = []
    for number in range(8):
        for ground in Drawer(world, [made.cell()], 0).draw(2, number):
            problem = ground.problem
            scores = fitted.answer(problem).queries
            values.append(auprc(scores[: problem.positives], scores[problem.positives :], 0.01))
    return float(np.mean(values))


def test_training_repeats_and_lowers_its_loss(world: World) -> None:
    """The same seed gives the same weights to the last bit, another seed does not."""
    part = world.part(tuple(Terms), FOLD, home=False)
    losses: list[float] = []
    one, _ = fit(part, RECIPE, 0, lambda _, loss: losses.append(loss))
    two, _ = fit(part, RECIPE, 0)
    other, _ = fit(part, RECIPE, 1)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    first, second = one.members[0].trunk.wide.weight, other.members[0].trunk.wide.weight
    assert not torch.equal(first, second)
    assert not torch.equal(first, one.members[1].trunk.wide.weight)
    assert np.mean(losses[-15:]) < np.mean(losses[:15])


def test_training_improves_on_a_family_it_never_saw(world: World) -> None:
    """Against the same trunk before its first step of any size."""
    part = world.part(tuple(Terms), FOLD, home=False)
    untrained = fit(
        part, Recipe(shape=RECIPE.shape, sizes=SIZES, members=2, drop=0.0, steps=1, rate=0.0), 0
    )
    trained = fit(part, Recipe(shape=RECIPE.shape, sizes=SIZES, members=2, drop=0.0, steps=150), 0)
    assert quality(*trained, world) > quality(*untrained, world)
