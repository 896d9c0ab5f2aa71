"""Training, and the draws of an ablation, on made-up flows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from metatap.features import NAMES
from metatap.features.table import INDEX
from metatap.offline.metrics import auprc
from metatap_training.datasets import BENIGN, MALICIOUS, Flows
from metatap_training.episodes import Sizes
from metatap_training.evaluate import draws
from metatap_training.evaluate.ablation import VARIANTS, ablate_fold, ablation_markdown
from metatap_training.evaluate.draws import Drawer
from metatap_training.evaluate.folds import Fold, training_part
from metatap_training.evaluate.scorers import cut, meta_scores
from metatap_training.evaluate.tables import HOME, NULL, OPEN, Settings
from metatap_training.learners import Committee, Recipe
from metatap_training.learners.fit import fit
from metatap_training.learners.model import Shape
from metatap_training.preprocess import Scaling, is_context, without
from tests.training import synthetic

GROUPS = {family: f"group-{family}" for family in synthetic.FAMILIES}
FOLD = Fold("one", ("group-worm",), ("east", "west"))
SIZES = Sizes(tasks=4, background=96, negatives=128, queries=12, own=8, networks=1)
RECIPE = Recipe(
    shape=Shape(dense=12, stumps=12, linear=8), sizes=SIZES, members=2, steps=60, drop=0.0
)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """One thread, and a background that leaves made-up networks some negatives."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draws, "BACKGROUND", 100)
        patch.setattr(draws, "MIN_HOME", 300)
        yield


@pytest.fixture(scope="module")
def flows() -> Flows:
    return synthetic.flows()


def quality(model: Committee, scaling: Scaling, flows: Flows) -> float:
    """Mean AUPRC over the held-out family's draws."""
    scaled = scaling.apply(flows.features)
    values = []
    for draw in Drawer(flows, FOLD, GROUPS, 0).threats(2, 8):
        scores = meta_scores(model, cut(draw, flows, scaled, scaling))
        values.append(auprc(scores[: len(draw.positive)], scores[len(draw.positive) :], 0.01))
    return float(np.mean(values))


def test_training_repeats_and_lowers_its_loss(flows: Flows) -> None:
    """The same seed gives the same weights to the last bit, another seed does not."""
    part = training_part(flows, FOLD, GROUPS)
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


def test_training_improves_on_a_family_it_never_saw(flows: Flows) -> None:
    """Against the same trunk before its first step of any size."""
    part = training_part(flows, FOLD, GROUPS)
    untrained = fit(
        part, Recipe(shape=RECIPE.shape, sizes=SIZES, members=2, drop=0.0, steps=1, rate=0.0), 0
    )
    trained = fit(part, Recipe(shape=RECIPE.shape, sizes=SIZES, members=2, drop=0.0, steps=150), 0)
    assert quality(*trained, flows) > quality(*untrained, flows)


def test_a_fold_s_training_part_lacks_its_groups_and_networks(flows: Flows) -> None:
    """Neither the family nor the benign flows of the test networks are left."""
    part = training_part(flows, FOLD, GROUPS)
    assert "worm" not in set(part.family)
    assert not set(part.network[part.label == BENIGN]) & set(FOLD.networks)
    assert set(part.family[part.label == MALICIOUS]) == set(synthetic.FAMILIES) - {"worm"}


def test_draws_keep_support_background_and_queries_apart(flows: Flows) -> None:
    """Positives come from another network, background and negatives never from the support's."""
    for draw in Drawer(flows, FOLD, GROUPS, 0).threats(5, 4):
        parts = (draw.support, draw.background, draw.positive, draw.negative)
        assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))
        assert set(flows.network[draw.support]) == {draw.network}
        assert draw.elsewhere == "network"
        assert draw.network not in flows.network[draw.positive]
        ground = flows.network[np.r_[draw.background, draw.negative]]
        assert set(ground) <= set(FOLD.networks) - {draw.network}


def test_columns_that_one_network_lacks_are_taken_from_all(flows: Flows) -> None:
    """Or the missing column would tell the networks apart."""
    features = flows.features.copy()
    history = flows.network == "east"
    features[history, INDEX["has.history"]] = 0
    changed = Flows(**{**{n: getattr(flows, n) for n in Flows.__slots__}, "features": features})
    draw = next(iter(Drawer(changed, FOLD, GROUPS, 0).threats(5, 1)))
    assert draw.lacking == ("history",)
    scaling = Scaling(
        np.zeros(features.shape[1], np.float32), np.ones(features.shape[1], np.float32)
    )
    rows = draw.features(scaling.apply(features), scaling)
    assert not rows[:, INDEX["has.history"]].any()
    assert not rows[:, INDEX["history.orig.S"]].any()


def test_at_home_the_negatives_are_of_the_threats_own_networks(flows: Flows) -> None:
    """And no model that is measured there was trained on these networks' benign flows."""
    drawer = Drawer(flows, FOLD, GROUPS, 0)
    part = training_part(flows, FOLD, GROUPS, without_homes=True)
    benign = part.network[part.label == BENIGN]
    for draw in drawer.threats(5, 4):
        home = drawer.at_home(draw)
        assert home is not None
        places = set(flows.network[home.positive])
        assert set(flows.network[home.negative]) == set(flows.network[home.background]) == places
        assert not set(home.negative) & set(home.background)
        assert np.array_equal(home.support, draw.support)
        assert not places & set(benign)
        assert draw.network not in benign


def test_an_ablation_measures_every_variant_on_the_same_draws(flows: Flows) -> None:
    """What is left out is left out: a model without any context does not see it."""
    settings = Settings(draws=1, supports=(2,))
    recipe = Recipe(shape=RECIPE.shape, sizes=SIZES, members=2, drop=0.0, steps=5)
    found = [
        row
        for variant in ("all features", "no context")
        for row in ablate_fold(
            flows, FOLD, GROUPS, recipe=recipe, settings=settings, variant=variant
        )
    ]
    draws_of: dict[str, list[tuple[str, str, int]]] = {}
    for row in found:
        draws_of.setdefault(row.variant, []).append((row.table, row.family, row.number))
    assert draws_of["all features"] == draws_of["no context"]
    assert {row.table for row in found} == {OPEN, HOME, NULL}
    bare = without(flows, VARIANTS["no context"]).features
    context = np.array([is_context(name) for name in NAMES])
    assert np.isnan(bare[:, context]).all()
    assert np.array_equal(bare[:, ~context], flows.features[:, ~context], equal_nan=True)
    text = ablation_markdown(found, settings, "metatap-train ablate")
    cells = [line.split("|") for line in text.splitlines() if line.startswith("|")]
    assert [row[1].strip() for row in cells[2:4]] == ["all features", "no context"]
    rates = [r.tpr for r in found if (r.variant, r.table) == ("no context", OPEN)]
    assert float(cells[3][2]) == pytest.approx(np.mean(rates), abs=1e-3)
