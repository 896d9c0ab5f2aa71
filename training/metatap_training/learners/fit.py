"""From cleaned flows to a trained model: normalisation, tasks, sampler, training."""

from __future__ import annotations

from collections.abc import Callable

from metatap_training.datasets.flows import Flows
from metatap_training.episodes import Sampler, service_tasks, threat_tasks
from metatap_training.episodes.tasks import service_keys
from metatap_training.learners.committee import Committee, member_seed
from metatap_training.learners.train import Recipe, train
from metatap_training.preprocess.scaling import Scaling, fit_scaling


def fit(
    flows: Flows,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, float], None] | None = None,
) -> tuple[Committee, Scaling]:
    """A model meta-trained on flows, with its normalisation; the same for the same arguments.

    `on_step` is called with step and loss for one member after the other.
    """
    make, scaling = samplers(flows, recipe, seed)
    members = []
    for number in range(recipe.members):
        own = member_seed(seed, number)
        members.append(train(make(own), recipe, own, on_step))
    return Committee(members).eval(), scaling


def samplers(flows: Flows, recipe: Recipe, seed: int) -> tuple[Callable[[int], Sampler], Scaling]:
    """What makes samplers of these flows, each from its seed, and the flows' normalisation."""
    scaling = fit_scaling(flows, seed)
    services, keys = service_tasks(flows, service_keys(flows))
    tasks = [*threat_tasks(flows), *services]

    def make(seed: int) -> Sampler:
        return Sampler(flows, scaling, tasks=tasks, keys=keys, sizes=recipe.sizes, seed=seed)

    return make, scaling
