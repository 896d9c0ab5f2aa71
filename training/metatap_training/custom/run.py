"""The work of `metatap-train train`, from what was named to the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from metatap.detector import Model
from metatap.errors import ModelError
from metatap_training import build as work
from metatap_training.custom.holdout import hold_out, of_families
from metatap_training.custom.inputs import Inputs
from metatap_training.custom.train import Given, own_card, train_own
from metatap_training.datasets import Terms
from metatap_training.datasets.reservoir import Reservoir
from metatap_training.datasets.sources import DataError
from metatap_training.distributed import World
from metatap_training.learners import Recipe
from metatap_training.preprocess import clean

Bar = Callable[[str, float], work.Step]
"""Title and total → a function that advances the bar."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained.

    Attributes:
        inputs: The user's flows.
        with_flows: Folder of published flows; None: none.
        cache: For their encoded matrices; None: none.
        holdout: Families to hold out.
        pool: Own flows held in memory at most.
        seed: Of everything.
        steps: Training steps; None: the recipe's.
        out: The model file.
        arguments: Of the command.
    """

    inputs: Inputs
    with_flows: Path | None
    cache: Path | None
    holdout: tuple[str, ...]
    pool: int
    seed: int
    steps: int | None
    out: Path
    arguments: Sequence[str]


def train_file(order: Order, world: World, bar: Bar) -> dict[str, Any]:
    """Train and write the file, which the first process does; returns the card.

    Raises:
        DataError: there are too few flows, or sources of one name.
        ModelError: the agent would refuse the file, which is removed.
        MetatapError: see `Inputs`.
    """
    clock = work.Clock()
    recipe = replace(Recipe(), steps=order.steps) if order.steps else Recipe()
    read = bar("read and clean", 1)
    pool = Reservoir(order.pool, order.seed)
    for part in order.inputs.flows():
        pool.add(part)
    sample = pool.flows()
    cleaned = clean(sample)
    own, held = hold_out(cleaned.flows, order.holdout)
    given = _with_published(order, Given(own))
    read(1)
    step = bar("train", recipe.steps * recipe.members)
    bundle, planned, recipe = train_own(given, recipe, order.seed, world, lambda *_: step(1))
    counts = {"read": pool.seen, "held": len(sample), "limit": order.pool}
    measured = work.examine(bundle, work.Data(given.own, (), {}))
    measured |= {"minutes": clock.minutes(), "processors": work.processors()}

    def card(size: int) -> dict[str, Any]:
        return base | {"measured": measured | {"bytes": size}}

    base = own_card(
        bundle=bundle,
        given=given,
        planned=planned,
        recipe=recipe,
        seed=order.seed,
        world=world,
        command=work.command_line(order.arguments),
        dropped=cleaned.dropped,
        pool=counts,
        held=held,
    )
    size, written = 0, -1
    while size != written and not world.rank:  # the card in the file says how large the file is
        size, written = written, bundle.write(order.out, card(written))
    if not world.rank:
        _accepted(order.out)
    return card(written)


def _accepted(path: Path) -> None:
    """Load a model file as the agent does, self-test included; remove it if that fails.

    Raises:
        ModelError: the agent would refuse it.
    """
    try:
        Model(path)
    except ModelError:
        path.unlink()
        raise


def _with_published(order: Order, given: Given) -> Given:
    """With the published flows that may train, where a folder of them is given.

    Families that are held out are left out of these too.
    """
    if order.with_flows is None:
        return given
    data = work.prepare(order.with_flows, order.cache)
    shared = set(np.unique(given.own.source)) & {source.name for source in data.sources}
    if shared:
        raise DataError(
            f"{', '.join(sorted(shared))}: name of a published source; name yours, --data NAME=DIR"
        )
    same = set(np.unique(given.own.network)) & set(np.unique(data.flows.network))
    if same:
        raise DataError(f"{', '.join(sorted(same))}: name of a network of the published flows")
    published, ground = data.trainable, data.under(Terms.YES)
    return replace(
        given,
        published=published.take(~of_families(published, order.holdout)),
        ground=ground.take(~of_families(ground, order.holdout)),
    )
