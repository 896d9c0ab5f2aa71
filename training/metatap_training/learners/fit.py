"""From cleaned flows to a trained model: normalisation, tasks, sampler, training."""

from __future__ import annotations

from collections.abc import Callable

from metatap_training.datasets.flows import Flows
from metatap_training.episodes import Sampler, service_tasks, threat_tasks
from metatap_training.episodes.tasks import service_keys
from metatap_training.learners.model import MetaRidge
from metatap_training.learners.train import Recipe, train
from metatap_training.preprocess.scaling import Scaling, fit_scaling


def fit(
    flows: Flows,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, float], None] | None = None,
) -> tuple[MetaRidge, Scaling]:
    """A model meta-trained on flows, with its normalisation; the same for the same arguments."""
    make, scaling = samplers(flows, recipe, seed)
    return train(make(seed), recipe, seed, on_step), scaling


def samplers(flows: Flows, recipe: Recipe, seed: int) -> tuple[Callable[[int], Sampler], Scaling]:
    """What makes samplers of these flows, each from its seed, and the flows' normalisation."""
    scaling = fit_scaling(flows, seed)
    services, keys = service_tasks(flows, service_keys(flows))
    tasks = [*threat_tasks(flows), *services]

    def make(seed: int) -> Sampler:
        return Sampler(flows, scaling, tasks=tasks, keys=keys, sizes=recipe.sizes, seed=seed)

    return make, scaling
