"""`bench.folds`: what is held out does not train."""

from __future__ import annotations

import numpy as np
import pytest

from metatap_training.bench.folds import FOLDS, BenchError, Role, fold_named, refuse_leaks
from metatap_training.datasets import MALICIOUS, Terms, concat
from metatap_training.preprocess import read_groups
from tests.training.bench import made


def test_no_flow_of_a_held_out_group_or_network_trains() -> None:
    """Benign flows of the family's own networks stay, unless homes are held out as well."""
    world, fold = made.world(), fold_named(made.FOLD)
    part = world.part(tuple(Terms), fold, home=False)
    assert set(np.unique(part.family[part.label == MALICIOUS])) == {"tunnel", "flood"}
    assert set(np.unique(part.network)) == {"lab", "hall", *made.FAR.values()}
    part = world.part(tuple(Terms), fold, home=True)
    assert set(np.unique(part.network)) == set(made.FAR.values())


def test_a_family_of_the_fold_among_the_training_flows_is_refused() -> None:
    """The check looks at the flows, not at how they were chosen."""
    world, fold = made.world(), fold_named(made.FOLD)
    clean = world.part(tuple(Terms), fold, home=False)
    slipped = world.flows.take((world.flows.family == "worm") & (world.flows.network == "lab"))
    with pytest.raises(BenchError, match=r"held out, yet among the training flows: worm"):
        refuse_leaks(concat([clean, slipped.take(np.arange(1))]), fold, made.GROUPS)


def test_a_network_of_the_fold_among_the_training_flows_is_refused() -> None:
    """Even one benign flow."""
    world, fold = made.world(), fold_named(made.FOLD)
    slipped = world.flows.take(world.flows.network == "ndpi-mix").take(np.arange(1))
    with pytest.raises(BenchError, match="ndpi-mix"):
        refuse_leaks(slipped, fold, made.GROUPS)


def test_every_group_is_held_out_once_and_roles_share_no_network() -> None:
    """What settings were chosen on is not what is reported."""
    held = [group for fold in FOLDS for group in fold.groups]
    assert sorted(held) == sorted(set(read_groups().values()) & set(held))
    networks = {
        role: {n for fold in FOLDS if fold.role is role for n in fold.networks} for role in Role
    }
    assert not networks[Role.TEST] & networks[Role.VALIDATION]
