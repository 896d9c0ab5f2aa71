"""`learners.fit` for one of several processes."""

from __future__ import annotations

from collections.abc import Callable

from metatap_training.datasets.flows import Flows
from metatap_training.distributed.lanes import Lanes
from metatap_training.distributed.world import World
from metatap_training.learners import Committee, Recipe, train
from metatap_training.learners.committee import member_seed
from metatap_training.learners.fit import samplers
from metatap_training.preprocess import Scaling


def fit_in(
    world: World,
    flows: Flows,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, float], None] | None = None,
) -> tuple[Committee, Scaling]:
    """A model meta-trained on flows by all ranks together; the same one in each.

    A world of one gives what `learners.fit` gives.

    Args:
        world: This process among the others.
        flows: The same in every rank.
        recipe: See `Recipe`.
        seed: The same in every rank.
        on_step: Called with step and this rank's loss after each step.

    Raises:
        DataError: the ranks' flows differ, or hardly ever leave a background.
    """
    make, scaling = samplers(flows, recipe, seed)
    members = []
    for number in range(recipe.members):
        own = member_seed(seed, number)
        lanes = Lanes(make, own, [world.rank])
        members.append(train(lanes, recipe, own, on_step, on_gradients=world.average))
    return Committee(members).eval(), scaling
